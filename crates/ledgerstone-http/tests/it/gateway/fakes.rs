//! A source of endpoints and a client, both of which do as the test says.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use ledgerstone_core::{BackendError, Code, ErrorKind, HttpClient, HttpRequest, HttpResponse};
use ledgerstone_http::{
    Endpoint, Gateway, Resolution, Resolver, ServiceReport, ServiceSettings, Services, ServicesBuilder,
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A source whose answer the test sets.
#[derive(Debug, Default)]
pub(crate) struct Told {
    answer: Mutex<Option<Vec<Endpoint>>>,
    pub(crate) asked: Mutex<Vec<Instant>>,
    changed: Notify,
    pub(crate) takes: Mutex<Duration>,
}

impl Told {
    pub(crate) fn of(addresses: &[&str]) -> Arc<Self> {
        let told = Self::default();
        told.answer(addresses);
        Arc::new(told)
    }

    /// A source that fails from the start.
    pub(crate) fn broken() -> Arc<Self> {
        Arc::default()
    }

    /// Sets the answer; nobody is told.
    pub(crate) fn answer(&self, addresses: &[&str]) {
        *self.answer.lock() = Some(addresses.iter().map(|address| Endpoint::new(*address)).collect());
    }

    /// Sets the answer, and tells.
    pub(crate) fn change(&self, addresses: &[&str]) {
        self.answer(addresses);
        self.changed.notify_one();
    }

    pub(crate) fn fail(&self) {
        *self.answer.lock() = None;
    }
}

#[async_trait]
impl Resolver for Told {
    fn source(&self) -> &'static str {
        "told"
    }

    async fn resolve(&self, _service: &str) -> Result<Resolution, BackendError> {
        self.asked.lock().push(Instant::now());
        let takes = *self.takes.lock();
        tokio::time::sleep(takes).await;
        match self.answer.lock().clone() {
            Some(endpoints) => Ok(Resolution { endpoints, ttl: None }),
            None => Err(BackendError::new(ErrorKind::Unavailable, "told", "resolve", "the source is down")),
        }
    }

    async fn changed(&self, _service: &str) {
        self.changed.notified().await;
    }
}

type Answer = dyn Fn(HttpRequest) -> BoxFuture<'static, Result<HttpResponse, BackendError>> + Send + Sync;

/// A client that answers as the test says, and keeps what it was asked.
pub(crate) struct Scripted {
    answer: Box<Answer>,
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
}

impl Scripted {
    pub(crate) fn new(
        answer: impl Fn(&HttpRequest) -> Result<HttpResponse, BackendError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::slow(move |request| {
            let answer = answer(&request);
            Box::pin(async move { answer })
        })
    }

    pub(crate) fn slow(
        answer: impl Fn(HttpRequest) -> BoxFuture<'static, Result<HttpResponse, BackendError>>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), requests: Mutex::default() })
    }

    /// Answers everything well.
    pub(crate) fn good() -> Arc<Self> {
        Self::new(|_| Ok(response(200)))
    }

    /// Returns host and port of each request so far, and forgets them.
    pub(crate) fn hosts(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock()).iter().map(host).collect()
    }
}

#[async_trait]
impl HttpClient for Scripted {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        self.requests.lock().push(request.clone());
        (self.answer)(request).await
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

/// Returns host and port of a request's URL.
pub(crate) fn host(request: &HttpRequest) -> String {
    request.url.split('/').nth(2).unwrap_or_default().to_owned()
}

pub(crate) fn response(status: u16) -> HttpResponse {
    let body = futures_util::stream::once(async { Ok(Bytes::from_static(b"body")) });
    HttpResponse { status, headers: Vec::new(), body: body.boxed() }
}

pub(crate) fn refused() -> BackendError {
    BackendError::new(ErrorKind::Unavailable, "http", "send", "nobody is there").with_code(Code::Unreachable)
}

/// Settings of a service that is found by [`Told`].
pub(crate) fn told() -> ServiceSettings {
    ServiceSettings { resolver: Some("told".to_owned()), ..ServiceSettings::default() }
}

pub(crate) fn builder(told: &Arc<Told>, client: &Arc<Scripted>) -> ServicesBuilder {
    let resolver: Arc<dyn Resolver> = Arc::<Told>::clone(told);
    let client: Arc<dyn HttpClient> = Arc::<Scripted>::clone(client);
    Services::builder(client).with_resolver("told", resolver)
}

/// A gateway to one service, `orders`.
pub(crate) fn gateway(settings: ServiceSettings, told: &Arc<Told>, client: &Arc<Scripted>) -> Gateway {
    let services = builder(told, client).start(&named(settings)).expect("services");
    Gateway::new(services, Arc::<Scripted>::clone(client))
}

pub(crate) fn named(settings: ServiceSettings) -> BTreeMap<String, ServiceSettings> {
    BTreeMap::from([("orders".to_owned(), settings)])
}

/// Calls once, and reads the whole answer.
pub(crate) async fn call(gateway: &Gateway) -> Result<u16, BackendError> {
    let mut response = gateway.request("orders", "GET", "/")?.send().await?;
    while let Some(piece) = response.body.next().await {
        piece?;
    }
    Ok(response.status)
}

pub(crate) fn report(gateway: &Gateway) -> ServiceReport {
    gateway.services().report().remove(0)
}

pub(crate) fn addresses(report: &ServiceReport) -> Vec<&str> {
    report.endpoints.iter().map(|endpoint| endpoint.address.as_str()).collect()
}

/// Lets everything happen that happens within this time.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

pub(crate) const MOMENT: Duration = Duration::from_millis(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
