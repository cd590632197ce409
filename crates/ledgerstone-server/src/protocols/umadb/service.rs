//! The service behind the port: which path is which call, who may make it, and what is counted of it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Request, Response};
use futures_util::FutureExt as _;
use futures_util::stream::BoxStream;
use hyper::body::Incoming;
use ledgerstone::core::{Code, ErrorKind, EventStore as _, Position, Problem, Tenant};
use ledgerstone::engine::Scoped;
use ledgerstone::http::{Authenticator, bearer};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::Codec;
use tonic::server::Grpc;
use tower::{Service, service_fn};

use super::events_codec::{EventsCodec, Page};
use super::failure::status_of;
use super::tracking::position_of;
use super::wire::{HeadRequest, HeadResponse, TrackingRequest, TrackingResponse};
use super::{append, read, subscribe};
use crate::api::call::tenant_of;
use crate::api::state::Api;
use crate::protocols::grpc::grpc_metrics::GrpcMetrics;
use crate::protocols::grpc::health::{Health, HealthRequest};
use crate::protocols::grpc::prost_codec::ProstCodec;

/// The name of the service.
const SERVICE: &str = "umadb.v1.DCB";

/// The calls, by their paths without the first slash.
const CALLS: [(Call, &str); 7] = [
    (Call::Append, "umadb.v1.DCB/Append"),
    (Call::Read, "umadb.v1.DCB/Read"),
    (Call::Subscribe, "umadb.v1.DCB/Subscribe"),
    (Call::Head, "umadb.v1.DCB/Head"),
    (Call::GetTrackingInfo, "umadb.v1.DCB/GetTrackingInfo"),
    (Call::CheckHealth, "grpc.health.v1.Health/Check"),
    (Call::WatchHealth, "grpc.health.v1.Health/Watch"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Append,
    Read,
    Subscribe,
    Head,
    GetTrackingInfo,
    CheckHealth,
    WatchHealth,
}

/// Answers the clients of UmaDB; a cheap handle.
#[derive(Debug, Clone)]
pub(crate) struct UmaDb(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    api: Api,
    authenticator: Option<Arc<dyn Authenticator>>,
    timeout: Duration,
    health: Health,
    metrics: [GrpcMetrics; CALLS.len()],
    unmatched: GrpcMetrics,
}

impl UmaDb {
    /// Makes the service of an application; a call takes at most `timeout` until its answer begins.
    pub(crate) fn new(api: Api, authenticator: Option<Arc<dyn Authenticator>>, timeout: Duration) -> Self {
        let (draining, ending) = (api.draining.clone(), api.ending.clone());
        Self(Arc::new(Shared {
            api,
            authenticator,
            timeout,
            health: Health { service: SERVICE, draining, ending },
            metrics: CALLS.map(|(_, path)| GrpcMetrics::of(path)),
            unmatched: GrpcMetrics::of("other"),
        }))
    }
}

impl Service<Request<Incoming>> for UmaDb {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { Ok(shared.answer(request).await) })
    }
}

impl Shared {
    /// Answers a call, and counts it.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let started = Instant::now();
        let path = request.uri().path().strip_prefix('/').unwrap_or_default();
        let found = CALLS.iter().zip(&self.metrics).find(|((_, known), _)| *known == path);
        let (response, metrics) = match found {
            Some(((call, _), metrics)) => {
                let call = Arc::clone(&self).within(*call, request);
                let answered =
                    AssertUnwindSafe(tokio::time::timeout(self.timeout, call)).catch_unwind().await;
                let response = match answered {
                    Ok(Ok(response)) => response,
                    Ok(Err(_)) => status_of(&late(self.timeout)).into_http(),
                    Err(_) => status_of(&panicked()).into_http(),
                };
                (response, metrics)
            }
            None => {
                let status =
                    Status::unimplemented(format!("there is no call {path:?} here; there is {SERVICE}"));
                (status.into_http(), &self.unmatched)
            }
        };
        let code = code_of(&response);
        metrics.answered(code, started.elapsed());
        tracing::debug!(?code, micros = started.elapsed().as_micros(), "call answered");
        response
    }

    async fn within(self: Arc<Self>, call: Call, request: Request<Incoming>) -> Response<Body> {
        let events = match self.admit(call, request.headers()) {
            Ok(tenant) => Scoped::new(Arc::clone(&self.api.app.events), tenant),
            Err(status) => return status.into_http(),
        };
        let api = &self.api;
        match call {
            Call::Append => self.one(request, |asked| append::append(api, &events, asked)).await,
            Call::Read => self.events(request, |asked| read::read(api, events.clone(), asked)).await,
            Call::Subscribe => {
                self.events(request, |asked| subscribe::subscribe(api, events.clone(), asked)).await
            }
            Call::Head => self.one(request, |_: HeadRequest| head(&events)).await,
            Call::GetTrackingInfo => self.one(request, |asked| tracking_info(&events, asked)).await,
            Call::CheckHealth => {
                self.one(request, |asked: HealthRequest| std::future::ready(self.health.check(&asked))).await
            }
            Call::WatchHealth => {
                let watch = service_fn(|asked: tonic::Request<HealthRequest>| {
                    let states = self.health.watch(asked.get_ref());
                    std::future::ready(Ok(tonic::Response::new(states)))
                });
                self.grpc(ProstCodec::default()).server_streaming(watch, request).await
            }
        }
    }

    /// Lets the caller in or not, and tells whose events it means.
    fn admit(&self, call: Call, headers: &HeaderMap) -> Result<Tenant, Status> {
        let is_open = matches!(call, Call::CheckHealth | Call::WatchHealth);
        if let Some(authenticator) = self.authenticator.as_ref().filter(|_| !is_open) {
            let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            authenticator.authenticate(header.and_then(bearer)).map_err(|reason| {
                status_of(&Problem::new(ErrorKind::Denied, Code::Unauthorized, reason.to_string()))
            })?;
        }
        tenant_of(headers).map_err(|failure| status_of(failure.problem()))
    }

    /// Answers one message with one.
    async fn one<Asked, Answer, Answering>(
        &self,
        request: Request<Incoming>,
        mut answer: impl FnMut(Asked) -> Answering + Send,
    ) -> Response<Body>
    where
        Asked: Message + Default + 'static,
        Answer: Message + 'static,
        Answering: Future<Output = Result<Answer, Status>> + Send,
    {
        let service = service_fn(|asked: tonic::Request<Asked>| {
            let answering = answer(asked.into_inner());
            async { answering.await.map(tonic::Response::new) }
        });
        self.grpc(ProstCodec::<Answer, Asked>::default()).unary(service, request).await
    }

    /// Answers one message with pages of events.
    async fn events<Asked, Answering>(
        &self,
        request: Request<Incoming>,
        mut answer: impl FnMut(Asked) -> Answering + Send,
    ) -> Response<Body>
    where
        Asked: Message + Default + 'static,
        Answering: Future<Output = Result<BoxStream<'static, Result<Page, Status>>, Status>> + Send,
    {
        let service = service_fn(|asked: tonic::Request<Asked>| {
            let answering = answer(asked.into_inner());
            async { answering.await.map(tonic::Response::new) }
        });
        self.grpc(EventsCodec::<Asked>::default()).server_streaming(service, request).await
    }

    fn grpc<C: Codec>(&self, codec: C) -> Grpc<C> {
        Grpc::new(codec).max_decoding_message_size(self.api.limits.body_bytes)
    }
}

/// Tells the newest position.
async fn head(events: &Scoped) -> Result<HeadResponse, Status> {
    let head = events.head().await.map_err(|error| status_of(&Problem::from(&error)))?;
    let position = head.heads.application;
    Ok(HeadResponse { position: (position > Position::START).then_some(position.0) })
}

/// Tells how far a source has been followed.
async fn tracking_info(events: &Scoped, asked: TrackingRequest) -> Result<TrackingResponse, Status> {
    Ok(TrackingResponse { position: position_of(events, &asked.source).await? })
}

/// Returns the status of an answer that has begun, or that failed before it could.
fn code_of(response: &Response<Body>) -> tonic::Code {
    let status = response.headers().get(Status::GRPC_STATUS);
    status.map_or(tonic::Code::Ok, |status| tonic::Code::from_bytes(status.as_bytes()))
}

fn late(timeout: Duration) -> Problem {
    let seconds = timeout.as_secs();
    let detail = format!(
        "the call was not answered within {seconds} s, and nobody knows what became of an append; send it again \
         with the same ids"
    );
    Problem::new(ErrorKind::TimedOut, Code::Indeterminate, detail)
}

fn panicked() -> Problem {
    Problem::new(ErrorKind::Internal, Code::Internal, "the server failed inside; its log has the details")
}
