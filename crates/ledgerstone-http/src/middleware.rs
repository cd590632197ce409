//! The edge of a server: what every request passes on its way in and out, in one layer.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use ledgerstone_core::{Code, ErrorKind, IdSource, Problem};
use tracing::Instrument as _;

use crate::authenticator::Authenticator;
use crate::correlation::Correlation;
use crate::origin;
use crate::problem::{Failure, HELP};

/// Is told of a finished request.
pub type Observer = Arc<dyn Fn(&Exchange<'_>) + Send + Sync>;

/// What the edge needs to know.
pub struct Edge {
    /// Who is let in; nothing lets everybody in.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// Whether only callers that name the server by a loopback name are answered.
    pub local_only: bool,
    /// Tells which paths need no token.
    pub is_open: fn(&str) -> bool,
    /// How long a handler may take until its response begins.
    pub timeout: Duration,
    /// Tells what to do next about a code; every problem of a request says it.
    pub help: fn(Code) -> String,
    /// Makes correlation ids.
    pub ids: Arc<dyn IdSource>,
    /// Is told of every finished request.
    pub observer: Option<Observer>,
}

/// A request and its response, as metrics see them.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The method.
    pub method: &'a Method,
    /// The template of the route, if one matched.
    pub route: Option<&'a str>,
    /// The status.
    pub status: u16,
    /// How long it took until the response began.
    pub took: Duration,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("authenticator", &self.authenticator)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Handles a request within its correlation id: lets the caller in or not, bounds the time, turns a
/// panic into a problem, and tells the observer.
pub async fn edge(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let correlation = Correlation::of(request.headers(), &*edge.ids);
    let header = correlation.to_header();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let span = tracing::info_span!("request", correlation = correlation.as_str(), %method, route);

    let inner = async {
        let handled = AssertUnwindSafe(within(&edge, request, next)).catch_unwind().await;
        handled.unwrap_or_else(|_| panicked().into_response())
    };
    let told = HELP.scope(edge.help, inner.instrument(span.clone()));
    let mut response = correlation.scope(told).await;
    if let Some(header) = header {
        response.headers_mut().insert(Correlation::HEADER, header);
    }
    let exchange =
        Exchange { method: &method, route, status: response.status().as_u16(), took: started.elapsed() };
    span.in_scope(|| {
        tracing::debug!(status = exchange.status, micros = exchange.took.as_micros(), "request answered");
    });
    if let Some(observer) = &edge.observer {
        observer(&exchange);
    }
    response
}

async fn within(edge: &Edge, mut request: Request, next: Next) -> Response {
    if let Err(refused) = origin::check(request.headers(), request.uri(), edge.local_only) {
        return refused.into_response();
    }
    if let Some(authenticator) = &edge.authenticator
        && !(edge.is_open)(request.uri().path())
    {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        match authenticator.authenticate(header.and_then(bearer)) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
            }
            Err(reason) => {
                let problem = Problem::new(ErrorKind::Denied, Code::Unauthorized, reason.to_string());
                return Failure::from(problem).into_response();
            }
        }
    }
    let writes = *request.method() != Method::GET;
    match tokio::time::timeout(edge.timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => timed_out(edge.timeout, writes).into_response(),
    }
}

/// Returns what follows `Bearer`, whose case does not matter (RFC 9110, 11.1).
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Says that the answer took too long; after a write nobody knows what became of it.
fn timed_out(timeout: Duration, writes: bool) -> Failure {
    let seconds = timeout.as_secs();
    let (code, detail) = if writes {
        let what = "nobody knows what became of it; send it again with the same ids";
        (Code::Indeterminate, format!("the request was not answered within {seconds} s, and {what}"))
    } else {
        (Code::Unreachable, format!("the request was not answered within {seconds} s; ask again, for less"))
    };
    Problem::new(ErrorKind::TimedOut, code, detail).into()
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
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use ledgerstone_core::TimeOrderedIds;
    use tower::ServiceExt as _;

    use super::*;
    use crate::authenticator::StaticToken;

    const TOKEN: &str = "0123456789abcdef";

    async fn broken() -> StatusCode {
        panic!("on purpose")
    }

    async fn slow() {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }

    fn app() -> Router {
        let edge_options = Edge {
            authenticator: Some(Arc::new(StaticToken::new(TOKEN).expect("a token"))),
            local_only: false,
            is_open: |path| path == "/open",
            timeout: Duration::from_millis(20),
            help: |code| format!("look up {code}"),
            ids: Arc::new(TimeOrderedIds),
            observer: None,
        };
        Router::new()
            .route("/open", get(|| async { "open" }))
            .route("/broken", get(broken))
            .route("/slow", get(slow).post(slow))
            .layer(from_fn_with_state(Arc::new(edge_options), edge))
    }

    async fn call(method: &str, path: &str, token: Option<&str>) -> (u16, Option<Problem>, Option<String>) {
        let mut request = Request::builder().method(method).uri(path).header("x-correlation-id", "c-1");
        if let Some(token) = token {
            request = request.header("authorization", format!("bearer {token}"));
        }
        let response = app().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answers");
        let status = response.status().as_u16();
        let correlation = response.headers().get(Correlation::HEADER);
        let correlation = correlation.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        (status, serde_json::from_slice(&body).ok(), correlation)
    }

    #[tokio::test]
    async fn only_open_paths_need_no_token() {
        assert_eq!(call("GET", "/open", None).await, (200, None, Some("c-1".to_owned())));
        let (status, problem, _) = call("GET", "/broken", None).await;
        assert_eq!((status, problem.expect("a problem").code.as_str()), (401, "LS0026"));
        assert_eq!(call("GET", "/broken", Some("wrong")).await.0, 401);
    }

    #[tokio::test]
    async fn a_panic_and_a_late_answer_are_problems_with_the_correlation_id() {
        for (method, path, status, code) in [
            ("GET", "/broken", 500, "LS0032"),
            ("GET", "/slow", 504, "LS0027"),
            ("POST", "/slow", 504, "LS0028"),
        ] {
            let (answered, problem, _) = call(method, path, Some(TOKEN)).await;
            let problem = problem.expect("a problem");
            assert_eq!((answered, problem.code.as_str()), (status, code));
            assert_eq!(problem.correlation.as_deref(), Some("c-1"));
        }
    }
}
