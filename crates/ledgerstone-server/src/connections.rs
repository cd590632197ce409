//! The connections of the server: bounded in number, and closed when a caller does not get on.

use std::io::ErrorKind;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// How often an HTTP/2 connection is asked whether it is alive, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long to wait when the system has no connection to give, as when files run out.
const PAUSE: Duration = Duration::from_millis(500);

/// Up to where connections are taken and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// The largest number of connections at a time; further ones wait in the system's queue.
    pub connections: usize,
    /// How long the head of a request may take to arrive; with HTTP/1 also how long a connection may be idle.
    pub header_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections: 1_024, header_timeout: Duration::from_secs(10) }
    }
}

/// Takes connections until `ending`, and returns when those that were open have answered what they were asked.
pub(crate) async fn accept(
    listener: TcpListener,
    routes: Router,
    limits: ConnectionLimits,
    ending: CancellationToken,
) {
    let builder = builder(limits);
    // Dropped with this future, the set cuts off what is left at the drain deadline.
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = ending.cancelled() => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < limits.connections => match accepted {
                Ok((stream, _)) => {
                    let (builder, routes, ending) = (builder.clone(), routes.clone(), ending.clone());
                    open.spawn(keep(builder, stream, routes, limits.header_timeout, ending));
                }
                Err(error) if is_of_the_caller(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

fn builder(limits: ConnectionLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
    builder
}

/// Serves one connection until it ends, or has answered what it was asked once `ending` comes.
async fn keep(
    builder: Builder<TokioExecutor>,
    stream: TcpStream,
    routes: Router,
    header_timeout: Duration,
    ending: CancellationToken,
) {
    // Small answers must not wait for the next ones (Nagle's algorithm).
    drop(stream.set_nodelay(true));
    let begun = CancellationToken::new();
    let asked = begun.clone();
    let service = routes.map_request(move |request: axum::http::Request<hyper::body::Incoming>| {
        asked.cancel();
        request.map(Body::new)
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    // The timeout of the protocol begins once it is known which one is spoken, so the first wait needs its own.
    let mut late = pin!(tokio::time::sleep(header_timeout));
    let mut is_ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = ending.cancelled(), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
            () = late.as_mut(), if !begun.is_cancelled() => {
                if !begun.is_cancelled() {
                    tracing::debug!("a connection was closed, as it sent no request in time");
                    return;
                }
            }
        }
    }
}

/// Tells whether a connection ended before it was accepted, which is its caller's affair.
fn is_of_the_caller(error: &std::io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
