//! Servers and clients of a few lines, which can also misbehave; and a proxy between them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use ledgerstone_http::{
    ClientOptions, Proxy, ProxyBuilder, ReqwestClient, RouteAuth, RouteSettings, ServiceSettings, Services,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::fakes::named;

/// A service that answers by a function of the request.
pub(crate) async fn service<F, Fut>(answer: F) -> SocketAddr
where
    F: Fn(Request<Body>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    let service = tower::service_fn(move |request| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    serve(Router::new().fallback_service(service)).await
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// A service that reads what it is sent and answers with these bytes, whatever they are, and hangs up.
/// Every connection is told, with what was read at first.
pub(crate) async fn raw(answer: &'static [u8]) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut read = vec![0; 64 * 1024];
                let size = connection.read(&mut read).await.unwrap_or(0);
                let _ = sender.send(String::from_utf8_lossy(&read[..size]).into_owned());
                let _ = connection.write_all(answer).await;
            });
        }
    });
    (address, receiver)
}

/// A service that takes requests and says nothing; it tells when it was asked, and when the asker left.
pub(crate) async fn silent() -> (SocketAddr, mpsc::UnboundedReceiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut read = [0; 4096];
                let mut told = "asked";
                while connection.read(&mut read).await.is_ok_and(|size| size > 0) {
                    let _ = sender.send(told);
                    told = "more";
                }
                let _ = sender.send("left");
            });
        }
    });
    (address, receiver)
}

/// A route to everything, open to everybody.
pub(crate) fn open() -> RouteSettings {
    RouteSettings { auth: RouteAuth::Open, ..RouteSettings::prefix("/", "orders") }
}

pub(crate) fn builder(settings: ServiceSettings) -> ProxyBuilder {
    let client = ReqwestClient::new(ClientOptions::default()).expect("a client");
    Proxy::builder(Services::builder(Arc::new(client)).start(&named(settings)).expect("services"))
}

/// Serves a proxy with these routes to one service at these addresses.
pub(crate) async fn proxy(services: &[SocketAddr], routes: &[RouteSettings]) -> SocketAddr {
    let settings = ServiceSettings {
        timeout: Duration::from_secs(20),
        ..ServiceSettings::at(services.iter().map(SocketAddr::to_string))
    };
    let proxy = builder(settings).build(routes).expect("routes");
    serve_proxy(proxy).await
}

pub(crate) async fn serve_proxy(proxy: Proxy) -> SocketAddr {
    serve(proxy.router()).await
}

/// Sends these bytes and reads until the other side hangs up.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    connection.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // A connection that breaks has answered with what came before.
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Gets a path, with more headers, and reads the whole answer.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n{headers}\r\n");
    exchange(address, &request).await
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// Asserts that the answer is a problem document with this status and code.
#[track_caller]
pub(crate) fn assert_problem(answer: &str, expected: u16, code: &str) {
    assert_eq!(status(answer), expected, "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body(answer)).expect("a problem");
    assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(expected.into()), Some(code)));
    assert!(problem["correlation"].is_string(), "{answer}");
}
