//! The HTTP client port on reqwest: pooled connections, bounded times, no redirect followed blindly.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ledgerstone_core::{BackendError, ErrorKind, HttpBody, HttpClient, HttpRequest, HttpResponse};
use parking_lot::RwLock;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::client::client_options::ClientOptions;
use crate::client::request_failure::{BACKEND, SEND, failure};

/// Sends requests with reqwest.
///
/// A redirect is a response like another: what it points to may be somewhere that must not get the
/// request's token. A body is handed on as it comes and never unpacked, so a small answer cannot become
/// a large one. `https` needs the feature `tls`. A failure after the request may have left has
/// [`Code::Indeterminate`](ledgerstone_core::Code::Indeterminate), so that a caller whose request changes
/// something knows.
///
/// reqwest lets a connection that is in use live for ever; so the whole pool is replaced once it is
/// [`max_age`](ClientOptions::max_age) old. Clones share the pool.
#[derive(Clone)]
pub struct ReqwestClient {
    shared: Arc<Shared>,
}

struct Shared {
    options: ClientOptions,
    current: RwLock<Pool>,
}

struct Pool {
    client: reqwest::Client,
    since: Instant,
}

impl ReqwestClient {
    /// Makes a client; it opens no connection yet.
    pub fn new(options: ClientOptions) -> Result<Self, BackendError> {
        let pool = Pool { client: make(&options)?, since: Instant::now() };
        Ok(Self { shared: Arc::new(Shared { options, current: RwLock::new(pool) }) })
    }

    /// Returns the pool's client, a new one if it has become too old.
    fn client(&self) -> reqwest::Client {
        let Shared { options, current } = &*self.shared;
        let is_young = |pool: &Pool| pool.since.elapsed() < options.max_age;
        {
            let pool = current.read();
            if is_young(&pool) {
                return pool.client.clone();
            }
        }
        let mut pool = current.write();
        if !is_young(&pool) {
            match make(options) {
                Ok(client) => pool.client = client,
                // It could be made before, so the old one is better than none.
                Err(error) => tracing::warn!(%error, "the HTTP connections cannot be renewed"),
            }
            pool.since = Instant::now();
        }
        pool.client.clone()
    }

    async fn execute(
        &self,
        request: HttpRequest,
        body: Option<reqwest::Body>,
    ) -> Result<HttpResponse, BackendError> {
        let client = self.client();
        let request = build(&client, request, body)?;
        let response = client.execute(request).await.map_err(failure)?;
        let mut headers = Vec::with_capacity(response.headers().len());
        headers.extend(response.headers().iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
        }));
        Ok(HttpResponse {
            status: response.status().as_u16(),
            headers,
            body: response.bytes_stream().map_err(failure).boxed(),
        })
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

fn make(options: &ClientOptions) -> Result<reqwest::Client, BackendError> {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // Whoever calls decides what is repeated.
        .retry(reqwest::retry::never())
        .connect_timeout(options.connect_timeout)
        .pool_max_idle_per_host(options.idle_connections)
        .pool_idle_timeout(options.idle_for)
        .tcp_nodelay(true)
        .user_agent(concat!("ledgerstone/", env!("CARGO_PKG_VERSION")));
    let builder = options.proxy.apply(options.tls.apply(builder)?)?;
    builder.build().map_err(|error| {
        let message = "the HTTP client cannot be set up; check its TLS and proxy options";
        BackendError::new(ErrorKind::Misconfigured, BACKEND, "set up", message).with_source(error)
    })
}

fn build(
    client: &reqwest::Client,
    request: HttpRequest,
    body: Option<reqwest::Body>,
) -> Result<reqwest::Request, BackendError> {
    let invalid = |message: String| BackendError::new(ErrorKind::Invalid, BACKEND, SEND, message);
    let url = reqwest::Url::parse(&request.url)
        .map_err(|error| invalid(format!("the address is not a URL: {error}")))?;
    check_scheme(url.scheme())?;
    let method = reqwest::Method::from_bytes(request.method.as_bytes())
        .map_err(|_| invalid(format!("{:?} is not a method", request.method)))?;
    let unfit = || invalid("the request cannot be sent as it is".to_owned());
    // The rest is set in place: each step of the builder would move all of it.
    let mut built =
        client.request(method, url).build().map_err(|error| unfit().with_source(error.without_url()))?;
    built.headers_mut().reserve(request.headers.len());
    for (name, value) in request.headers {
        let name = HeaderName::try_from(name).map_err(|error| unfit().with_source(error))?;
        let value = HeaderValue::try_from(value).map_err(|error| unfit().with_source(error))?;
        built.headers_mut().append(name, value);
    }
    *built.body_mut() = body.or_else(|| (!request.body.is_empty()).then(|| request.body.into()));
    *built.timeout_mut() = request.timeout;
    Ok(built)
}

/// Refuses what this build cannot speak, with what to do about it.
fn check_scheme(scheme: &str) -> Result<(), BackendError> {
    match scheme {
        "http" => Ok(()),
        "https" if cfg!(feature = "tls") => Ok(()),
        "https" => {
            let message = "this build speaks no TLS; build it with the feature tls, or use http:// \
                           through a tunnel or a proxy on this machine";
            Err(BackendError::new(ErrorKind::Unsupported, BACKEND, SEND, message))
        }
        other => {
            let message = format!("{other}: is no scheme of the web; write http:// or https://");
            Err(BackendError::new(ErrorKind::Invalid, BACKEND, SEND, message))
        }
    }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        self.execute(request, None).await
    }

    async fn send_streaming(
        &self,
        request: HttpRequest,
        body: HttpBody,
    ) -> Result<HttpResponse, BackendError> {
        self.execute(request, Some(reqwest::Body::wrap_stream(body))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ledgerstone_core::Code;
    use std::io::{Read as _, Write as _};

    fn get(url: String) -> HttpRequest {
        HttpRequest { method: "GET", url, headers: Vec::new(), body: Bytes::new(), timeout: None }
    }

    fn client() -> ReqwestClient {
        ReqwestClient::new(ClientOptions::default()).expect("a client")
    }

    /// Answers one request with these bytes and closes; returns its URL.
    fn answering(answer: &'static [u8]) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().expect("a connection");
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(answer);
        });
        url
    }

    #[tokio::test]
    async fn a_refused_connection_is_unavailable_and_nothing_left() {
        let error = client().send(get("http://127.0.0.1:1/".to_owned())).await.expect_err("nobody there");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Code::Unreachable));
    }

    #[tokio::test]
    async fn a_connection_that_breaks_after_the_request_left_is_indeterminate() {
        let error = client().send(get(answering(b""))).await.expect_err("no answer");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, Code::Indeterminate));
    }

    #[tokio::test]
    async fn a_redirect_is_a_response() {
        let url =
            answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client().send(get(url)).await.expect("a response").status, 302);
    }

    #[tokio::test]
    async fn what_this_build_cannot_speak_is_refused_with_advice() {
        let error = client().send(get("ftp://127.0.0.1/".to_owned())).await.expect_err("no web");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        if cfg!(not(feature = "tls")) {
            let error = client().send(get("https://127.0.0.1/".to_owned())).await.expect_err("no tls");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("feature tls"), "{error}");
        }
    }
}
