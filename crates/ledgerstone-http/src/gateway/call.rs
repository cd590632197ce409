//! One call of a service, put together piece by piece and then sent under a policy.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ledgerstone_core::{BackendError, ErrorKind, HttpClient, HttpResponse, nearest};
use ledgerstone_resilience::{Attempt, Deadline, IdempotencyKey, Idempotent, Keyed, Once, Policy};
use parking_lot::Mutex;

use crate::gateway::attempt::{CallFailure, Outgoing};
use crate::gateway::operation::Operation;
use crate::gateway::path_template::{encode, encode_segment};
use crate::gateway::service::Service;

/// The header that carries an idempotency key.
const KEY_HEADER: &str = "idempotency-key";

/// A call of an operation of a service.
///
/// It is repeated only under a policy that retries, and only if the operation may be repeated or a key was
/// given. Each attempt goes to another endpoint while there is one that was not tried.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct GatewayCall {
    pub(crate) service: Arc<Service>,
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) operation: Arc<Operation>,
    /// What metrics call it.
    pub(crate) label: Arc<str>,
    pub(crate) policy: Option<Policy>,
    pub(crate) parts: Parts,
}

/// What the caller gives.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    values: Vec<(String, String)>,
    query: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    timeout: Option<Duration>,
    key: Option<IdempotencyKey>,
    /// What was wrong with a piece; the first is told when the call is sent.
    fault: Option<String>,
}

impl GatewayCall {
    /// Gives the value for a gap of the path; it is encoded, so that it stays one segment whatever it holds.
    pub fn path(mut self, gap: &str, value: impl AsRef<str>) -> Self {
        let path = &self.operation.path;
        let taken = if path.gaps().any(|name| name == gap) {
            encode_segment(gap, value.as_ref())
        } else {
            let guess = nearest(gap, path.gaps()).map(|near| format!("; did you mean {{{near}}}?"));
            Err(format!("the path {path} has no {{{gap}}}{}", guess.unwrap_or_default()))
        };
        match taken {
            Ok(value) => self.parts.values.push((gap.to_owned(), value)),
            Err(fault) => self.parts.fault = self.parts.fault.or(Some(fault)),
        }
        self
    }

    /// Adds a name and a value to the query; both are encoded.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let query = &mut self.parts.query;
        query.push(if query.is_empty() { '?' } else { '&' });
        let _ = write!(query, "{}={}", encode(name), encode(value.as_ref()));
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.headers.push((name.into(), value.into()));
        self
    }

    /// Sends these bytes as the body.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.parts.body = body.into();
        self.header("content-type", content_type)
    }

    /// Sends a value as JSON.
    pub fn json<T: serde::Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.body("application/json", json),
            Err(error) => {
                let fault = format!("the body cannot be written as JSON: {error}");
                self.parts.fault = self.parts.fault.or(Some(fault));
                self
            }
        }
    }

    /// Uses this policy instead of the one of the operation or of the service.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Bounds the time of each attempt, instead of the operation or the service.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.parts.timeout = Some(timeout);
        self
    }

    /// Lets the call be repeated whatever its method: every attempt carries the key, by which the service drops
    /// doubles.
    pub fn idempotency_key(mut self, key: impl Into<IdempotencyKey>) -> Self {
        self.parts.key = Some(key.into());
        self
    }

    /// Sends the call.
    ///
    /// A response of any status is a response. An error means that there was none, and its kind says whether
    /// the call may be made again.
    pub async fn send(self) -> Result<HttpResponse, BackendError> {
        let (started, label) = (Instant::now(), Arc::clone(&self.label));
        let service = Arc::clone(&self.service.name);
        let answer = match self.run().await {
            Ok(response) | Err(CallFailure::Answered(response)) => Ok(response),
            Err(CallFailure::Failed(error)) => Err(error),
        };
        let outcome = match &answer {
            Ok(response) => status_class(response.status),
            Err(error) => error.kind().as_str(),
        };
        metrics::counter!(
            "ledgerstone_gateway_calls_total",
            "service" => Arc::clone(&service), "operation" => Arc::clone(&label), "outcome" => outcome
        )
        .increment(1);
        metrics::histogram!("ledgerstone_gateway_call_seconds", "service" => service, "operation" => label)
            .record(started.elapsed().as_secs_f64());
        answer
    }

    async fn run(self) -> Result<HttpResponse, CallFailure> {
        let may_repeat = self.operation.idempotent;
        let (policy, key) = (self.policy.clone(), self.parts.key.clone());
        let outgoing = self.outgoing()?;
        let key_header = |key: &IdempotencyKey| Some((KEY_HEADER.to_owned(), key.as_str().to_owned()));
        let Some(policy) = policy else {
            return outgoing.attempt(None, key.as_ref().and_then(key_header)).await;
        };
        let outgoing = &outgoing;
        if let Some(key) = key {
            let call = Keyed::new(key, |key: &IdempotencyKey, attempt: Attempt| {
                outgoing.attempt(attempt.deadline, key_header(key))
            });
            return policy.run(call).await;
        }
        if may_repeat {
            return policy.run(Idempotent(|attempt: Attempt| outgoing.attempt(attempt.deadline, None))).await;
        }
        policy.run(Once(|| outgoing.attempt(None, None))).await
    }

    fn outgoing(self) -> Result<Outgoing, BackendError> {
        let invalid = |what: String| {
            let service = &self.service.name;
            let message = format!("the call of {service} cannot be made: {what}");
            BackendError::new(ErrorKind::Invalid, "gateway", "make a call", message)
        };
        let Parts { values, query, headers, body, timeout, key: _, fault } = self.parts;
        if let Some(fault) = fault {
            return Err(invalid(fault));
        }
        let value_of =
            |gap: &str| values.iter().rev().find(|(name, _)| name == gap).map(|(_, value)| value.as_str());
        let mut target = self.operation.path.fill(value_of).map_err(invalid)?;
        target.push_str(&query);
        let timeout = timeout.or(self.operation.timeout).unwrap_or(self.service.settings.timeout);
        Ok(Outgoing {
            method: self.operation.method,
            service: Arc::clone(&self.service),
            client: self.client,
            target,
            headers,
            body,
            timeout: Some(timeout),
            callers: Deadline::current(),
            is_guarded: self.policy.is_some(),
            tried: Mutex::default(),
        })
    }
}

/// Returns the class of a status, as metrics label it.
pub(crate) fn status_class(status: u16) -> &'static str {
    match status {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}
