//! The HTTP client port: one request, one response, its body streamed.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;

use crate::error::{BackendError, ErrorKind};

/// The pieces of a body, in order.
pub type HttpBody = BoxStream<'static, Result<Bytes, BackendError>>;

/// Sends HTTP requests.
///
/// A response of any status is a response; an error means that there was none, and its kind says
/// whether it may be asked for again.
#[doc(alias = "IHttpClient")]
#[async_trait]
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Sends a request and returns the response once its headers are there.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, BackendError>;

    /// Sends a request whose body comes piece by piece, in place of the bytes that it holds.
    ///
    /// The pieces are used up, so such a request can be sent once only: a wrapper that repeats requests
    /// passes this one on as it is. A client that cannot do it says so before anything is sent.
    async fn send_streaming(
        &self,
        request: HttpRequest,
        body: HttpBody,
    ) -> Result<HttpResponse, BackendError> {
        drop((request, body));
        let message = "this HTTP client sends whole bodies only; collect the pieces first";
        Err(BackendError::new(ErrorKind::Unsupported, "http", "send a request", message))
    }
}

/// An HTTP request.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method in upper case.
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How long until the whole response must be there, if it is bounded.
    pub timeout: Option<Duration>,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What follows the question mark may hold a key.
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &url)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// An HTTP response whose body may still be coming.
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, piece by piece.
    pub body: HttpBody,
}

impl HttpResponse {
    /// Returns the first header with this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}
