//! Services that are not there, late, broken or lying; and what may be asked of another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use ledgerstone_http::{PolicySource, RouteSettings, ServiceSettings};
use ledgerstone_resilience::{Policy, Retry};
use tokio::net::TcpListener;

use super::wire::{
    assert_problem, body, builder, exchange, get, open, proxy, raw, serve_proxy, service, silent, status,
};

/// An address where nobody is.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

fn patient() -> PolicySource {
    PolicySource::new(|name| {
        let retry = Retry::exponential(Duration::from_millis(1), Duration::from_millis(5));
        (name == "patient").then(|| Policy::builder("patient").retry(retry).build().expect("a policy"))
    })
}

async fn patient_proxy(services: &[SocketAddr]) -> SocketAddr {
    let settings = ServiceSettings::at(services.iter().map(SocketAddr::to_string));
    let route = RouteSettings { policy: Some("patient".to_owned()), ..open() };
    let proxy = builder(settings).with_policies(patient()).build(&[route]).expect("routes");
    serve_proxy(proxy).await
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_bad_gateway_and_its_address_is_not_told() {
    let upstream = nobody().await;
    let answer = get(proxy(&[upstream], &[open()]).await, "/", "").await;
    assert_problem(&answer, 502, "LS0027");
    assert!(!answer.contains(&upstream.to_string()), "{answer}");
}

#[tokio::test]
async fn garbage_for_an_answer_is_a_bad_gateway() {
    for garbage in [
        b"hello, I am no server\r\n\r\n".as_slice(),
        b"",
        b"HTTP/1.1 999999 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let (upstream, _asked) = raw(garbage).await;
        let answer = get(proxy(&[upstream], &[open()]).await, "/", "").await;
        assert_problem(&answer, 502, "LS0027");
    }
}

#[tokio::test]
async fn a_service_that_says_nothing_is_a_gateway_timeout() {
    let (upstream, _told) = silent().await;
    let route = RouteSettings { timeout: Some(Duration::from_millis(20)), ..open() };
    let address = proxy(&[upstream], &[route]).await;
    assert_problem(&get(address, "/", "").await, 504, "LS0027");
    let patient = proxy(&[upstream], &[open()]).await;
    let answer = get(patient, "/", "x-ledgerstone-deadline-ms: 20\r\n").await;
    assert_problem(&answer, 504, "LS0040");
}

#[tokio::test]
async fn a_request_without_a_body_is_sent_to_another_endpoint_and_one_with_a_body_is_not() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let bad = service(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { StatusCode::SERVICE_UNAVAILABLE.into_response() }
    })
    .await;
    let good = service(|_| async { "good".into_response() }).await;
    let proxy = patient_proxy(&[bad, good]).await;
    for _ in 0..4 {
        let answer = get(proxy, "/", "").await;
        assert_eq!((status(&answer), body(&answer)), (200, "good"), "{answer}");
    }
    let before = calls.load(Ordering::Relaxed);
    assert!(before > 0);
    let mut refused = 0;
    for request in [
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        "PUT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\nab",
    ] {
        for _ in 0..2 {
            refused += usize::from(status(&exchange(proxy, request).await) == 503);
        }
    }
    assert_eq!(refused, calls.load(Ordering::Relaxed) - before);
    assert!(refused >= 1, "{refused}");
}

#[tokio::test]
async fn the_last_answer_is_passed_on_as_it_is() {
    let bad = service(|_| async { (StatusCode::BAD_GATEWAY, "from behind").into_response() }).await;
    let answer = get(patient_proxy(&[bad]).await, "/", "").await;
    assert_eq!((status(&answer), body(&answer)), (502, "from behind"));
}

#[tokio::test]
async fn a_service_without_endpoints_is_unavailable() {
    let source = super::fakes::Told::of(&[]);
    let resolver: Arc<dyn ledgerstone_http::Resolver> = source;
    let services = ledgerstone_http::Services::builder(super::fakes::Scripted::good())
        .with_resolver("told", resolver)
        .start(&super::fakes::named(super::fakes::told()))
        .expect("services");
    let proxy = ledgerstone_http::Proxy::builder(services).build(&[open()]).expect("routes");
    let answer = get(serve_proxy(proxy).await, "/", "").await;
    assert_problem(&answer, 503, "LS0041");
}
