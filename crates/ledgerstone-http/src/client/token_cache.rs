//! The tokens of a token endpoint: fetched once for everybody, renewed early, forgotten when refused.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::{BackendError, Code, ErrorKind, HttpClient};
use ledgerstone_resilience::Deadline;
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::client_credentials::ClientCredentials;
use crate::client::response_body::read_whole;
use crate::client::secret::Secret;
use crate::client::server_problem::kind_of_status;

const BACKEND: &str = "http";
const FETCH: &str = "fetch a token";
/// How long a token is taken to last whose endpoint does not say: short, as a wrong guess costs only a fetch.
const UNSAID: Duration = Duration::from_secs(300);
/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an early renewal is left alone after it failed.
const PAUSE: Duration = Duration::from_secs(5);
/// So long before its end a token is no longer sent: it has to arrive, and clocks run unevenly.
const MARGIN: Duration = Duration::from_secs(10);
const ANSWER_BYTES: u64 = 64 * 1024;

/// The tokens of one account.
pub(crate) struct TokenCache {
    account: ClientCredentials,
    token: RwLock<Option<Token>>,
    fetching: Arc<Mutex<Option<Failure>>>,
    /// How many fetches have failed.
    failures: AtomicU64,
    numbers: AtomicU64,
}

#[derive(Clone)]
struct Token {
    /// The header's whole value.
    value: Secret,
    number: u64,
    renew_at: Instant,
    ends_at: Instant,
}

/// How the newest failed fetch went, for those who waited for it.
#[derive(Clone)]
struct Failure {
    kind: ErrorKind,
    code: Code,
    message: String,
    retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<Value>,
}

impl TokenCache {
    pub(crate) fn new(account: ClientCredentials) -> Self {
        Self {
            account,
            token: RwLock::default(),
            fetching: Arc::default(),
            failures: AtomicU64::new(0),
            numbers: AtomicU64::new(0),
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.account.check()
    }

    /// Returns a token that is good now, and its number.
    pub(crate) async fn token(
        self: &Arc<Self>,
        client: &Arc<dyn HttpClient>,
    ) -> Result<(Secret, u64), BackendError> {
        if let Some(token) = self.good() {
            if token.renew_at <= Instant::now() {
                self.renew(client);
            }
            return Ok((token.value, token.number));
        }
        let failed_before = self.failures.load(Ordering::Acquire);
        let mut last = self.fetching.lock().await;
        if let Some(token) = self.good() {
            return Ok((token.value, token.number));
        }
        // Who waited while a fetch failed fails with it: a thousand callers must not ask one after another.
        if let Some(failure) = last.as_ref().filter(|_| self.failures.load(Ordering::Acquire) > failed_before)
        {
            return Err(failure.to_error());
        }
        match self.fetch(client).await {
            Ok(token) => {
                *last = None;
                Ok((token.value, token.number))
            }
            Err(error) => {
                *last = Some(Failure::of(&error));
                self.failures.fetch_add(1, Ordering::AcqRel);
                Err(error)
            }
        }
    }

    /// Forgets the token with this number: the server does not take it.
    pub(crate) fn forget(&self, number: u64) {
        let mut token = self.token.write();
        if token.as_ref().is_some_and(|token| token.number == number) {
            *token = None;
        }
    }

    fn good(&self) -> Option<Token> {
        self.token.read().as_ref().filter(|token| Instant::now() < token.ends_at).cloned()
    }

    /// Fetches the next token in the background while the old one serves; one such fetch at a time.
    fn renew(self: &Arc<Self>, client: &Arc<dyn HttpClient>) {
        let Ok(fetching) = Arc::clone(&self.fetching).try_lock_owned() else { return };
        let (cache, client) = (Arc::clone(self), Arc::clone(client));
        tokio::spawn(async move {
            if let Err(error) = cache.fetch(&client).await {
                tracing::debug!(%error, "a token could not be renewed early; the old one serves on");
                if let Some(token) = cache.token.write().as_mut() {
                    token.renew_at = Instant::now() + PAUSE;
                }
            }
            drop(fetching);
        });
    }

    async fn fetch(&self, client: &Arc<dyn HttpClient>) -> Result<Token, BackendError> {
        let patience = Deadline::current().map_or(PATIENCE, |deadline| deadline.remaining().min(PATIENCE));
        let mut request = self.account.to_request();
        request.timeout = Some(patience);
        let asked = Instant::now();
        let answer = tokio::time::timeout(patience, async {
            let response = client.send(request).await?;
            let (status, wait) = (response.status, response.header("retry-after").map(str::to_owned));
            Ok((status, wait, read_whole(response, ANSWER_BYTES).await?))
        });
        let (status, wait, body) = match answer.await {
            Ok(answer) => answer.map_err(|error: BackendError| unreached(&error))?,
            Err(_) => return Err(failed(ErrorKind::TimedOut, "the token endpoint did not answer in time")),
        };
        if status != 200 {
            return Err(refused(status, wait.as_deref(), &body));
        }
        let token = self.granted(&body, asked)?;
        *self.token.write() = Some(token.clone());
        Ok(token)
    }

    fn granted(&self, body: &Bytes, asked: Instant) -> Result<Token, BackendError> {
        let misshapen = |what: &str| failed(ErrorKind::Misconfigured, what);
        let granted: Granted = serde_json::from_slice(body)
            .map_err(|_| misshapen("the token endpoint's answer holds no token; check its address"))?;
        if granted.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(misshapen("the token endpoint gives tokens that are not bearer tokens"));
        }
        let value = format!("Bearer {}", granted.access_token);
        if reqwest::header::HeaderValue::from_str(&value).is_err() || granted.access_token.is_empty() {
            return Err(misshapen("the token endpoint gives a token that no header can hold"));
        }
        let lasts = granted.expires_in.as_ref().and_then(seconds).unwrap_or(UNSAID);
        Ok(Token {
            value: Secret::new(value),
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            renew_at: asked + lasts * 4 / 5,
            ends_at: asked + lasts.saturating_sub(MARGIN.min(lasts / 10)),
        })
    }
}

/// Reads a number of seconds; some endpoints write it as a text. A year is for ever.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::from_secs(seconds.min(365 * 24 * 60 * 60)))
}

impl Failure {
    fn of(error: &BackendError) -> Self {
        Self {
            kind: error.kind(),
            code: error.code(),
            message: error.message().to_owned(),
            retry_after: error.retry_after(),
        }
    }

    fn to_error(&self) -> BackendError {
        let error = failed(self.kind, &self.message).with_code(self.code);
        match self.retry_after {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        }
    }
}

fn failed(kind: ErrorKind, message: &str) -> BackendError {
    BackendError::new(kind, BACKEND, FETCH, message)
}

fn unreached(error: &BackendError) -> BackendError {
    // Nothing of the call itself has left, so what is not known of the fetch does not matter.
    failed(error.kind(), &format!("no token: {}", error.message()))
}

fn refused(status: u16, retry_after: Option<&str>, body: &Bytes) -> BackendError {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    let told = serde_json::from_slice::<Refused>(body).ok().map(|refused| refused.error);
    let is_word = |text: &String| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let told = told.filter(is_word).map(|word| format!(" ({word})")).unwrap_or_default();
    let kind = match kind_of_status(status) {
        kind if kind.is_retryable() => kind,
        ErrorKind::Internal => ErrorKind::Unavailable,
        _ => ErrorKind::Misconfigured,
    };
    let message =
        format!("the token endpoint answers {status}{told}; check the client's id, secret and scope");
    let error = failed(kind, &message);
    match retry_after.and_then(|wait| wait.trim().parse().ok()) {
        Some(wait) => error.with_retry_after(Duration::from_secs(wait)),
        None => error,
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("account", &self.account).finish_non_exhaustive()
    }
}
