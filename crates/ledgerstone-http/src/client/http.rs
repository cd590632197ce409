//! A typed client of one HTTP service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{Clock, HttpClient};
use ledgerstone_resilience::Policy;

use crate::client::base_url::BaseUrl;
use crate::client::credentials::Credentials;
use crate::client::http_builder::HttpBuilder;
use crate::client::http_call::HttpCall;
use crate::client::http_method::HttpMethod;
use crate::client::redirects::Redirects;
use crate::client::request_body::Replayable;
use crate::client::route::Route;

/// A client of one HTTP service: its address, what every call to it shares, and the policy that calls keep to.
///
/// It stands on any [`HttpClient`], is cheap to clone, and clones share everything. Its calls are measured
/// and named by the template of their route, never by their URL.
///
/// - `get`, `put`, `delete` and their like may be retried by the policy; `post` and `patch` run once, unless
///   the call has an idempotency key or is said to be idempotent.
/// - An answer of another status than 2xx is an error, with the server's problem document if it sent one.
/// - Without a policy of its own, a call is tried four times at most, with a budget; it has 30 seconds, and
///   an answer has 16 MiB.
///
/// ```
/// use std::sync::Arc;
///
/// use ledgerstone_http::{ClientOptions, Http, HttpError, ReqwestClient};
///
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct User {}
/// # fn main() -> Result<(), ledgerstone_core::BackendError> {
/// let client = Arc::new(ReqwestClient::new(ClientOptions::default())?);
/// let users = Http::builder("users", client, "http://users.example/api").build()?;
/// # async fn calls(users: Http, draft: User) -> Result<(), HttpError> {
/// let ada: User = users.get("/users/{id}").parameter("id", 7).json().await?;
/// let new: User = users.post("/users").body_json(&draft).idempotency_key("order-7").json().await?;
/// # Ok(())
/// # }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "IHttpClient")]
#[derive(Clone)]
pub struct Http {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) name: Arc<str>,
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) base: BaseUrl,
    /// The base's origin, as URLs are held against it.
    pub(crate) origin: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) policy: Policy,
    pub(crate) timeout: Duration,
    pub(crate) max_response_bytes: u64,
    pub(crate) redirects: Redirects,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Http {
    /// How long a call may take, retries included, unless it says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// How large an answer may be, unless the client or the call says otherwise.
    pub const MAX_RESPONSE_BYTES: u64 = 16 * 1024 * 1024;

    /// Begins a client named `name`, the service it calls, whose paths lie beneath `base`.
    pub fn builder(name: &str, client: Arc<dyn HttpClient>, base: &str) -> HttpBuilder {
        HttpBuilder::new(name, client, base)
    }

    /// Returns the name of the service, as metrics and errors show it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the policy that calls keep to.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// Begins a GET.
    pub fn get(&self, route: impl Into<Route>) -> HttpCall<Replayable> {
        self.call(HttpMethod::Get, route)
    }

    /// Begins a HEAD.
    pub fn head(&self, route: impl Into<Route>) -> HttpCall<Replayable> {
        self.call(HttpMethod::Head, route)
    }

    /// Begins a POST, which runs once unless it is marked otherwise.
    pub fn post(&self, route: impl Into<Route>) -> HttpCall<Replayable> {
        self.call(HttpMethod::Post, route)
    }

    /// Begins a PUT.
    pub fn put(&self, route: impl Into<Route>) -> HttpCall<Replayable> {
        self.call(HttpMethod::Put, route)
    }

    /// Begins a PATCH, which runs once unless it is marked otherwise.
    pub fn patch(&self, route: impl Into<Route>) -> HttpCall<Replayable> {
        self.call(HttpMethod::Patch, route)
    }

    /// Begins a DELETE.
    pub fn delete(&self, route: impl Into<Route>) -> HttpCall<Replayable> {
        self.call(HttpMethod::Delete, route)
    }

    /// Begins a call of any method.
    pub fn call(&self, method: HttpMethod, route: impl Into<Route>) -> HttpCall<Replayable> {
        HttpCall::new(self.clone(), method, route.into())
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { name, client, origin, credentials, timeout, .. } = &*self.inner;
        f.debug_struct("Http")
            .field("name", name)
            .field("origin", origin)
            .field("credentials", credentials)
            .field("timeout", timeout)
            .field("client", client)
            .finish_non_exhaustive()
    }
}
