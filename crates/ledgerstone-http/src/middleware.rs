//! The edge of a server: what every request passes on its way in and out, in one layer.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use ledgerstone_core::{Code, ErrorKind, IdSource, Problem, TimeOrderedIds};
use tracing::Instrument as _;

use crate::authenticator::Authenticator;
use crate::correlation::Correlation;
use crate::origin;
use crate::problem::{Failure, HELP};
use crate::server::body_limit::BodyLimit;
use crate::server::compression::compression;
use crate::server::cors::Cors;
use crate::server::drain::Drain;
use crate::server::load_shed::LoadShed;
use crate::server::panics::caught;
use crate::server::rate_limit::{Allowance, RateLimit};
use crate::server::request_id::{RequestId, RequestIds};
use crate::server::security_headers::SecurityHeaders;
use crate::server::time_limit::TimeLimit;

/// Is told of a finished request.
pub type Observer = Arc<dyn Fn(&Exchange<'_>) + Send + Sync>;

/// What every request passes on its way in and out, around anybody's routes.
///
/// The order is fixed, whatever is switched on. A request passes, from the outside in:
///
/// 1. its ids (correlation and request), the span of its log lines, and the observer, who hears of every answer below;
/// 2. what every answer gets: security headers, and `connection: close` while the server goes down;
/// 3. cross-origin rules: browsers that ask are answered here, and every answer below can be read by their pages;
/// 4. panics, which become problems;
/// 5. the check of where it comes from;
/// 6. authentication;
/// 7. the rate limit, of the caller or, where nobody was let in, of the address;
/// 8. the size of its body;
/// 9. its time: the server's, or the rest of the caller's, and the deadline of the handler;
/// 10. load shedding: the wait for a place counts against its time;
/// 11. compression of the answer;
/// 12. its handler.
///
/// What is off is not there: it costs a request nothing.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use axum::{Router, routing::get};
/// use ledgerstone_http::{Edge, LoadShed};
///
/// let edge = Edge {
///     timeout: Duration::from_secs(10),
///     load_shed: Some(Arc::new(LoadShed::new(256, 64))),
///     is_vital: |path| path == "/health",
///     ..Edge::default()
/// };
/// let app: Router = edge.around(Router::new().route("/health", get(|| async { "well" })));
/// ```
pub struct Edge {
    /// Who is let in; nothing lets everybody in.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// Whether only callers that name the server by a loopback name are answered.
    pub local_only: bool,
    /// Tells which paths need no token.
    pub is_open: fn(&str) -> bool,
    /// Tells which paths watch over the server: they are neither limited in rate nor shed.
    pub is_vital: fn(&str) -> bool,
    /// How long a handler may take until its response begins.
    pub timeout: Duration,
    /// Tells what to do next about a code; every problem of a request says it.
    pub help: fn(Code) -> String,
    /// Makes correlation ids.
    pub ids: Arc<dyn IdSource>,
    /// Makes request ids.
    pub request_ids: RequestIds,
    /// Is told of every finished request.
    pub observer: Option<Observer>,
    /// The headers that make browsers careful.
    pub headers: Option<SecurityHeaders>,
    /// The end of the server, of which callers are told.
    pub drain: Option<Drain>,
    /// Which web pages of elsewhere may call; nothing for none.
    pub cors: Option<Cors>,
    /// How much each caller may ask.
    pub rate_limit: Option<RateLimit>,
    /// The largest body; nothing where handlers bound what they read themselves.
    pub body_limit: Option<BodyLimit>,
    /// How many requests may be under way.
    pub load_shed: Option<Arc<LoadShed>>,
    /// Whether answers are compressed for who accepts it.
    pub compression: bool,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            authenticator: None,
            local_only: false,
            is_open: |_| false,
            is_vital: |_| false,
            timeout: Duration::from_secs(60),
            help: |code| format!("look {code} up in the reference of errors"),
            ids: Arc::new(TimeOrderedIds),
            request_ids: RequestIds::default(),
            observer: None,
            headers: Some(SecurityHeaders::default()),
            drain: None,
            cors: None,
            rate_limit: None,
            body_limit: None,
            load_shed: None,
            compression: true,
        }
    }
}

impl Edge {
    /// Puts the edge around routes, those of their fallbacks too.
    pub fn around<S: Clone + Send + Sync + 'static>(self, routes: Router<S>) -> Router<S> {
        let routes = if self.compression { routes.layer(compression()) } else { routes };
        routes.layer(from_fn_with_state(Arc::new(self), edge))
    }
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

/// Handles a request within its ids by everything of the edge but compression, which [`Edge::around`] adds.
pub async fn edge(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let correlation = Correlation::of(request.headers(), &*edge.ids);
    let correlated = correlation.to_header();
    let id = edge.request_ids.of(request.headers());
    let identified = id.to_header();
    let (method, version) = (request.method().clone(), request.version());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        correlation = correlation.as_str(),
        request_id = id.as_str(),
        %method,
        route
    );
    request.extensions_mut().insert(id);

    let told = HELP.scope(edge.help, within(&edge, request, next).instrument(span.clone()));
    let mut response = correlation.scope(told).await;
    let headers = response.headers_mut();
    headers.insert(RequestId::HEADER, identified);
    if let Some(correlated) = correlated {
        headers.insert(Correlation::HEADER, correlated);
    }
    if let Some(secure) = &edge.headers {
        secure.put(headers);
    }
    if let Some(drain) = &edge.drain {
        drain.mark(version, &mut response);
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

/// Answers browsers that ask what their pages may do, and anything else so that they can read it.
async fn within(edge: &Edge, request: Request, next: Next) -> Response {
    let Some(cors) = &edge.cors else { return caught(admitted(edge, request, next)).await };
    if let Some(answer) = cors.preflight(&request) {
        return answer;
    }
    let origin = cors.origin(request.headers());
    let mut response = caught(admitted(edge, request, next)).await;
    cors.mark(origin.as_ref(), &mut response);
    response
}

/// Lets the caller in or not, and as often as it may. Who guesses tokens is limited by address.
async fn admitted(edge: &Edge, mut request: Request, next: Next) -> Response {
    let from = origin::check(request.headers(), request.uri(), edge.local_only, edge.cors.as_ref());
    if let Err(refused) = from {
        return refused.into_response();
    }
    let unknown = authenticate(edge, &mut request).err();
    let is_vital = (edge.is_vital)(request.uri().path());
    let allowance = match &edge.rate_limit {
        Some(limit) if !is_vital || unknown.is_some() => {
            let asked = limit.asked(&request);
            match limit.take(&asked).await {
                Ok(allowance) => allowance,
                Err(refused) => return refused,
            }
        }
        _ => Allowance::default(),
    };
    let mut response = match unknown {
        Some(refused) => refused.into_response(),
        None => bounded(edge, request, next, is_vital).await,
    };
    allowance.put(&mut response);
    response
}

fn authenticate(edge: &Edge, request: &mut Request) -> Result<(), Failure> {
    let Some(authenticator) = &edge.authenticator else { return Ok(()) };
    if (edge.is_open)(request.uri().path()) {
        return Ok(());
    }
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let caller = authenticator
        .authenticate(header.and_then(bearer))
        .map_err(|reason| Problem::new(ErrorKind::Denied, Code::Unauthorized, reason.to_string()))?;
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Has the request handled within its size, its time and its place.
async fn bounded(edge: &Edge, request: Request, next: Next, is_vital: bool) -> Response {
    let request = match edge.body_limit {
        Some(limit) => match limit.bound(request) {
            Ok(request) => request,
            Err(refused) => return refused.into_response(),
        },
        None => request,
    };
    let shed = edge.load_shed.as_deref().filter(|_| !is_vital);
    match TimeLimit::new(edge.timeout).begin(request.headers()) {
        Ok(time) => time.answer(request, next, shed).await,
        Err(refused) => refused.into_response(),
    }
}

/// Returns what follows `Bearer`, whose case does not matter (RFC 9110, 11.1).
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;
    use crate::authenticator::{Caller, StaticToken, Unauthenticated};
    use crate::server::cors::CorsOptions;

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
            ..Edge::default()
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

    #[derive(Debug)]
    struct Everything;

    impl Authenticator for Everything {
        fn authenticate(&self, token: Option<&str>) -> Result<Caller, Unauthenticated> {
            token.map(|name| Caller { name: name.into() }).ok_or(Unauthenticated::Missing)
        }
    }

    /// An edge with every part that refuses, over a handler that waits.
    fn guarded() -> (Router, Arc<LoadShed>) {
        let shed = Arc::new(LoadShed::new(1, 0));
        let options =
            CorsOptions { origins: vec!["https://shop.example".to_owned()], ..CorsOptions::default() };
        let edge = Edge {
            authenticator: Some(Arc::new(Everything)),
            is_open: |path| path == "/health",
            is_vital: |path| path == "/health",
            cors: Some(Cors::new(&options).expect("options")),
            body_limit: Some(BodyLimit::new(5)),
            load_shed: Some(Arc::clone(&shed)),
            drain: Some(Drain::new(Duration::ZERO, Duration::ZERO)),
            ..Edge::default()
        };
        let routes = Router::new()
            .route("/health", get(|| async { "well" }))
            .route("/work", get(|| async { "done" }).post(|| async { "done" }))
            .route("/broken", get(broken));
        (edge.around(routes), shed)
    }

    async fn asked(app: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().method(method).uri(path).header("host", "ledger.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answers")
    }

    #[tokio::test]
    async fn every_answer_has_its_ids_and_can_be_read_by_the_pages_that_may() {
        let (app, shed) = guarded();
        let page = ("origin", "https://shop.example");
        let token = ("authorization", "Bearer ada");
        let _taken = shed.enter().await.expect("a place");
        for (method, path, headers, status) in [
            ("OPTIONS", "/work", &[page, ("access-control-request-method", "GET")][..], 204),
            ("GET", "/work", &[page], 401),
            ("GET", "/work", &[page, token], 503),
            ("POST", "/work", &[page, token, ("content-length", "6")], 413),
            ("GET", "/work", &[page, token, ("x-ledgerstone-deadline-ms", "0")], 504),
            ("GET", "/nowhere", &[page, token], 503),
            ("GET", "/health", &[page], 200),
        ] {
            let answer = asked(&app, method, path, headers).await;
            let given = answer.headers();
            assert_eq!(answer.status(), status, "{method} {path} {headers:?}");
            assert_eq!(given["access-control-allow-origin"], "https://shop.example", "{path}");
            assert!(
                given.contains_key(RequestId::HEADER) && given.contains_key(Correlation::HEADER),
                "{path}"
            );
            assert_eq!(given["x-content-type-options"], "nosniff", "{path}");
        }
        assert_eq!(
            asked(&app, "GET", "/work", &[("origin", "https://evil.example"), token]).await.status(),
            403
        );
        assert_eq!(shed.in_flight(), 1, "nothing of what was refused holds a place");
    }

    #[tokio::test]
    async fn a_panic_gives_its_place_back() {
        let (app, shed) = guarded();
        assert_eq!(asked(&app, "GET", "/broken", &[("authorization", "Bearer ada")]).await.status(), 500);
        assert_eq!(shed.in_flight(), 0);
    }

    #[tokio::test]
    async fn a_call_that_is_made_again_has_another_request_id_under_the_same_correlation() {
        let (app, _) = guarded();
        let mut ids = Vec::new();
        for _ in 0..2 {
            let answer = asked(&app, "GET", "/health", &[("x-correlation-id", "order-7")]).await;
            assert_eq!(answer.headers()[Correlation::HEADER], "order-7");
            ids.push(answer.headers()[RequestId::HEADER].clone());
        }
        assert_ne!(ids[0], ids[1]);
    }
}
