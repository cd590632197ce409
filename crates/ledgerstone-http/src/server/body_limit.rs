//! Body limits: a request that says or sends too much is refused.

use axum::RequestExt as _;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::body::too_large;
use crate::problem::Failure;

/// The largest body of a request in bytes.
///
/// One that is declared larger is refused at once (LS0014, 413); one that turns out larger breaks off where it is
/// read. Handlers that read by [`read_body`](crate::read_body) have that limit besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(usize);

impl BodyLimit {
    /// Takes bodies of at most this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Refuses a request whose declared body is too large, and bounds what may be read of any other.
    pub fn bound(self, mut request: Request) -> Result<Request, Failure> {
        if let Some(given) = declared(request.headers()).filter(|given| *given > self.0) {
            return Err(too_large(given, self.0));
        }
        DefaultBodyLimit::max(self.0).apply(&mut request);
        Ok(request.with_limited_body())
    }
}

/// Bounds the body of a request; a layer by itself.
pub async fn limit_body(State(limit): State<BodyLimit>, request: Request, next: Next) -> Response {
    match limit.bound(request) {
        Ok(request) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, Bytes};
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;

    async fn status(body: Body, declared: Option<usize>) -> u16 {
        let app = Router::new()
            .route("/", post(|body: Bytes| async move { body.len().to_string() }))
            .layer(from_fn_with_state(BodyLimit::new(5), limit_body));
        let mut request = Request::builder().method("POST").uri("/");
        if let Some(declared) = declared {
            request = request.header(CONTENT_LENGTH, declared);
        }
        let answer = app.oneshot(request.body(body).expect("a request")).await.expect("answers");
        answer.status().as_u16()
    }

    #[tokio::test]
    async fn what_is_said_or_sent_above_the_limit_is_refused() {
        assert_eq!(status(Body::from("12345"), Some(5)).await, 200);
        assert_eq!(status(Body::from("123456"), Some(6)).await, 413);
        let pieces = ["123", "456"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
        assert_eq!(status(Body::from_stream(futures_util::stream::iter(pieces)), None).await, 413);
    }
}
