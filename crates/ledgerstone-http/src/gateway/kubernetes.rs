//! Endpoints from Kubernetes: the endpoint slices of a service, listed and watched over its API.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use ledgerstone_core::{BackendError, Code, ErrorKind, HttpClient, HttpRequest, HttpResponse};
use parking_lot::Mutex;

use crate::gateway::kubernetes_slices::{Slices, Told};
use crate::gateway::path_template::encode;
use crate::gateway::resolver::{Resolution, Resolver};
use crate::gateway::service_settings::KubernetesSettings;

const BACKEND: &str = "kubernetes";
const LIST: &str = "list endpoint slices";
const WATCH: &str = "watch endpoint slices";

/// Where a pod finds what it may use of the API.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const API: &str = "https://kubernetes.default.svc";

/// How large a list may be: 10 MB is some fifty thousand endpoints.
const MAX_BYTES: usize = 10_000_000;
/// How many slices are asked for at once.
const PAGE: usize = 500;
/// How long the API server may take for a list, and how long it keeps a watch open.
const PATIENCE: Duration = Duration::from_secs(10);
const WATCH_SECONDS: u64 = 290;
/// How long after a broken watch the list is asked for.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks the API server for the endpoint slices of one service.
///
/// It needs `get`, `list` and `watch` on `endpointslices` of the group `discovery.k8s.io`. Only endpoints that
/// are ready are used. A watch begins at the version that the last list had, so no change falls between.
/// The certificate of an API server is checked by the client that is given; one that does not know the
/// cluster's authority cannot speak to it.
pub struct KubernetesResolver {
    client: Arc<dyn HttpClient>,
    url: String,
    token_file: PathBuf,
    port: Option<String>,
    /// The version of the newest list, from which a watch begins.
    version: Mutex<Option<String>>,
}

impl KubernetesResolver {
    /// Makes a resolver; it asks nothing yet.
    pub fn new(settings: &KubernetesSettings, client: Arc<dyn HttpClient>) -> Result<Self, BackendError> {
        let account = Path::new(ACCOUNT);
        let namespace = match &settings.namespace {
            Some(namespace) => namespace.clone(),
            None => read_line(&account.join("namespace"), "name the namespace in the settings")?,
        };
        let api = settings.api.as_deref().unwrap_or(API).trim_end_matches('/');
        let label = encode(&format!("kubernetes.io/service-name={}", settings.service));
        let namespace = encode(&namespace);
        let url = format!(
            "{api}/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector={label}"
        );
        Ok(Self {
            client,
            url,
            token_file: settings.token_file.clone().unwrap_or_else(|| account.join("token")),
            port: settings.port.clone(),
            version: Mutex::new(None),
        })
    }

    async fn get(&self, url: String, timeout: Option<Duration>) -> Result<HttpResponse, BackendError> {
        // The token expires and its file is rewritten, so it is read for each question; there are few.
        let token = read_line(&self.token_file, "mount a token of the service account, or name its file")?;
        let headers = vec![
            ("authorization".to_owned(), format!("Bearer {token}")),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        let request = HttpRequest { method: "GET", url, headers, body: Bytes::new(), timeout };
        let response = self.client.send(request).await?;
        match response.status {
            200 => Ok(response),
            status => Err(refused(status)),
        }
    }

    /// Lists all pages; endpoints are of no use before the last one is there.
    async fn list(&self) -> Result<Slices, BackendError> {
        let mut all = Slices::default();
        let mut bytes = 0;
        loop {
            let mut url = format!("{}&limit={PAGE}", self.url);
            if let Some(rest) = all.rest() {
                url.push_str(&format!("&continue={}", encode(rest)));
            }
            let response = self.get(url, Some(PATIENCE)).await?;
            let page = read(response, MAX_BYTES - bytes).await?;
            bytes += page.len();
            all.take_page(&page, self.port.as_deref()).map_err(malformed)?;
            if all.rest().is_none() {
                return Ok(all);
            }
        }
    }

    /// Returns when the watch tells of a change, or ends.
    async fn watch(&self, version: &str) -> Result<(), BackendError> {
        let version = encode(version);
        let url = format!(
            "{}&watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}",
            self.url
        );
        let mut response = self.get(url, None).await?;
        let mut line = BytesMut::new();
        while let Some(piece) = response.body.next().await {
            line.extend_from_slice(&piece?);
            while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                let told = Told::read(&line.split_to(end + 1)).map_err(malformed)?;
                match told {
                    Told::Bookmark(version) => *self.version.lock() = Some(version),
                    Told::Change => return Ok(()),
                }
            }
            if line.len() > MAX_BYTES {
                return Err(malformed(format!("a line of the watch has more than {MAX_BYTES} bytes")));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Resolver for KubernetesResolver {
    fn source(&self) -> &'static str {
        "kubernetes"
    }

    async fn resolve(&self, _service: &str) -> Result<Resolution, BackendError> {
        *self.version.lock() = None;
        let slices = self.list().await?;
        let (endpoints, version) = slices.into_endpoints();
        *self.version.lock() = version;
        Ok(Resolution { endpoints, ttl: None })
    }

    async fn changed(&self, service: &str) {
        let version = self.version.lock().clone();
        // Without a list there is nothing to be behind of.
        let Some(version) = version else { return std::future::pending().await };
        // A watch tells of a change, or ends in its time; either way the next list settles how things stand.
        if let Err(error) = self.watch(&version).await {
            tracing::debug!(service, %error, "the watch of endpoint slices broke; listing again");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl fmt::Debug for KubernetesResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubernetesResolver").field("url", &self.url).finish_non_exhaustive()
    }
}

fn read_line(path: &Path, advice: &str) -> Result<String, BackendError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("{} cannot be read; {advice}", path.display());
        BackendError::new(ErrorKind::Misconfigured, BACKEND, "read a file", message)
            .with_code(Code::Configuration)
            .with_source(error)
    })?;
    let line = text.trim();
    if line.is_empty() || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{} does not hold one line of visible text; {advice}", path.display());
        return Err(BackendError::new(ErrorKind::Misconfigured, BACKEND, "read a file", message));
    }
    Ok(line.to_owned())
}

async fn read(mut response: HttpResponse, limit: usize) -> Result<Bytes, BackendError> {
    let mut whole = BytesMut::new();
    while let Some(piece) = response.body.next().await {
        whole.extend_from_slice(&piece?);
        if whole.len() > limit {
            return Err(malformed(format!("the list has more than {MAX_BYTES} bytes")));
        }
    }
    Ok(whole.freeze())
}

fn refused(status: u16) -> BackendError {
    let (kind, advice) = match status {
        401 => (ErrorKind::Denied, "is the token of this cluster, and not expired?"),
        403 => (ErrorKind::Denied, "give the service account get, list and watch on endpointslices"),
        404 => (ErrorKind::NotFound, "does the cluster have discovery.k8s.io/v1?"),
        429 => (ErrorKind::Throttled, "it asks for less"),
        _ => (ErrorKind::Unavailable, "ask again"),
    };
    BackendError::new(kind, BACKEND, LIST, format!("the API server answered {status}; {advice}"))
}

fn malformed(why: String) -> BackendError {
    let message = format!("the answer of the API server is not what it should be: {why}");
    BackendError::new(ErrorKind::Unavailable, BACKEND, WATCH, message)
}
