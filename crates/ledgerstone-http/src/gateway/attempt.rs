//! Sending one request of a call to one endpoint, another at each attempt.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use ledgerstone_core::{
    BackendError, Code, ErrorKind, HttpBody, HttpClient, HttpRequest, HttpResponse, Retryable,
};
use ledgerstone_resilience::{DEADLINE_HEADER, Deadline};
use parking_lot::Mutex;

use crate::correlation::Correlation;
use crate::gateway::lease::{Lease, may_be_repeated};
use crate::gateway::live_endpoint::LiveEndpoint;
use crate::gateway::service::Service;
use crate::trace_context::TraceContext;

/// A request to a service that is ready to be sent, as often as need be.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) service: Arc<Service>,
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) timeout: Option<Duration>,
    /// Until when whoever calls waits; that it is over says nothing about the endpoint.
    pub(crate) callers: Option<Deadline>,
    /// Whether a policy ends the call at the callers' deadline: then it is dropped, and no breaker learns from it.
    pub(crate) is_guarded: bool,
    pub(crate) tried: Mutex<Vec<Arc<LiveEndpoint>>>,
}

impl Outgoing {
    /// Sends it once; `more` are headers of this attempt.
    pub(crate) async fn attempt(
        &self,
        deadline: Option<Deadline>,
        more: Option<(String, String)>,
    ) -> Result<HttpResponse, CallFailure> {
        let deadline = [deadline, Deadline::current()].into_iter().flatten().min();
        let (lease, request) = self.begin(deadline, more).await?;
        let is_callers = self.is_callers(deadline);
        take(lease, self.client.send(request).await, is_callers)
    }

    /// Sends it with a body that comes piece by piece, and so once only.
    pub(crate) async fn stream(&self, body: HttpBody) -> Result<HttpResponse, CallFailure> {
        let deadline = Deadline::current();
        let (lease, request) = self.begin(deadline, None).await?;
        let is_callers = self.is_callers(deadline);
        let is_broken = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_broken);
        let body = body.inspect_err(move |_| seen.store(true, Ordering::Release)).boxed();
        let answer = self.client.send_streaming(request, body).await;
        // Whoever calls broke off what the endpoint was to be sent.
        let is_broken = is_broken.load(Ordering::Acquire);
        take(lease, answer, is_callers || is_broken)
    }

    /// Tells whether the callers' deadline comes before any time that was set for the call here.
    fn is_callers(&self, deadline: Option<Deadline>) -> bool {
        let (Some(callers), Some(deadline)) = (self.callers, deadline) else { return false };
        callers <= deadline && self.timeout.is_none_or(|timeout| callers.remaining() < timeout)
    }

    /// Chooses an endpoint that was not tried, if there is one, and makes the request to it.
    async fn begin(
        &self,
        deadline: Option<Deadline>,
        more: Option<(String, String)>,
    ) -> Result<(Lease, HttpRequest), BackendError> {
        let tried = self.tried.lock().clone();
        let lease = self.service.choose(&tried).await?;
        self.tried.lock().push(Arc::clone(lease.endpoint()));
        let request = self.request(&lease, deadline, more)?;
        Ok((lease, request))
    }

    fn request(
        &self,
        lease: &Lease,
        deadline: Option<Deadline>,
        more: Option<(String, String)>,
    ) -> Result<HttpRequest, BackendError> {
        let mut headers = Vec::with_capacity(self.headers.len() + 4);
        headers.extend(self.service.host_header());
        headers.extend(self.headers.iter().cloned());
        headers.extend(more);
        let has = |name: &str| self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let mut tell = |name: &str, value: &str| {
            if !has(name) {
                headers.push((name.to_owned(), value.to_owned()));
            }
        };
        if let Some(correlation) = Correlation::current() {
            tell(Correlation::HEADER, correlation.as_str());
        }
        if let Some(trace) = TraceContext::current() {
            tell(TraceContext::HEADER, trace.parent());
            trace.state().into_iter().for_each(|state| tell(TraceContext::STATE_HEADER, state));
        }
        if let Some(deadline) = deadline {
            if deadline.is_over() {
                let name = &self.service.name;
                let message = format!("the time for the call of {name} was over before it was sent");
                return Err(BackendError::new(ErrorKind::TimedOut, "gateway", "send a request", message)
                    .with_code(Code::DeadlineExceeded));
            }
            tell(DEADLINE_HEADER, &deadline.to_header());
        }
        let is_cut_outside = self.is_guarded && self.is_callers(deadline);
        let remaining = deadline.filter(|_| !is_cut_outside).map(Deadline::remaining);
        Ok(HttpRequest {
            method: self.method,
            url: self.service.url(lease.endpoint(), &self.target),
            headers,
            body: self.body.clone(),
            timeout: [self.timeout, remaining].into_iter().flatten().min(),
        })
    }
}

/// Learns from an answer about the endpoint, which stays busy until its body has ended; from a failure only if it
/// is not the callers'.
fn take(
    mut lease: Lease,
    answer: Result<HttpResponse, BackendError>,
    is_callers: bool,
) -> Result<HttpResponse, CallFailure> {
    match answer {
        Ok(response) => {
            lease.answer(response.status);
            let repeat = may_be_repeated(response.status);
            let response = held_by(lease, response);
            if repeat { Err(CallFailure::Answered(response)) } else { Ok(response) }
        }
        Err(error) => {
            judge(&mut lease, &error, is_callers);
            Err(CallFailure::Failed(error))
        }
    }
}

/// An error of the request itself says nothing about the endpoint.
fn judge(lease: &mut Lease, error: &BackendError, is_callers: bool) {
    match (error.kind(), error.code()) {
        (ErrorKind::Unavailable, Code::Unreachable) => lease.fail_to_connect(),
        (ErrorKind::Unavailable | ErrorKind::TimedOut, _) if !is_callers => lease.fail(),
        _ => {}
    }
}

/// Why an attempt was no success; an answer that asks to come again is one too, and is not lost.
#[derive(Debug)]
pub(crate) enum CallFailure {
    Failed(BackendError),
    Answered(HttpResponse),
}

impl From<BackendError> for CallFailure {
    fn from(error: BackendError) -> Self {
        Self::Failed(error)
    }
}

impl Retryable for CallFailure {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(error) => error.is_retryable(),
            Self::Answered(_) => true,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed(error) => error.retry_after(),
            Self::Answered(response) => {
                let seconds = response.header("retry-after")?.trim().parse().ok()?;
                Some(Duration::from_secs(seconds))
            }
        }
    }
}

/// Keeps the endpoint counted as busy until the body has ended.
fn held_by(lease: Lease, response: HttpResponse) -> HttpResponse {
    let body = Box::pin(Held { body: response.body, lease });
    HttpResponse { body, ..response }
}

struct Held {
    body: HttpBody,
    lease: Lease,
}

impl Stream for Held {
    type Item = Result<Bytes, BackendError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.body.as_mut().poll_next(context);
        if let Poll::Ready(Some(Err(_))) = next {
            self.lease.fail();
        }
        next
    }
}
