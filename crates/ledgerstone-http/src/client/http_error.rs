//! Why a call over HTTP did not yield what it asked for.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind, Problem, Retryable};

use crate::client::http_method::HttpMethod;
use crate::client::route::Label;

const BACKEND: &str = "http";
const CALL: &str = "call a server";

/// A failed call: its kind, where it failed, and what the server said about it.
///
/// It names the client, the method and the route's template; never a URL, a header or a body.
pub struct HttpError {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    code: Code,
    fault: HttpFault,
    message: String,
    call: Option<CallName>,
    status: Option<u16>,
    problem: Option<Box<Problem>>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Which call it was, for errors and metrics.
#[derive(Debug, Clone)]
pub(crate) struct CallName {
    pub(crate) client: Arc<str>,
    pub(crate) method: HttpMethod,
    pub(crate) route: Label,
}

/// Where a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpFault {
    /// The request cannot be sent as it is; nothing left.
    Request,
    /// The policy refused the call or gave it up.
    Policy,
    /// No token could be had.
    Authentication,
    /// There is no connection: the name does not resolve, nobody listens, TLS fails. Nothing left.
    Connection,
    /// The answer did not come in time.
    Timeout,
    /// The connection broke.
    Broken,
    /// What came is not HTTP.
    Malformed,
    /// The answer is larger than the limit.
    TooLarge,
    /// The server points elsewhere, and is not followed there.
    Redirect,
    /// The status is not one that was asked for.
    Status,
    /// The answer does not read as what was asked for.
    Decode,
}

impl HttpFault {
    /// Returns the fault in lower case, as metrics show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Policy => "policy",
            Self::Authentication => "authentication",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Redirect => "redirect",
            Self::Status => "status",
            Self::Decode => "decode",
        }
    }
}

impl HttpError {
    pub(crate) fn new(kind: ErrorKind, code: Code, fault: HttpFault, message: impl Into<String>) -> Self {
        let message = message.into();
        let (call, status, problem, retry_after, source) = (None, None, None, None, None);
        let inner = Inner { kind, code, fault, message, call, status, problem, retry_after, source };
        Self { inner: Box::new(inner) }
    }

    /// Says that the request cannot be sent as it is.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, Code::InvalidInput, HttpFault::Request, message)
    }

    pub(crate) fn with_fault(mut self, fault: HttpFault) -> Self {
        self.inner.fault = fault;
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.inner.status = Some(status);
        self
    }

    pub(crate) fn with_problem(mut self, problem: Option<Box<Problem>>) -> Self {
        self.inner.problem = problem;
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.inner.retry_after = wait;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Says which call it was, unless that is known already.
    pub(crate) fn of(mut self, call: &CallName) -> Self {
        let inner = &mut *self.inner;
        inner.call.get_or_insert_with(|| call.clone());
        // Whether a question was heard does not matter; it can be asked again.
        if call.method.is_safe() && inner.code == Code::Indeterminate {
            inner.code = Code::Unreachable;
        }
        self
    }

    /// Returns the kind, which says whether the call may be made again.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        self.inner.code
    }

    /// Returns where the call failed.
    pub fn fault(&self) -> HttpFault {
        self.inner.fault
    }

    /// Returns the status, if the server answered with one.
    pub fn status(&self) -> Option<u16> {
        self.inner.status
    }

    /// Returns the name of the client.
    pub fn client(&self) -> Option<&str> {
        self.inner.call.as_ref().map(|call| &*call.client)
    }

    /// Returns the method.
    pub fn method(&self) -> Option<HttpMethod> {
        self.inner.call.as_ref().map(|call| call.method)
    }

    /// Returns the template of the route.
    pub fn route(&self) -> Option<&str> {
        self.inner.call.as_ref().map(|call| call.route.as_str())
    }

    /// Returns what happened and what to do next, without the call's name.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Returns the server's problem document, if it sent one.
    pub fn problem(&self) -> Option<&Problem> {
        self.inner.problem.as_deref()
    }

    /// Returns how long the server asked to be left alone, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// Tells whether the same call may succeed if it is simply made again.
    pub fn is_retryable(&self) -> bool {
        self.inner.kind.is_retryable()
    }

    /// Tells whether it counts against the server's health: it failed, rather than the request.
    pub(crate) fn blames_the_server(&self) -> bool {
        let broke_inside = self.inner.status.is_some_and(|status| status >= 500);
        broke_inside || (self.is_retryable() && self.inner.fault != HttpFault::Authentication)
    }
}

impl Retryable for HttpError {
    fn is_retryable(&self) -> bool {
        self.is_retryable()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }
}

impl From<BackendError> for HttpError {
    fn from(error: BackendError) -> Self {
        let fault = match (error.backend(), error.kind(), error.code()) {
            ("policy", _, Code::DeadlineExceeded) => HttpFault::Timeout,
            ("policy", ..) => HttpFault::Policy,
            (_, _, Code::TooLarge) => HttpFault::TooLarge,
            (_, ErrorKind::TimedOut, _) => HttpFault::Timeout,
            (_, _, Code::Indeterminate) if error.is_retryable() => HttpFault::Broken,
            (_, _, Code::Indeterminate) => HttpFault::Malformed,
            (_, ErrorKind::Invalid | ErrorKind::Unsupported, _) => HttpFault::Request,
            _ => HttpFault::Connection,
        };
        let failed = Self::new(error.kind(), error.code(), fault, error.message());
        failed.with_retry_after(error.retry_after()).with_source(error)
    }
}

impl From<HttpError> for BackendError {
    fn from(error: HttpError) -> Self {
        let message = match &error.inner.call {
            Some(call) => format!("{} of {}: {}", called(call), call.client, error.inner.message),
            None => error.inner.message.clone(),
        };
        let failed = Self::new(error.kind(), BACKEND, CALL, message).with_code(error.code());
        let failed = match error.inner.retry_after {
            Some(wait) => failed.with_retry_after(wait),
            None => failed,
        };
        match error.inner.source {
            Some(source) => failed.with_source(source),
            None => failed,
        }
    }
}

fn called(call: &CallName) -> String {
    format!("{} {}", call.method, call.route.as_str())
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.call {
            Some(call) => write!(f, "{}: {}: {}", call.client, called(call), self.inner.message),
            None => f.write_str(&self.inner.message),
        }
    }
}

impl fmt::Debug for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
