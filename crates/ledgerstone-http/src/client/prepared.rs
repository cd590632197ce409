//! A call that is ready to be sent, and one attempt at it.

use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::{Code, ErrorKind, HttpBody, HttpRequest, HttpResponse, Problem};
use ledgerstone_resilience::{DEADLINE_HEADER, Deadline};

use crate::client::base_url::encode_whole;
use crate::client::credentials::Proof;
use crate::client::http::Inner;
use crate::client::http_error::{CallName, HttpError, HttpFault};
use crate::client::http_method::HttpMethod;
use crate::client::observation::Observation;
use crate::client::redirects::Hop;
use crate::client::request_body::Replay;
use crate::client::response_body::{check_declared, collect, discard, read_whole};
use crate::client::retry_after::retry_after;
use crate::client::server_problem::{PROBLEM_BYTES, kind_of_status, problem};
use crate::correlation::Correlation;
use crate::trace_context::TraceContext;

/// What goes along to another origin than the one it was meant for: nothing that could be secret.
const HARMLESS: &[&str] = &["accept", "accept-language", "content-type"];

/// How long a refusal may take to say more than its status.
const PROBLEM_PATIENCE: Duration = Duration::from_secs(1);

/// How much earlier a request ends than its call.
const SLACK: Duration = Duration::from_millis(5);

/// A call that is ready to be sent.
pub(crate) struct Prepared<'a> {
    pub(crate) http: &'a Inner,
    pub(crate) call: CallName,
    pub(crate) url: String,
    /// Whether the URL is of another origin than the client's base.
    pub(crate) is_foreign: bool,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Replay,
    /// When the time that the call itself asked for is over.
    pub(crate) own_deadline: Deadline,
    pub(crate) limit: u64,
    /// Statuses beside those of success that are answers too.
    pub(crate) accepted: &'static [u16],
    /// Whether the body is read as a part of the attempt, so that one that breaks off is asked for again.
    pub(crate) reads_whole: bool,
}

/// What an attempt yields.
pub(crate) struct Arrived {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: ArrivedBody,
}

pub(crate) enum ArrivedBody {
    Whole(Bytes),
    Coming(HttpBody),
}

impl Prepared<'_> {
    /// Sends the request, with a body that is used up where there is one, and waits for the answer.
    pub(crate) async fn attempt(
        &self,
        deadline: Option<Deadline>,
        once: Option<HttpBody>,
    ) -> Result<Arrived, HttpError> {
        let observation = Observation::begin(&self.call);
        let arrived = self.exchange(deadline, once).await.map_err(|error| error.of(&self.call));
        observation.end(arrived.as_ref().map(|arrived| arrived.status));
        arrived
    }

    async fn exchange(
        &self,
        deadline: Option<Deadline>,
        once: Option<HttpBody>,
    ) -> Result<Arrived, HttpError> {
        let response = self.respond(deadline, once).await?;
        let status = response.status;
        if !(200..300).contains(&status) && !self.accepted.contains(&status) {
            // Boxed, as is all that is rare here, since every layer above carries what an attempt may need.
            return Err(Box::pin(self.refused(response)).await);
        }
        let too_large = |error| HttpError::from(error).with_status(status);
        // A HEAD is answered with the length of what it did not ask for.
        let asks_for_body = !self.reads_whole || self.call.method != HttpMethod::Head;
        let limit = if asks_for_body { self.limit } else { u64::MAX };
        check_declared(&response, limit).map_err(too_large)?;
        let HttpResponse { headers, body, .. } = response;
        let body = if self.reads_whole {
            ArrivedBody::Whole(collect(body, limit).await.map_err(too_large)?)
        } else {
            ArrivedBody::Coming(body)
        };
        Ok(Arrived { status, headers, body })
    }

    /// Sends the request until there is an answer that is neither a refused token nor a redirect to follow.
    async fn respond(
        &self,
        deadline: Option<Deadline>,
        mut once: Option<HttpBody>,
    ) -> Result<HttpResponse, HttpError> {
        let can_resend = once.is_none();
        let mut hop = Hop::first(self.call.method, self.url.clone(), self.is_foreign);
        let mut is_renewed = false;
        loop {
            let proof = self.proof(&hop).await?;
            let response = self.send(&hop, proof.as_ref(), deadline, once.take()).await?;
            if response.status == 401 && can_resend && !is_renewed && self.forget(proof.as_ref()) {
                // It was refused at the door, so sending it again repeats nothing, whatever the method.
                is_renewed = true;
                Box::pin(discard(response)).await;
                continue;
            }
            match self.http.redirects.next(&hop, &response, can_resend) {
                Ok(None) => return Ok(response),
                Ok(Some(next)) => {
                    Box::pin(discard(response)).await;
                    hop = next;
                }
                Err(why) => {
                    let error = HttpError::new(
                        ErrorKind::Misconfigured,
                        Code::Configuration,
                        HttpFault::Redirect,
                        why,
                    );
                    return Err(error.with_status(response.status));
                }
            }
        }
    }

    async fn proof(&self, hop: &Hop) -> Result<Option<Proof>, HttpError> {
        let Some(credentials) = self.http.credentials.as_ref().filter(|_| !hop.is_foreign) else {
            return Ok(None);
        };
        let proof = Box::pin(credentials.proof(&self.http.client)).await;
        proof.map_err(|error| HttpError::from(error).with_fault(HttpFault::Authentication))
    }

    fn forget(&self, proof: Option<&Proof>) -> bool {
        self.http.credentials.as_ref().is_some_and(|credentials| credentials.forget(proof))
    }

    async fn send(
        &self,
        hop: &Hop,
        proof: Option<&Proof>,
        deadline: Option<Deadline>,
        once: Option<HttpBody>,
    ) -> Result<HttpResponse, HttpError> {
        let deadline = match (deadline, Deadline::current()) {
            (Some(attempt), Some(task)) => Some(attempt.tighter(task)),
            (one, other) => one.or(other),
        };
        let remaining = deadline.map(Deadline::remaining);
        if remaining.is_some_and(|remaining| remaining.is_zero()) {
            return Err(too_late("the time for the call is over; nothing was sent", Code::DeadlineExceeded));
        }
        let mut request = self.request(hop, proof, remaining);
        let patience =
            deadline.zip(remaining).map(|(deadline, remaining)| self.patience(deadline, remaining));
        // A stream may go on for longer than its first piece takes to come.
        request.timeout = patience.filter(|_| self.reads_whole);
        let client = &self.http.client;
        let sent = match (once, &self.body) {
            (Some(pieces), _) => client.send_streaming(request, pieces),
            (None, Replay::Made(make)) if hop.has_body => client.send_streaming(request, make()),
            (None, Replay::Bytes(bytes)) if hop.has_body => {
                request.body = bytes.clone();
                client.send(request)
            }
            (None, _) => client.send(request),
        };
        match patience.filter(|_| !self.reads_whole) {
            Some(patience) => match tokio::time::timeout(patience, sent).await {
                Ok(sent) => Ok(sent?),
                Err(_) => Err(too_late("the answer did not begin in time; ask again", Code::Indeterminate)),
            },
            None => Ok(sent.await?),
        }
    }

    /// Returns how long a request may take.
    ///
    /// A server that uses up the call's own time has failed, and a breaker should hear of it; so the request
    /// ends just before the policy gives the call up. A caller that had less time blames nobody.
    fn patience(&self, deadline: Deadline, remaining: Duration) -> Duration {
        if deadline < self.own_deadline { remaining } else { remaining - SLACK.min(remaining / 10) }
    }

    fn request(&self, hop: &Hop, proof: Option<&Proof>, remaining: Option<Duration>) -> HttpRequest {
        // The first request goes where the call says; only a redirect leads its headers astray.
        let is_astray = hop.is_foreign && !self.is_foreign;
        let mut headers = Vec::with_capacity(self.headers.len() + 5);
        for (name, value) in &self.headers {
            let is_lost = is_astray && !HARMLESS.contains(&name.as_str());
            if !is_lost && (hop.has_body || name != "content-type") {
                headers.push((name.clone(), value.clone()));
            }
        }
        let mut put = |name: &str, value: String| {
            if !headers.iter().any(|(given, _)| given == name) {
                headers.push((name.to_owned(), value));
            }
        };
        let mut url = hop.url.clone();
        match proof {
            Some(Proof::Header(name, value)) => put(name, value.reveal().to_owned()),
            Some(Proof::Token(value, _)) => put("authorization", value.reveal().to_owned()),
            Some(Proof::Query(name, key)) => {
                url.push(if url.contains('?') { '&' } else { '?' });
                encode_whole(&mut url, name);
                url.push('=');
                encode_whole(&mut url, key.reveal());
            }
            None => {}
        }
        if let Some(correlation) = Correlation::current().filter(|_| !is_astray) {
            put(Correlation::HEADER, correlation.as_str().to_owned());
        }
        if let Some(trace) = TraceContext::current().filter(|_| !is_astray) {
            put(TraceContext::HEADER, trace.parent().to_owned());
            if let Some(state) = trace.state() {
                put(TraceContext::STATE_HEADER, state.to_owned());
            }
        }
        if let Some(remaining) = remaining.filter(|_| !hop.is_foreign) {
            put(DEADLINE_HEADER, remaining.as_millis().to_string());
        }
        HttpRequest { method: hop.method.as_str(), url, headers, body: Bytes::new(), timeout: None }
    }

    /// Turns an answer that was not asked for into an error, with what the server said about it.
    async fn refused(&self, response: HttpResponse) -> HttpError {
        let status = response.status;
        let date = response.header("date").map(str::to_owned);
        let wait = response.header("retry-after");
        let wait = wait.and_then(|wait| retry_after(wait, date.as_deref(), &*self.http.clock));
        let media_type = response.header("content-type").map(str::to_owned);
        // Without the document the status still says what matters.
        let told = match tokio::time::timeout(PROBLEM_PATIENCE, read_whole(response, PROBLEM_BYTES)).await {
            Ok(Ok(body)) => problem(media_type.as_deref(), &body, status),
            _ => None,
        };
        let kind = kind_of_status(status);
        let known = told.as_ref().and_then(|problem| problem.known_code());
        let code = known.unwrap_or_else(|| code_of_status(status, kind));
        let fault = if (300..400).contains(&status) { HttpFault::Redirect } else { HttpFault::Status };
        HttpError::new(kind, code, fault, refusal(status, told.as_deref()))
            .with_status(status)
            .with_problem(told)
            .with_retry_after(wait)
    }
}

fn too_late(message: &str, code: Code) -> HttpError {
    HttpError::new(ErrorKind::TimedOut, code, HttpFault::Timeout, message)
}

fn refusal(status: u16, problem: Option<&Problem>) -> String {
    match problem {
        Some(Problem { title, detail, .. }) if !detail.is_empty() => {
            format!("the server answered {status}: {title}: {detail}")
        }
        Some(Problem { title, .. }) if !title.is_empty() => format!("the server answered {status}: {title}"),
        _ if (300..400).contains(&status) && status != 304 => {
            format!("the server answered {status} and points elsewhere; follow redirects, or ask there")
        }
        _ => format!("the server answered {status}"),
    }
}

fn code_of_status(status: u16, kind: ErrorKind) -> Code {
    match (status, kind) {
        (413, _) => Code::TooLarge,
        (429, _) => Code::RateLimited,
        (503, _) => Code::Unreachable,
        // A proxy that gave up may have passed the request on before.
        (_, ErrorKind::TimedOut | ErrorKind::Unavailable) => Code::Indeterminate,
        (_, ErrorKind::NotFound) => Code::NotFound,
        (_, ErrorKind::Denied) => Code::Unauthorized,
        (_, ErrorKind::Invalid) => Code::InvalidInput,
        (_, ErrorKind::Unsupported) => Code::Unsupported,
        (_, ErrorKind::Misconfigured) => Code::Configuration,
        _ => Code::Internal,
    }
}
