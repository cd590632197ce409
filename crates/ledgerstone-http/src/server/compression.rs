//! Compression of answers, where it is worth it and holds nothing back.

use axum::http::Response;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tower_http::compression::predicate::Predicate;
use tower_http::compression::{CompressionLayer, CompressionLevel};

/// The smallest answer in bytes that is compressed; a smaller one fits into a packet as it is.
const COMPRESSED_FROM: u64 = 1_024;

/// What is packed already, or has a compression of its own.
const PACKED: &[&str] = &[
    "image/",
    "video/",
    "audio/",
    "font/",
    "application/gzip",
    "application/zip",
    "application/zstd",
    "application/octet-stream",
    "application/grpc",
];

/// Compresses answers by gzip for callers that accept it; a layer by itself.
///
/// It leaves alone what is small, what is packed already, what says `cache-control: no-transform`, and whatever has no
/// known size: that is a stream, such as server-sent events, whose pieces must not wait in a buffer.
pub fn compression() -> CompressionLayer<Worthwhile> {
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(Worthwhile)
}

/// Tells which answers are compressed.
#[derive(Debug, Clone, Copy)]
pub struct Worthwhile;

impl Predicate for Worthwhile {
    fn should_compress<B: hyper::body::Body>(&self, response: &Response<B>) -> bool {
        let text = |name| {
            let value = response.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        response.body().size_hint().exact().is_some_and(|size| size >= COMPRESSED_FROM)
            && !is_packed(text(CONTENT_TYPE))
            && !text(CACHE_CONTROL).contains("no-transform")
    }
}

fn is_packed(media_type: &str) -> bool {
    let begins = |start: &str| {
        let begin = media_type.as_bytes().get(..start.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes()))
    };
    PACKED.iter().any(|start| begins(start)) && !begins("image/svg")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn packed(bytes: usize, headers: &[(&'static str, &'static str)], is_stream: bool) -> bool {
        let body = bytes::Bytes::from(vec![b'x'; bytes]);
        let mut answer = Response::builder();
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        let whole = Body::from(body.clone());
        let pieces = futures_util::stream::once(async move { Ok::<_, std::io::Error>(body) });
        let body = if is_stream { Body::from_stream(pieces) } else { whole };
        let answer = std::sync::Mutex::new(answer.body(body).ok());
        let answer = std::sync::Arc::new(answer);
        let handler = move || {
            let answer = answer.lock().ok().and_then(|mut answer| answer.take());
            async move { answer.expect("asked once") }
        };
        let app = Router::new().route("/", get(handler)).layer(compression());
        let request = Request::builder().header(ACCEPT_ENCODING, "gzip").body(Body::empty());
        let answer = app.oneshot(request.expect("a request")).await.expect("answers");
        answer.headers().contains_key(CONTENT_ENCODING)
    }

    #[tokio::test]
    async fn only_large_answers_that_are_not_packed_are_compressed() {
        let json = ("content-type", "application/json");
        assert!(packed(2_000, &[json], false).await);
        assert!(packed(2_000, &[("content-type", "image/svg+xml")], false).await);
        assert!(!packed(1_000, &[json], false).await);
        for media_type in ["image/png", "application/zip", "Video/mp4"] {
            assert!(!packed(2_000, &[("content-type", media_type)], false).await, "{media_type}");
        }
        assert!(!packed(2_000, &[json, ("cache-control", "private, no-transform")], false).await);
    }

    #[tokio::test]
    async fn a_stream_is_not_held_back() {
        for media_type in ["text/event-stream", "application/x-ndjson"] {
            assert!(!packed(2_000, &[("content-type", media_type)], true).await, "{media_type}");
        }
    }
}
