//! Security headers: what tells a browser to be careful with an answer.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use axum::extract::Request;

/// The headers that answers get unless a handler has set them itself.
///
/// Every answer gets `x-content-type-options: nosniff`. A page gets a content security policy and a referrer policy;
/// anything else gets a cache policy.
#[derive(Debug, Clone)]
pub struct SecurityHeaders {
    /// The content security policy of pages (`text/html`); the default keeps them out of frames and takes plugins away,
    /// and lets scripts and styles be.
    pub page_policy: HeaderValue,
    /// What a page tells other sites of where somebody came from.
    pub referrer: HeaderValue,
    /// Whether and how answers that are no pages may be kept; the default is `no-store`.
    pub cache: HeaderValue,
    /// What makes browsers come by TLS only; nothing where TLS does not end in front of this server.
    pub transport: Option<HeaderValue>,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        let page_policy = "frame-ancestors 'none'; base-uri 'none'; object-src 'none'; form-action 'self'";
        Self {
            page_policy: HeaderValue::from_static(page_policy),
            referrer: HeaderValue::from_static("no-referrer"),
            cache: HeaderValue::from_static("no-store"),
            transport: None,
        }
    }
}

impl SecurityHeaders {
    /// Has browsers that came by TLS come by TLS only, for this long.
    ///
    /// To be said only where callers reach the server by TLS: over plain HTTP browsers do not listen to it.
    #[must_use]
    pub fn under_tls(self, max_age: Duration) -> Self {
        let value = HeaderValue::try_from(format!("max-age={}", max_age.as_secs()));
        Self { transport: value.ok(), ..self }
    }

    /// Puts the headers on an answer, beside those that it has.
    pub fn put(&self, headers: &mut HeaderMap) {
        headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
        if is_page(headers) {
            headers.entry(CONTENT_SECURITY_POLICY).or_insert_with(|| self.page_policy.clone());
            headers.entry(REFERRER_POLICY).or_insert_with(|| self.referrer.clone());
        } else {
            headers.entry(CACHE_CONTROL).or_insert_with(|| self.cache.clone());
        }
        if let Some(transport) = &self.transport {
            headers.entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| transport.clone());
        }
    }
}

/// Puts security headers on every answer; a layer by itself.
pub async fn secure_headers(State(secure): State<SecurityHeaders>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    secure.put(response.headers_mut());
    response
}

fn is_page(headers: &HeaderMap) -> bool {
    let page = b"text/html";
    let of_type = |value: &HeaderValue| {
        value.as_bytes().get(..page.len()).is_some_and(|start| start.eq_ignore_ascii_case(page))
    };
    headers.get(CONTENT_TYPE).is_some_and(of_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(secure: &SecurityHeaders, given: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        secure.put(&mut headers);
        headers
    }

    #[test]
    fn a_page_and_an_answer_get_what_is_for_them() {
        let secure = SecurityHeaders::default();
        let page = put(&secure, &[("content-type", "text/html; charset=utf-8")]);
        assert!(
            page[CONTENT_SECURITY_POLICY].to_str().is_ok_and(|text| text.contains("frame-ancestors 'none'"))
        );
        assert_eq!((&page[REFERRER_POLICY], page.get(CACHE_CONTROL)), (&secure.referrer, None));
        let answer = put(&secure, &[("content-type", "application/json")]);
        assert_eq!((&answer[CACHE_CONTROL], answer.get(CONTENT_SECURITY_POLICY)), (&secure.cache, None));
        for headers in [page, answer] {
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
        }
    }

    #[test]
    fn what_a_handler_said_stays() {
        let secure = SecurityHeaders::default();
        let answer = put(&secure, &[("cache-control", "max-age=60")]);
        assert_eq!(answer[CACHE_CONTROL], "max-age=60");
        let page =
            put(&secure, &[("content-type", "text/html"), ("content-security-policy", "default-src *")]);
        assert_eq!(page[CONTENT_SECURITY_POLICY], "default-src *");
    }

    #[test]
    fn only_under_tls_browsers_are_told_to_stay_there() {
        let secure = SecurityHeaders::default().under_tls(Duration::from_secs(31_536_000));
        assert_eq!(put(&secure, &[])[STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    }
}
