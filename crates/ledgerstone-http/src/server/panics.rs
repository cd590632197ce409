//! Panics: a handler that breaks answers with a problem, and its connection goes on.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use ledgerstone_core::{Code, ErrorKind, Problem};

use crate::problem::Failure;

/// Answers a panic of what lies within as an internal failure (LS0032); a layer by itself.
pub async fn catch_panics(request: Request, next: Next) -> Response {
    caught(next.run(request)).await
}

/// Answers a panic of the future.
pub(crate) async fn caught(answering: impl Future<Output = Response>) -> Response {
    let answered = AssertUnwindSafe(answering).catch_unwind().await;
    answered.unwrap_or_else(|_| panicked().into_response())
}

fn panicked() -> Failure {
    let detail = "the server failed inside; its log has the details under this correlation id";
    Problem::new(ErrorKind::Internal, Code::Internal, detail).into()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn broken() -> StatusCode {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_panic_is_a_problem() {
        let app = Router::new().route("/", get(broken)).layer(from_fn(catch_panics));
        let answer = app.oneshot(Request::new(Body::empty())).await.expect("answers");
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers()["content-type"], Problem::MEDIA_TYPE);
    }
}
