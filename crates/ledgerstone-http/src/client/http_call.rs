//! One call to an HTTP service, from its options to its answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::HttpBody;
use ledgerstone_resilience::{Attempt, Call, Deadline, IdempotencyKey, Idempotent, Keyed, Once};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::answer::{Answer, AnswerStream};
use crate::client::http::Http;
use crate::client::http_builder::{check_header, check_timeout};
use crate::client::http_error::{CallName, HttpError};
use crate::client::http_method::HttpMethod;
use crate::client::prepared::{Arrived, ArrivedBody, Prepared};
use crate::client::request_body::{Body, BodyKind, Replay, Replayable, Source};
use crate::client::response_body::bounded;
use crate::client::route::{Route, Target, fill};

/// The header that carries an idempotency key.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const JSON: &str = "application/json";

/// One call: what is set on it holds for this call alone. It is sent by `json`, `send`, `bytes` or `stream`.
///
/// `K` says whether its body can be sent again. With a body that is [`OnceOnly`](crate::OnceOnly) there is no
/// way to ask for retries, and the call runs once under any policy.
///
/// ```compile_fail,E0599
/// # use ledgerstone_http::{Body, Http};
/// # fn send(files: Http) {
/// let pieces = futures_util::stream::iter([Ok("one".into())]);
/// files.put("/files").body(Body::once(pieces)).retries(Some(3));
/// # }
/// ```
#[must_use = "a call is sent by json, send, bytes or stream"]
pub struct HttpCall<K: BodyKind = Replayable> {
    http: Http,
    method: HttpMethod,
    route: Route,
    parameters: Vec<(&'static str, String)>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Body<K>,
    repeat: Repeat,
    retries: Option<u32>,
    timeout: Option<Duration>,
    limit: Option<u64>,
    accepted: &'static [u16],
    /// What was wrong with an option, told when the call is sent.
    invalid: Option<String>,
}

/// Whether a call may be made again.
enum Repeat {
    ByMethod,
    Marked,
    Keyed(IdempotencyKey),
}

impl HttpCall<Replayable> {
    pub(crate) fn new(http: Http, method: HttpMethod, route: Route) -> Self {
        Self {
            http,
            method,
            route,
            parameters: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::nothing(),
            repeat: Repeat::ByMethod,
            retries: None,
            timeout: None,
            limit: None,
            accepted: &[],
            invalid: None,
        }
    }

    /// Sends this as JSON.
    pub fn body_json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.body(Body::replayable(bytes).with_media_type(JSON)),
            Err(error) => {
                self.refuse(format!("the body cannot be written as JSON: {error}"));
                self
            }
        }
    }

    /// Sends this key as `idempotency-key`, so that the server drops doubles and the call may be retried.
    pub fn idempotency_key(mut self, key: impl Into<IdempotencyKey>) -> Self {
        self.repeat = Repeat::Keyed(key.into());
        self
    }

    /// Says that making this call twice does what making it once does, so that it may be retried.
    pub fn idempotent(mut self) -> Self {
        self.repeat = Repeat::Marked;
        self
    }

    /// Retries so often instead of as often as the policy says; `Some(0)` means never, `None` the policy's.
    ///
    /// It makes no call repeatable that is not, and a policy without retries stays without.
    pub fn retries(mut self, retries: Option<u32>) -> Self {
        self.retries = retries;
        self
    }
}

impl<K: BodyKind> HttpCall<K> {
    /// Puts a value into the template's `{name}`, encoded as one part of the path.
    pub fn parameter(mut self, name: &'static str, value: impl ToString) -> Self {
        self.parameters.push((name, value.to_string()));
        self
    }

    /// Adds a pair to the query.
    pub fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Sets a header, in place of the client's own of this name.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let (name, value) = (name.to_ascii_lowercase(), value.into());
        match check_header(&name, &value) {
            Ok(()) => self.headers.push((name, value)),
            Err(why) => self.refuse(why),
        }
        self
    }

    /// Gives the call this long, retries included; a deadline of the task that is tighter holds all the same.
    ///
    /// A [`stream`](Self::stream) has this long until it begins, and then for each of its pieces.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        match check_timeout(timeout) {
            Ok(()) => self.timeout = Some(timeout),
            Err(why) => self.refuse(why),
        }
        self
    }

    /// Lets the answer have so many bytes.
    pub fn max_response_bytes(mut self, bytes: u64) -> Self {
        self.limit = Some(bytes);
        self
    }

    /// Takes these statuses for answers too, such as 304 for a question with `if-none-match`.
    pub fn accepting(mut self, statuses: &'static [u16]) -> Self {
        self.accepted = statuses;
        self
    }

    /// Sends this body. With one that is [`OnceOnly`](crate::OnceOnly), the call runs once, whatever was said before.
    pub fn body<B: BodyKind>(self, body: Body<B>) -> HttpCall<B> {
        HttpCall {
            http: self.http,
            method: self.method,
            route: self.route,
            parameters: self.parameters,
            query: self.query,
            headers: self.headers,
            body,
            repeat: self.repeat,
            retries: self.retries,
            timeout: self.timeout,
            limit: self.limit,
            accepted: self.accepted,
            invalid: self.invalid,
        }
    }

    fn refuse(&mut self, why: String) {
        self.invalid.get_or_insert(why);
    }
}

impl<K: BodyKind> HttpCall<K> {
    /// Sends the call and reads the answer as JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, HttpError> {
        self.wanting_json().send().await?.json()
    }

    /// Sends the call and reads the answer as JSON; one of 404 or 410 is none.
    pub async fn json_if_found<T: DeserializeOwned>(self) -> Result<Option<T>, HttpError> {
        match self.wanting_json().send().await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if matches!(error.status(), Some(404 | 410)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends the call and reads the answer's bytes.
    pub async fn bytes(self) -> Result<Bytes, HttpError> {
        Ok(self.send().await?.body)
    }

    /// Sends the call and reads the whole answer; reading it is a part of each attempt.
    pub async fn send(self) -> Result<Answer, HttpError> {
        let (call, arrived) = self.run(true).await?;
        let Arrived { status, headers, body } = arrived;
        let body = match body {
            ArrivedBody::Whole(bytes) => bytes,
            ArrivedBody::Coming(_) => Bytes::new(),
        };
        Ok(Answer { call, status, headers, body })
    }

    /// Sends the call and hands the answer on as it comes; what breaks off on the way is not asked for again.
    pub async fn stream(self) -> Result<AnswerStream, HttpError> {
        let limit = self.limit.unwrap_or(self.http.inner.max_response_bytes);
        let patience = self.timeout.unwrap_or(self.http.inner.timeout);
        let (call, arrived) = self.run(false).await?;
        let Arrived { status, headers, body } = arrived;
        let body: HttpBody = match body {
            ArrivedBody::Coming(body) => bounded(body, limit, patience),
            ArrivedBody::Whole(bytes) => Box::pin(futures_util::stream::iter([Ok(bytes)])),
        };
        Ok(AnswerStream { call, status, headers, body })
    }

    fn wanting_json(mut self) -> Self {
        if !self.headers.iter().any(|(name, _)| name == "accept") {
            self.headers.push(("accept".to_owned(), JSON.to_owned()));
        }
        self
    }

    async fn run(self, reads_whole: bool) -> Result<(CallName, Arrived), HttpError> {
        let Self { http, method, route, .. } = &self;
        let client = Arc::clone(&http.inner.name);
        let call = CallName { client, method: *method, route: route.label.clone() };
        let http = http.clone();
        let timeout = self.timeout.unwrap_or(http.inner.timeout);
        let (repeat, retries) = (self.repeat.for_method(self.method), self.retries);
        let refused = |why: String| HttpError::request(why).of(&call);
        if let Some(why) = self.invalid {
            return Err(refused(why));
        }
        let (url, is_foreign) =
            address(&http, &self.route, &self.parameters, &self.query).map_err(refused)?;
        let mut headers = self.headers;
        if let Some(media_type) = self.body.media_type {
            check_header("content-type", &media_type).map_err(refused)?;
            add(&mut headers, "content-type", media_type);
        }
        if let Some(Repeat::Keyed(key)) = &repeat {
            check_header(IDEMPOTENCY_KEY, key.as_str()).map_err(refused)?;
            add(&mut headers, IDEMPOTENCY_KEY, key.as_str().to_owned());
        }
        if !is_foreign {
            for (name, value) in &http.inner.headers {
                add(&mut headers, name, value.clone());
            }
        }
        let (body, once) = match self.body.source {
            Source::Again(body) => (body, None),
            Source::Once(pieces) => (Replay::Nothing, Some(pieces)),
        };
        let deadline = Deadline::after(timeout);
        let prepared = Prepared {
            http: &http.inner,
            call: call.clone(),
            url,
            is_foreign,
            headers,
            body,
            own_deadline: deadline,
            limit: self.limit.unwrap_or(http.inner.max_response_bytes),
            accepted: self.accepted,
            reads_whole,
        };
        let arriving = run_under(&prepared, repeat, retries, once);
        let arrived = deadline.scope(arriving).await;
        arrived.map(|arrived| (call.clone(), arrived)).map_err(|error| error.of(&call))
    }
}

/// Runs a call under its policy; its type says whether it may be made again.
async fn run_under(
    prepared: &Prepared<'_>,
    repeat: Option<Repeat>,
    retries: Option<u32>,
    once: Option<HttpBody>,
) -> Result<Arrived, HttpError> {
    let policy = &prepared.http.policy;
    // Boxed, since every slot of a policy moves the attempt on, and it is large.
    let again = |attempt: Attempt| Box::pin(prepared.attempt(attempt.deadline, None));
    match (once, repeat) {
        (Some(pieces), _) => {
            let call = Once(move || Box::pin(prepared.attempt(None, Some(pieces))));
            policy.run(call.counts_as_failure(HttpError::blames_the_server)).await
        }
        (None, None) => {
            let call = Once(move || Box::pin(prepared.attempt(None, None)));
            policy.run(call.counts_as_failure(HttpError::blames_the_server)).await
        }
        (None, Some(Repeat::Keyed(key))) => {
            let call = Keyed::new(key, |_: &IdempotencyKey, attempt| again(attempt));
            let call = call.counts_as_failure(HttpError::blames_the_server);
            match retries {
                Some(retries) => policy.run(call.with_retries(retries)).await,
                None => policy.run(call).await,
            }
        }
        (None, Some(_)) => {
            let call = Idempotent(again).counts_as_failure(HttpError::blames_the_server);
            match retries {
                Some(retries) => policy.run(call.with_retries(retries)).await,
                None => policy.run(call).await,
            }
        }
    }
}

impl Repeat {
    /// Returns why the call may be made again, if it may.
    fn for_method(self, method: HttpMethod) -> Option<Self> {
        match self {
            Self::ByMethod if !method.is_idempotent() => None,
            other => Some(other),
        }
    }
}

/// Returns the URL and whether it is of another origin than the client's base.
fn address(
    http: &Http,
    route: &Route,
    parameters: &[(&'static str, String)],
    query: &[(String, String)],
) -> Result<(String, bool), String> {
    let base = &http.inner.base;
    match &route.target {
        Target::Template(template) => {
            let path = fill(template.as_str(), parameters)?;
            Ok((base.join(&path, query)?, false))
        }
        _ if !parameters.is_empty() => Err("only a template takes parameters".to_owned()),
        Target::Path(path) => Ok((base.join(path, query)?, false)),
        Target::Absolute(url) => {
            let mut url =
                reqwest::Url::parse(url).map_err(|error| format!("the route is not a URL: {error}"))?;
            if !query.is_empty() {
                url.query_pairs_mut().extend_pairs(query);
            }
            let is_foreign = url.origin().ascii_serialization() != http.inner.origin;
            Ok((url.into(), is_foreign))
        }
    }
}

/// Adds a header unless one of this name is there.
fn add(headers: &mut Vec<(String, String)>, name: &str, value: String) {
    if !headers.iter().any(|(given, _)| given == name) {
        headers.push((name.to_owned(), value));
    }
}

impl<K: BodyKind> fmt::Debug for HttpCall<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCall")
            .field("client", &self.http.name())
            .field("method", &self.method)
            .field("route", &self.route.label.as_str())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
