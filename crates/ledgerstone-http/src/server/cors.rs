//! Cross-origin requests: which web pages of elsewhere may call this server through a browser.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// What web pages of elsewhere may do.
#[derive(Debug, Clone)]
pub struct CorsOptions {
    /// The origins that may call, such as `https://shop.example`; or `*` alone for every one.
    pub origins: Vec<String>,
    /// The methods that they may use.
    pub methods: Vec<Method>,
    /// The headers that they may send.
    pub headers: Vec<HeaderName>,
    /// The headers of an answer that they may read.
    pub exposed: Vec<HeaderName>,
    /// Whether a browser may send what it keeps for this server: cookies and certificates.
    pub credentials: bool,
    /// How long a browser may remember what it was told.
    pub max_age: Duration,
}

impl Default for CorsOptions {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            methods: vec![Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
            headers: Vec::new(),
            exposed: Vec::new(),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

/// Tells browsers which web pages of elsewhere may call, as the Fetch standard has it.
///
/// The same list decides what the [`Edge`](crate::Edge) lets in, so an origin that is not on it is refused even
/// where no browser would ask first.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Nothing for every one.
    origins: Option<BTreeSet<String>>,
    methods: HeaderValue,
    headers: HeaderValue,
    exposed: HeaderValue,
    credentials: bool,
    max_age: HeaderValue,
}

/// Says why cross-origin options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCors(String);

impl fmt::Display for InvalidCors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidCors {}

impl Cors {
    /// Checks the options: an origin is a scheme, a host and perhaps a port, and `*` stands alone and without
    /// credentials, which would hand every user's session to any page.
    pub fn new(options: &CorsOptions) -> Result<Self, InvalidCors> {
        let is_any = options.origins.iter().any(|origin| origin == "*");
        if is_any && options.origins.len() > 1 {
            return Err(InvalidCors(
                "* allows every origin; leave the others out, or leave * out".to_owned(),
            ));
        }
        if is_any && options.credentials {
            let reason = "* cannot be used with credentials: any page could act for a signed-in user; \
                name the origins";
            return Err(InvalidCors(reason.to_owned()));
        }
        let origins = options.origins.iter().map(|origin| normal(origin));
        let origins = if is_any { None } else { Some(origins.collect::<Result<_, _>>()?) };
        let value =
            |text: String| HeaderValue::try_from(text).map_err(|error| InvalidCors(error.to_string()));
        Ok(Self {
            origins,
            methods: value(joined(&options.methods))?,
            headers: value(joined(&options.headers))?,
            exposed: value(joined(&options.exposed))?,
            credentials: options.credentials,
            max_age: options.max_age.as_secs().into(),
        })
    }

    /// Tells whether a page of this origin may call.
    pub fn allows(&self, origin: &str) -> bool {
        match &self.origins {
            None => true,
            Some(origins) => normal(origin).is_ok_and(|origin| origins.contains(&origin)),
        }
    }

    /// Answers a browser that asks what it may do, if that is what the request is, and its page may call.
    pub(crate) fn preflight(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let asks =
            *request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let origin = self.origin(headers).filter(|_| asks)?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        let told = response.headers_mut();
        told.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        if !self.headers.is_empty() {
            told.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        }
        told.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        self.put(Some(&origin), told);
        Some(response)
    }

    /// Returns the origin of a request, if its page may call.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.allows(origin.to_str().ok()?).then(|| origin.clone())
    }

    /// Says on an answer that the page may read it, where it may.
    pub(crate) fn mark(&self, origin: Option<&HeaderValue>, response: &mut Response) {
        let headers = response.headers_mut();
        if origin.is_some() && !self.exposed.is_empty() {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
        }
        self.put(origin, headers);
    }

    fn put(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.origins.is_some() {
            // Else a cache would give one page's answer to another.
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = origin else { return };
        let told = if self.origins.is_some() { origin.clone() } else { HeaderValue::from_static("*") };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, told);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// Answers browsers and marks answers; a layer by itself. It refuses nothing: the browser does.
pub async fn allow_origins(State(cors): State<Arc<Cors>>, request: Request, next: Next) -> Response {
    if let Some(answer) = cors.preflight(&request) {
        return answer;
    }
    let origin = cors.origin(request.headers());
    let mut response = next.run(request).await;
    cors.mark(origin.as_ref(), &mut response);
    response
}

fn joined(values: &[impl AsRef<str>]) -> String {
    values.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// Returns an origin as browsers write it: in lower case, without the port that its scheme has anyway.
fn normal(origin: &str) -> Result<String, InvalidCors> {
    let wrong = || {
        let what = "it must be a scheme, a host and perhaps a port, such as https://shop.example";
        InvalidCors(format!("{origin:?} is no origin; {what}"))
    };
    let origin = origin.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://").ok_or_else(wrong)?;
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return Err(wrong()),
    };
    let is_sound = origin.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    if !is_sound || authority.contains(['/', '?', '#', '@', '*']) {
        return Err(wrong());
    }
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    Ok(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    fn options(origins: &[&str], credentials: bool) -> CorsOptions {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        CorsOptions { origins, credentials, exposed: vec![VARY], ..CorsOptions::default() }
    }

    async fn call(cors: Cors, method: &str, origin: &str) -> Response {
        let app = Router::new()
            .route("/", get(|| async { "in" }))
            .layer(from_fn_with_state(Arc::new(cors), allow_origins));
        let mut request = Request::builder().method(method).uri("/").header(ORIGIN, origin);
        if method == "OPTIONS" {
            request = request.header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
        }
        app.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answers")
    }

    #[tokio::test]
    async fn a_page_on_the_list_may_ask_and_read() {
        let cors = Cors::new(&options(&["https://shop.example"], true)).expect("options");
        for (method, status) in [("OPTIONS", 204), ("GET", 200)] {
            let answer = call(cors.clone(), method, "https://shop.example").await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://shop.example");
            assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
            assert_eq!(answer.headers()[VARY], "origin");
        }
        let asked = call(cors, "OPTIONS", "https://shop.example").await;
        assert_eq!(asked.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST, PUT, PATCH, DELETE");
        assert_eq!(asked.headers()[ACCESS_CONTROL_MAX_AGE], "600");
    }

    #[tokio::test]
    async fn another_page_is_told_nothing() {
        for origin in
            ["https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"]
        {
            let cors = Cors::new(&options(&["https://shop.example"], false)).expect("options");
            for method in ["OPTIONS", "GET"] {
                let answer = call(cors.clone(), method, origin).await;
                assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
                assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_METHODS), "{origin}");
            }
        }
    }

    #[tokio::test]
    async fn every_page_may_call_without_credentials_where_that_is_said() {
        let cors = Cors::new(&options(&["*"], false)).expect("options");
        let answer = call(cors, "GET", "https://any.example").await;
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!answer.headers().contains_key(VARY));
    }

    #[test]
    fn options_that_contradict_themselves_are_refused_with_the_reason() {
        let refused = |origins: &[&str], credentials| {
            Cors::new(&options(origins, credentials)).expect_err("refused").to_string()
        };
        assert!(refused(&["*"], true).contains("credentials"));
        assert!(refused(&["*", "https://a.example"], false).contains("leave"));
        for wrong in
            ["shop.example", "ftp://a.example", "https://", "https://a.example/", "https://*.example", "null"]
        {
            assert!(refused(&[wrong], false).contains("such as https://shop.example"), "{wrong}");
        }
        let cors = Cors::new(&options(&["HTTPS://Shop.Example:443", "http://localhost:3000"], true));
        let cors = cors.expect("options");
        assert!(cors.allows("https://shop.example") && cors.allows("http://localhost:3000"));
        assert!(!cors.allows("http://localhost"));
    }
}
