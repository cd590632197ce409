//! What a client of an HTTP service is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, Clock, ErrorKind, HttpClient, SystemClock};
use ledgerstone_resilience::{Policy, Retry};
use reqwest::header::{HeaderName, HeaderValue};

use crate::client::base_url::BaseUrl;
use crate::client::credentials::Credentials;
use crate::client::http::{Http, Inner};
use crate::client::redirects::Redirects;

/// How often a call is tried where no policy is given: the first time, and three times again.
const ATTEMPTS: u32 = 4;
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Makes an [`Http`]; every part but the name, the client and the base has a default.
pub struct HttpBuilder {
    name: Arc<str>,
    client: Arc<dyn HttpClient>,
    base: String,
    headers: Vec<(String, String)>,
    credentials: Option<Credentials>,
    policy: Option<Policy>,
    timeout: Duration,
    max_response_bytes: u64,
    redirects: Redirects,
    clock: Arc<dyn Clock>,
}

impl HttpBuilder {
    pub(crate) fn new(name: &str, client: Arc<dyn HttpClient>, base: &str) -> Self {
        Self {
            name: name.into(),
            client,
            base: base.to_owned(),
            headers: Vec::new(),
            credentials: None,
            policy: None,
            timeout: Http::TIMEOUT,
            max_response_bytes: Http::MAX_RESPONSE_BYTES,
            redirects: Redirects::None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Sends this header with every call that does not set it itself.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Proves who the client is with every call.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Lets calls keep to this policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Gives every call this long, retries included, unless it says otherwise.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Lets answers have so many bytes, unless a call says otherwise.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: u64) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// Follows redirects so far; without this, none.
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Takes the time from this clock where a server gives a date.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything and makes the client; nothing is sent.
    pub fn build(self) -> Result<Http, BackendError> {
        let name = Arc::clone(&self.name);
        self.checked().map_err(|why| {
            let message = format!("the HTTP client {name} cannot be made: {why}");
            BackendError::new(ErrorKind::Misconfigured, "http", "set up", message)
        })
    }

    fn checked(self) -> Result<Http, String> {
        if self.name.is_empty() {
            return Err("it has no name, and metrics need one".to_owned());
        }
        let base = BaseUrl::parse(&self.base)?;
        for (name, value) in &self.headers {
            check_header(name, value)?;
        }
        if let Some(credentials) = &self.credentials {
            credentials.check()?;
        }
        check_timeout(self.timeout)?;
        let policy = match self.policy {
            Some(policy) => policy,
            None => standard_policy(&self.name)?,
        };
        Ok(Http {
            inner: Arc::new(Inner {
                name: self.name,
                client: self.client,
                origin: base.origin().to_owned(),
                base,
                headers: self.headers,
                credentials: self.credentials,
                policy,
                timeout: self.timeout,
                max_response_bytes: self.max_response_bytes,
                redirects: self.redirects,
                clock: self.clock,
            }),
        })
    }
}

fn standard_policy(name: &str) -> Result<Policy, String> {
    let retry = Retry::exponential(WAITS.0, WAITS.1).with_attempts(ATTEMPTS);
    Policy::builder(name).retry(retry).build().map_err(|error| error.to_string())
}

/// Refuses a header that cannot be sent; its value may be secret and is not told.
pub(crate) fn check_header(name: &str, value: &str) -> Result<(), String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is not the name of a header"))?;
    HeaderValue::from_str(value).map_err(|_| format!("the value of the header {name} cannot be sent"))?;
    Ok(())
}

/// Refuses a time in which nothing can be done.
pub(crate) fn check_timeout(timeout: Duration) -> Result<(), String> {
    if timeout.is_zero() {
        return Err(
            "a timeout of zero lets nothing finish; leave it out for the default, or give a time".to_owned()
        );
    }
    Ok(())
}

impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HttpBuilder")
            .field("name", &self.name)
            .field("headers", &names)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
