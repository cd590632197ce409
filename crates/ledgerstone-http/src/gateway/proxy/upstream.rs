//! The connections to services: one pool for each address, so that a new address is seen at once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::uri::{PathAndQuery, Scheme};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ledgerstone_core::{BackendError, Code, ErrorKind, Retryable};
use ledgerstone_resilience::{DEADLINE_HEADER, Deadline};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::{self, Handle};
use tokio::time::timeout;

use crate::gateway::lease::{Lease, may_be_repeated};
use crate::gateway::live_endpoint::LiveEndpoint;
use crate::gateway::proxy::bodies::{Download, Upload, Verdict};
use crate::gateway::proxy::headers;
use crate::gateway::service::Service;

const BACKEND: &str = "proxy";
const PASS: &str = "pass a request on";

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Less than the time after which servers close what is idle, lest a request meets the end.
const IDLE: Duration = Duration::from_secs(5);
const IDLE_CONNECTIONS: usize = 256;

/// Sends requests to endpoints.
///
/// A connection lives on the runtime that opened it. So each runtime has connections of its own: where a server
/// has one for each thread, no request then wakes a thread other than its own.
#[derive(Debug, Default)]
pub(crate) struct Upstream {
    clients: RwLock<Vec<(runtime::Id, Connections)>>,
}

type Connections = Client<HttpConnector, Upload>;

/// A request on its way to a service, as often as it is sent.
#[derive(Debug)]
pub(crate) struct Passing {
    pub(crate) service: Arc<Service>,
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Duration,
    /// Until when the caller waits, or the server for the whole request.
    pub(crate) callers: Option<Deadline>,
    pub(crate) upload: Verdict,
    pub(crate) tried: Mutex<Vec<Arc<LiveEndpoint>>>,
}

impl Upstream {
    /// Returns the connections of the runtime that this is called on.
    fn connections(&self) -> Connections {
        let here = Handle::current().id();
        let of_here = |clients: &[(runtime::Id, Connections)]| {
            clients.iter().find(|(id, _)| *id == here).map(|(_, client)| client.clone())
        };
        if let Some(client) = of_here(&self.clients.read()) {
            return client;
        }
        let mut clients = self.clients.write();
        of_here(&clients).unwrap_or_else(|| {
            let client = connections();
            clients.push((here, client.clone()));
            client
        })
    }

    /// Sends a request to an endpoint that it was not sent to before, if there is one.
    pub(crate) async fn attempt(
        &self,
        passing: &Passing,
        mut headers: HeaderMap,
        body: Upload,
        deadline: Option<Deadline>,
    ) -> Result<Response<Body>, PassFailure> {
        let deadline = [deadline, Deadline::current()].into_iter().flatten().min();
        let tried = passing.tried.lock().clone();
        let mut lease = passing.service.choose(&tried).await?;
        passing.tried.lock().push(Arc::clone(lease.endpoint()));
        let mut patience = passing.timeout;
        // Whoever asks with little time, and be it on purpose, learns nothing about the endpoint.
        let is_callers = deadline.is_some_and(|deadline| {
            passing.callers.is_some_and(|callers| callers <= deadline) && deadline.remaining() < patience
        });
        if let Some(deadline) = deadline {
            patience = patience.min(deadline.remaining());
            if let Ok(value) = HeaderValue::try_from(deadline.to_header()) {
                headers.insert(DEADLINE_HEADER, value);
            }
        }
        headers.entry(HOST).or_insert_with(|| lease.endpoint().host().clone());
        let request = passing.request(&lease, headers, body)?;
        match timeout(patience, self.connections().request(request)).await {
            Ok(Ok(response)) => passing.take(lease, response),
            Ok(Err(error)) if passing.upload.get().is_some() => {
                let failure = passing.failure("did not get the whole body of the request");
                Err(PassFailure::Callers(failure.with_source(error)))
            }
            Ok(Err(error)) => Err(passing.broken(&mut lease, error).into()),
            Err(_) if is_callers || passing.upload.is_on_sender() => {
                Err(PassFailure::Callers(passing.late(patience, is_callers)))
            }
            Err(_) => {
                lease.fail();
                Err(passing.late(patience, deadline.is_some_and(Deadline::is_over)).into())
            }
        }
    }
}

fn connections() -> Connections {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector)
}

impl Passing {
    fn request(
        &self,
        lease: &Lease,
        headers: HeaderMap,
        body: Upload,
    ) -> Result<Request<Upload>, BackendError> {
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(lease.endpoint().authority().clone())
            .path_and_query(self.target.clone())
            .build();
        let uri = uri.map_err(|error| {
            BackendError::new(ErrorKind::Invalid, BACKEND, PASS, "its target is no path").with_source(error)
        })?;
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn take(&self, mut lease: Lease, response: Response<Incoming>) -> Result<Response<Body>, PassFailure> {
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            lease.fail();
            return Err(self.failure("changed the protocol, which nobody asked for").into());
        }
        lease.answer(status.as_u16());
        let (mut parts, body) = response.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        // The version is that of the connection behind, and says nothing about the one in front.
        parts.version = Version::HTTP_11;
        // The client keeps what belongs to its connection here.
        parts.extensions.clear();
        let response = Response::from_parts(
            parts,
            Body::new(Download::new(body, self.idle_timeout, lease, self.upload.clone())),
        );
        if may_be_repeated(status.as_u16()) {
            Err(PassFailure::Answered(Box::new(response)))
        } else {
            Ok(response)
        }
    }

    fn broken(&self, lease: &mut Lease, error: Error) -> BackendError {
        let address = lease.endpoint().address().to_owned();
        tracing::debug!(service = &*self.service.name, address, ?error, "a request could not be passed on");
        if error.is_connect() {
            lease.fail_to_connect();
            return self.failure("cannot be reached").with_code(Code::Unreachable).with_source(error);
        }
        lease.fail();
        self.failure("broke off before it answered, or its answer makes no sense").with_source(error)
    }

    fn late(&self, patience: Duration, is_over: bool) -> BackendError {
        let name = &self.service.name;
        let code = if is_over { Code::DeadlineExceeded } else { Code::Unreachable };
        let message = format!("the service {name} did not begin to answer within {patience:?}");
        BackendError::new(ErrorKind::TimedOut, BACKEND, PASS, message).with_code(code)
    }

    /// Names the service and not the address: who is outside need not know what the inside looks like.
    fn failure(&self, what: &str) -> BackendError {
        let message = format!("the service {} {what}; ask again", self.service.name);
        BackendError::new(ErrorKind::Unavailable, BACKEND, PASS, message)
    }
}

/// Why an attempt was no success; an answer that asks to come again is one too, and is not lost.
#[derive(Debug)]
pub(crate) enum PassFailure {
    Failed(BackendError),
    /// It was given up for what the caller did, and says nothing about the service.
    Callers(BackendError),
    Answered(Box<Response<Body>>),
}

impl From<BackendError> for PassFailure {
    fn from(error: BackendError) -> Self {
        Self::Failed(error)
    }
}

impl Retryable for PassFailure {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(error) => error.is_retryable(),
            Self::Callers(_) => false,
            Self::Answered(_) => true,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed(error) | Self::Callers(error) => error.retry_after(),
            Self::Answered(response) => {
                let value = response.headers().get(axum::http::header::RETRY_AFTER)?;
                value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
            }
        }
    }
}
