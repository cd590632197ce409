//! Which requests go to which service, and what they pass on the way.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use axum::http::uri::PathAndQuery;
use ledgerstone_core::BackendError;
use metrics::{Counter, Histogram};
use serde::{Deserialize, Serialize};

use crate::gateway::path_template::PathTemplate;
use crate::gateway::proxy::target;
use crate::gateway::service_settings::misconfigured;
use crate::gateway::span;

/// A route of the reverse proxy. Exactly one of `prefix` and `path` says which requests are its.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSettings {
    /// Requests to this path and to all beneath it, such as `/api/orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Requests to paths like this, such as `/api/orders/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The methods; all but `CONNECT` and `TRACE` unless said otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The service that gets them.
    pub service: String,
    /// What stands in the place of the prefix or of the path there: `/` takes a prefix away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
    /// Who may; only who proves who it is, unless said otherwise.
    #[serde(default)]
    pub auth: RouteAuth,
    /// Whether the service gets the `authorization` header that this server has checked already.
    #[serde(default)]
    pub forward_authorization: bool,
    /// Whether the service gets the caller's `host` header instead of its own name.
    #[serde(default)]
    pub preserve_host: bool,
    /// The rate limiter, by name; it counts by caller, or by address where nobody has to say who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limiter: Option<String>,
    /// The policy, by name; that of the service unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How long until the answer begins, for each attempt; that of the service unless said otherwise.
    #[serde(default, with = "span::optional", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long either side may send nothing in the middle of a body.
    #[serde(default = "half_a_minute", with = "span")]
    pub idle_timeout: Duration,
    /// How many bytes the body of a request may have; that of an answer has no bound.
    #[serde(default = "ten_mebibytes")]
    pub body_limit: u64,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteAuth {
    /// Who proves to this server who it is.
    #[default]
    Required,
    /// Everybody; the service has to look after itself.
    Open,
}

fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

fn ten_mebibytes() -> u64 {
    10 << 20
}

impl RouteSettings {
    /// Sends everything beneath `prefix` to `service`, and leaves the rest as it is by default.
    pub fn prefix(prefix: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            prefix: Some(prefix.into()),
            path: None,
            methods: Vec::new(),
            service: service.into(),
            rewrite: None,
            auth: RouteAuth::Required,
            forward_authorization: false,
            preserve_host: false,
            limiter: None,
            policy: None,
            timeout: None,
            idle_timeout: half_a_minute(),
            body_limit: ten_mebibytes(),
        }
    }
}

/// A route that was found sound.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) settings: RouteSettings,
    pub(crate) metrics: RouteMetrics,
    pattern: Pattern,
    methods: Vec<Method>,
}

#[derive(Debug)]
enum Pattern {
    Prefix { prefix: String, rewrite: Option<String> },
    Path { path: PathTemplate, rewrite: Option<PathTemplate> },
}

impl Route {
    pub(crate) fn new(settings: &RouteSettings) -> Result<Self, BackendError> {
        let label = settings.prefix.as_ref().or(settings.path.as_ref()).cloned().unwrap_or_default();
        let wrong = |why: String| misconfigured(format!("the route {label} to {}: {why}", settings.service));
        let pattern = Pattern::of(settings).map_err(wrong)?;
        let plain = label.replace(['{', '}'], "");
        if target::find_fault(&plain).is_some() || target::other_reading(&plain).is_some() {
            let why = "no request could match it; write it without //, ; and what need not be encoded, and %2A \
                       rather than %2a";
            return Err(wrong(why.to_owned()));
        }
        let method = |name: &String| match name.parse::<Method>() {
            Ok(Method::CONNECT | Method::TRACE) | Err(_) => {
                Err(wrong(format!("{name:?} is no method that can be passed on")))
            }
            // A method is known by case (RFC 9110, 9.1), so `get` would match nothing.
            Ok(_) if name.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                Err(wrong(format!("write the method {name:?} in upper case")))
            }
            Ok(method) => Ok(method),
        };
        let methods = settings.methods.iter().map(method).collect::<Result<_, _>>()?;
        if settings.idle_timeout.is_zero() || settings.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(wrong("timeout and idle_timeout need some time, such as 30s".to_owned()));
        }
        let metrics = RouteMetrics::new(&label, &settings.service);
        Ok(Self { settings: settings.clone(), metrics, pattern, methods })
    }

    /// Returns the path and query at the service, if the path is the route's.
    pub(crate) fn target(&self, given: &PathAndQuery) -> Option<Result<PathAndQuery, String>> {
        let path = given.path();
        match &self.pattern {
            Pattern::Prefix { prefix, rewrite } => {
                let rest = rest_of(path, prefix)?;
                let Some(rewrite) = rewrite else { return Some(Ok(given.clone())) };
                Some(join(&[rewrite, rest], given.query()))
            }
            Pattern::Path { path: template, rewrite } => {
                let found = template.matches(path)?;
                let Some(rewrite) = rewrite else { return Some(Ok(given.clone())) };
                let value_of = |name: &str| found.iter().find(|(gap, _)| *gap == name).map(|(_, part)| *part);
                Some(rewrite.fill(value_of).and_then(|path| join(&[&path], given.query())))
            }
        }
    }

    pub(crate) fn takes(&self, method: &Method) -> bool {
        let is_passed = *method != Method::CONNECT && *method != Method::TRACE;
        is_passed && (self.methods.is_empty() || self.methods.contains(method))
    }

    pub(crate) fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Returns how particular it is: of those that fit, the most particular one takes a request.
    fn rank(&self) -> (bool, usize, usize) {
        match &self.pattern {
            Pattern::Path { path, .. } => {
                let (texts, all) = path.rank();
                (true, texts, all)
            }
            Pattern::Prefix { prefix, .. } => (false, prefix.len(), 0),
        }
    }
}

impl Pattern {
    fn of(settings: &RouteSettings) -> Result<Self, String> {
        match (&settings.prefix, &settings.path) {
            (Some(prefix), None) => {
                no_gaps(prefix)?;
                let rewrite = settings.rewrite.as_deref();
                rewrite.map(no_gaps).transpose()?;
                let bare = |text: &str| text.trim_end_matches('/').to_owned();
                Ok(Self::Prefix { prefix: bare(prefix), rewrite: rewrite.map(bare) })
            }
            (None, Some(path)) => {
                let path = PathTemplate::parse(path)?;
                let rewrite = settings.rewrite.as_deref().map(PathTemplate::parse).transpose()?;
                let strange = rewrite.iter().flat_map(PathTemplate::gaps);
                if let Some(gap) = strange.into_iter().find(|gap| !path.gaps().any(|known| known == *gap)) {
                    return Err(format!("rewrite has {{{gap}}}, which the path has not"));
                }
                Ok(Self::Path { path, rewrite })
            }
            _ => Err("give exactly one of prefix and path".to_owned()),
        }
    }
}

fn no_gaps(prefix: &str) -> Result<(), String> {
    let template = PathTemplate::parse(prefix)?;
    if template.gaps().next().is_some() {
        return Err(format!("{:?} has a gap; write it as path instead of prefix", template.as_str()));
    }
    Ok(())
}

/// Returns what follows the prefix: nothing, or what begins with a slash.
fn rest_of<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn join(parts: &[&str], query: Option<&str>) -> Result<PathAndQuery, String> {
    let mut text = parts.concat();
    if text.is_empty() {
        text.push('/');
    }
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map_err(|error| error.to_string())
}

/// The routes, the most particular first.
#[derive(Debug)]
pub(crate) struct Routes(Vec<Arc<Route>>);

/// What a request found.
pub(crate) enum Found<'r> {
    Route(&'r Arc<Route>, Result<PathAndQuery, String>),
    /// The path is known, but not with this method.
    WrongMethod(Vec<&'r Method>),
    Nothing,
}

impl Routes {
    pub(crate) fn new(mut routes: Vec<Arc<Route>>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.rank()));
        Self(routes)
    }

    pub(crate) fn know(&self, target: &PathAndQuery) -> bool {
        self.0.iter().any(|route| route.target(target).is_some())
    }

    pub(crate) fn find(&self, method: &Method, target: &PathAndQuery) -> Found<'_> {
        let mut others = Vec::new();
        let mut is_known = false;
        for route in &self.0 {
            let Some(target) = route.target(target) else { continue };
            if route.takes(method) {
                return Found::Route(route, target);
            }
            is_known = true;
            others.extend(route.methods());
        }
        if is_known { Found::WrongMethod(others) } else { Found::Nothing }
    }
}

/// The metrics of a route, found once: looking them up takes longer than counting.
#[derive(Clone)]
pub(crate) struct RouteMetrics {
    by_class: [Counter; 5],
    seconds: Histogram,
}

impl RouteMetrics {
    fn new(label: &str, service: &str) -> Self {
        let counter = |class: &'static str| {
            let (route, service) = (label.to_owned(), service.to_owned());
            metrics::counter!("ledgerstone_proxy_requests_total", "route" => route, "service" => service, "status" => class)
        };
        let (route, service) = (label.to_owned(), service.to_owned());
        Self {
            by_class: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(counter),
            seconds: metrics::histogram!("ledgerstone_proxy_seconds", "route" => route, "service" => service),
        }
    }

    /// Counts an answer, and how long it took until it began.
    pub(crate) fn count(&self, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.by_class[class].increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}

impl std::fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RouteMetrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(texts: &[&str]) -> Routes {
        let route = |text: &&str| {
            let settings: RouteSettings = serde_json::from_str(text).expect("settings");
            Arc::new(Route::new(&settings).expect("a route"))
        };
        Routes::new(texts.iter().map(route).collect())
    }

    fn target(routes: &Routes, method: &str, path: &str) -> String {
        let path: PathAndQuery = path.parse().expect("a path");
        match routes.find(&method.parse().expect("a method"), &path) {
            Found::Route(route, target) => {
                format!("{} {}", route.settings.service, target.expect("a target"))
            }
            Found::WrongMethod(methods) => format!("not {methods:?}"),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn the_most_particular_route_takes_a_request() {
        let routes = routes(&[
            r#"{"prefix": "/", "service": "site"}"#,
            r#"{"prefix": "/api/", "service": "api", "rewrite": "/"}"#,
            r#"{"prefix": "/api/orders", "service": "orders", "rewrite": "/v2"}"#,
            r#"{"path": "/api/orders/{id}", "methods": ["GET"], "service": "reader", "rewrite": "/by-id/{id}"}"#,
        ]);
        for (method, path, expected) in [
            ("GET", "/", "site /"),
            ("GET", "/apis?x=1", "site /apis?x=1"),
            ("GET", "/api", "api /"),
            ("GET", "/api?x=/y", "api /?x=/y"),
            ("GET", "/api/users/7", "api /users/7"),
            ("GET", "/api/orders", "orders /v2"),
            ("GET", "/api/orders/7?full", "reader /by-id/7?full"),
            ("POST", "/api/orders/7", "orders /v2/7"),
            ("GET", "/api/orders/a%2Fb", "reader /by-id/a%2Fb"),
        ] {
            assert_eq!(target(&routes, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn an_unknown_path_and_a_wrong_method_are_told_apart() {
        let routes = routes(&[r#"{"prefix": "/api", "service": "api", "methods": ["GET", "PUT"]}"#]);
        assert_eq!(target(&routes, "GET", "/apis"), "nothing");
        assert_eq!(target(&routes, "POST", "/api/x"), "not [GET, PUT]");
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for wrong in [
            r#"{"service": "a"}"#,
            r#"{"prefix": "/a", "path": "/a", "service": "a"}"#,
            r#"{"prefix": "a", "service": "a"}"#,
            r#"{"prefix": "/{a}", "service": "a"}"#,
            r#"{"path": "/{a}", "rewrite": "/{b}", "service": "a"}"#,
            r#"{"prefix": "/%61", "service": "a"}"#,
            r#"{"prefix": "/a//b", "service": "a"}"#,
            r#"{"path": "/%c3%a9/{a}", "service": "a"}"#,
            r#"{"prefix": "/a", "methods": ["get"], "service": "a"}"#,
            r#"{"prefix": "/a", "methods": ["CONNECT"], "service": "a"}"#,
            r#"{"prefix": "/a", "timeout": "0s", "service": "a"}"#,
        ] {
            let settings: RouteSettings = serde_json::from_str(wrong).expect("settings");
            assert!(Route::new(&settings).is_err(), "{wrong}");
        }
    }
}
