//! The connections of the server: bounded in number, and closed when a caller does not get on.

use std::convert::Infallible;
use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::{Body, Incoming};

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use crate::lanes::Lanes;

/// How often an HTTP/2 connection is asked whether it is alive, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How long to wait when the system has no connection to give, as when files run out.
const PAUSE: Duration = Duration::from_millis(500);

/// How many calls over gRPC one connection may have open at a time.
const GRPC_CALLS: u32 = 1_024;
/// How much of one call may arrive before it was taken in.
const GRPC_STREAM_WINDOW: u32 = 4 * 1024 * 1024;
/// How much of all the calls of a connection may.
const GRPC_CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;

/// What is spoken on the connections of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/1 or HTTP/2, as the caller begins.
    Http {
        /// Whether each request knows its caller's address.
        tells_addresses: bool,
    },
    /// HTTP/2 with many calls at a time.
    Grpc,
}

impl Speaks {
    fn tells_addresses(self) -> bool {
        matches!(self, Self::Http { tells_addresses: true })
    }
}

/// Answers requests, and is cheap to clone for each connection.
pub(crate) trait Answers:
    Service<Request<Incoming>, Response = Response<Self::Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
    /// The body of an answer.
    type Body: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

impl<S, B> Answers for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;
}

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

/// Takes connections until `ending`, serves them on `lanes`, and returns when those that were open have answered what
/// they were asked.
pub(crate) async fn accept<S>(
    listener: TcpListener,
    speaks: Speaks,
    lanes: Lanes,
    service: S,
    limits: ConnectionLimits,
    ending: CancellationToken,
) where
    S: Answers,
{
    let builder = builder(speaks, limits);
    // Dropped with this future, the set cuts off what is left at the drain deadline.
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = ending.cancelled() => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept(), if open.len() < limits.connections => match accepted {
                Ok((stream, caller)) => {
                    let caller = speaks.tells_addresses().then_some(ConnectInfo(caller));
                    let place = lanes.place();
                    let (builder, service, ending) = (builder.clone(), service.clone(), ending.clone());
                    let runtime = place.runtime.clone();
                    let connection = async move {
                        let _place = place;
                        keep(builder, stream, caller, service, limits.header_timeout, ending).await;
                    };
                    open.spawn_on(connection, &runtime);
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

fn builder(speaks: Speaks, limits: ConnectionLimits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE);
    match speaks {
        Speaks::Http { .. } => builder,
        Speaks::Grpc => {
            http2
                .max_concurrent_streams(GRPC_CALLS)
                .initial_stream_window_size(GRPC_STREAM_WINDOW)
                .initial_connection_window_size(GRPC_CONNECTION_WINDOW);
            // A date in every answer would be written here and read there for nobody.
            http2.auto_date_header(false);
            builder.http2_only()
        }
    }
}

/// Serves one connection until it ends, or has answered what it was asked once `ending` comes.
async fn keep<S>(
    builder: Builder<TokioExecutor>,
    stream: TcpStream,
    caller: Option<ConnectInfo<SocketAddr>>,
    service: S,
    header_timeout: Duration,
    ending: CancellationToken,
) where
    S: Answers,
{
    // Small answers must not wait for the next ones (Nagle's algorithm).
    drop(stream.set_nodelay(true));
    let stream = match taken_over(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "a connection could not be taken over"),
    };
    let begun = CancellationToken::new();
    let asked = begun.clone();
    let service = service.map_request(move |mut request: Request<Incoming>| {
        asked.cancel();
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        request
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

/// Has the runtime of the caller wake for a connection that another one accepted.
fn taken_over(stream: TcpStream) -> std::io::Result<TcpStream> {
    TcpStream::from_std(stream.into_std()?)
}

/// Tells whether a connection ended before it was accepted, which is its caller's affair.
fn is_of_the_caller(error: &std::io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
