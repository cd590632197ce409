//! The HTTP client port on reqwest: pooled connections, bounded times, no redirect followed blindly.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ledgerstone_core::{BackendError, Code, ErrorKind, HttpClient, HttpRequest, HttpResponse};

const BACKEND: &str = "http";
const SEND: &str = "send a request";

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientOptions {
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How many idle connections to a host are kept.
    pub idle_connections: usize,
    /// How long an idle connection is kept.
    pub idle_for: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_connections: 64,
            // Less than the time after which a server closes what is idle, lest a request meets the end.
            idle_for: Duration::from_secs(5),
        }
    }
}

/// Sends requests with reqwest.
///
/// A redirect is a response like another: what it points to may be somewhere that must not get the
/// request's token. `https` needs the feature `tls`. A failure after the request may have left has
/// [`Code::Indeterminate`], so that a caller whose request changes something knows.
#[derive(Debug, Clone)]
pub struct ReqwestClient {
    client: reqwest::Client,
}

impl ReqwestClient {
    /// Makes a client; it opens no connection yet.
    pub fn new(options: ClientOptions) -> Result<Self, BackendError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.idle_connections)
            .pool_idle_timeout(options.idle_for)
            .tcp_nodelay(true)
            .user_agent(concat!("ledgerstone/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                let message = "the HTTP client cannot be set up";
                BackendError::new(ErrorKind::Misconfigured, BACKEND, "set up", message).with_source(error)
            })?;
        Ok(Self { client })
    }

    fn build(&self, request: HttpRequest) -> Result<reqwest::Request, BackendError> {
        let invalid = |message: String| BackendError::new(ErrorKind::Invalid, BACKEND, SEND, message);
        let url = reqwest::Url::parse(&request.url)
            .map_err(|error| invalid(format!("{:?} is not a URL: {error}", request.url)))?;
        check_scheme(url.scheme())?;
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| invalid(format!("{:?} is not a method", request.method)))?;
        let mut builder = self.client.request(method, url);
        for (name, value) in &request.headers {
            builder = builder.header(name.as_str(), value.as_str());
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body);
        }
        if let Some(timeout) = request.timeout {
            builder = builder.timeout(timeout);
        }
        builder
            .build()
            .map_err(|error| invalid("the request cannot be sent as it is".to_owned()).with_source(error))
    }
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
        let response = self.client.execute(self.build(request)?).await.map_err(failure)?;
        let headers = response.headers().iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
        });
        Ok(HttpResponse {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.bytes_stream().map_err(failure).boxed(),
        })
    }
}

fn failure(error: reqwest::Error) -> BackendError {
    let cause = root_cause(&error);
    if error.is_connect() {
        let message = format!("no connection ({cause}); is the server running, and is its address right?");
        return BackendError::new(ErrorKind::Unavailable, BACKEND, SEND, message).with_source(error);
    }
    let (kind, message) = if error.is_timeout() {
        (ErrorKind::TimedOut, "the answer did not come in time; ask again".to_owned())
    } else {
        (ErrorKind::Unavailable, format!("the connection broke ({cause}); ask again"))
    };
    BackendError::new(kind, BACKEND, SEND, message).with_code(Code::Indeterminate).with_source(error)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
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
