//! What a caller does with its time and its body says nothing about the endpoints, nor to the breaker before them.

use std::net::SocketAddr;
use std::time::Duration;

use ledgerstone_http::{
    ClientOptions, PolicySource, Proxy, ReqwestClient, RouteSettings, ServiceSettings, Services,
};
use ledgerstone_resilience::{CircuitBreaker, Policy};

use super::fakes::named;
use super::wire::{exchange, get, open, serve_proxy, silent, status};

/// A proxy to two services that say nothing, with or without a breaker that opens soon.
async fn before_silence(route: RouteSettings) -> (SocketAddr, Services) {
    let (one, _told) = silent().await;
    let (other, _told) = silent().await;
    let client = ReqwestClient::new(ClientOptions::default()).expect("a client");
    let settings = ServiceSettings::at([one.to_string(), other.to_string()]);
    let services = Services::builder(std::sync::Arc::new(client)).start(&named(settings)).expect("services");
    let breaker = CircuitBreaker { minimum_calls: 3, ..CircuitBreaker::default() };
    let broken = Policy::builder("broken").circuit_breaker(breaker).build().expect("a policy");
    let policies = PolicySource::new(move |name| (name == "broken").then(|| broken.clone()));
    let proxy = Proxy::builder(services.clone()).with_policies(policies).build(&[route]).expect("routes");
    (serve_proxy(proxy).await, services)
}

fn is_anybody_out(services: &Services) -> bool {
    services.report()[0].endpoints.iter().any(|endpoint| endpoint.ejected.is_some())
}

const POLICIES: [Option<&str>; 2] = [None, Some("broken")];

fn under(policy: Option<&str>) -> RouteSettings {
    RouteSettings {
        policy: policy.map(str::to_owned),
        timeout: Some(Duration::from_secs(20)),
        idle_timeout: Duration::from_millis(10),
        body_limit: 5,
        ..open()
    }
}

#[tokio::test]
async fn callers_with_little_time_eject_nobody_and_open_no_breaker() {
    for policy in POLICIES {
        let (proxy, services) = before_silence(under(policy)).await;
        for _ in 0..15 {
            let answer = get(proxy, "/", "x-ledgerstone-deadline-ms: 1\r\n").await;
            // An open circuit would be 503.
            assert_eq!(status(&answer), 504, "{answer}");
        }
        assert!(!is_anybody_out(&services), "{policy:?}");
    }
}

#[tokio::test]
async fn callers_whose_bodies_are_broken_eject_nobody_and_open_no_breaker() {
    let too_large = "transfer-encoding: chunked\r\n\r\n6\r\n123456\r\n0\r\n\r\n";
    let silent = "content-length: 5\r\n\r\nhalf";
    let broken = "transfer-encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n";
    for policy in POLICIES {
        let (proxy, services) = before_silence(under(policy)).await;
        for (rest, expected) in [(too_large, 413), (silent, 408), (broken, 400)] {
            for _ in 0..15 {
                let answer =
                    exchange(proxy, &format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{rest}"))
                        .await;
                assert_eq!(status(&answer), expected, "{policy:?}: {answer}");
            }
        }
        assert!(!is_anybody_out(&services), "{policy:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_slow_while_it_waits_for_a_body_is_not_blamed() {
    let route = || RouteSettings {
        timeout: Some(Duration::from_millis(10)),
        idle_timeout: Duration::from_secs(20),
        ..under(None)
    };
    let half = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhalf";
    let (proxy, services) = before_silence(route()).await;
    for _ in 0..15 {
        assert_eq!(status(&exchange(proxy, half).await), 504);
    }
    assert!(!is_anybody_out(&services));
    // With the whole body it is the service that is late.
    let (proxy, services) = before_silence(route()).await;
    for _ in 0..15 {
        assert_eq!(status(&exchange(proxy, &format!("{half}5")).await), 504);
    }
    assert!(is_anybody_out(&services));
}
