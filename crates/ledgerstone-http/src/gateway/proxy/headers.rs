//! Headers on their way through: what belongs to one connection stays, who asked is said by us and by nobody else.

use std::fmt::Write as _;
use std::net::IpAddr;

use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static OF_CONNECTIONS: [HeaderName; 8] = [
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Who the caller is, as this server proved it.
pub(crate) const CALLER: HeaderName = HeaderName::from_static("x-ledgerstone-caller");

const OURS: &str = "ledgerstone";
const VIA_VALUE: HeaderValue = HeaderValue::from_static("1.1 ledgerstone");
/// A request that came through us so often is going round in circles.
const MOST_PASSES: usize = 8;

/// Takes away what is meant for the connection and not for who is behind it (RFC 9110, 7.6.1).
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            // Whoever names these would have us forget how long the body is, or for whom it was.
            .filter(|name| *name != CONTENT_LENGTH && *name != HOST)
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    remove_where(headers, |name| OF_CONNECTIONS.contains(name));
}

/// Looks at every header once and takes those away that are meant; mostly none is.
fn remove_where(headers: &mut HeaderMap, is_meant: impl Fn(&HeaderName) -> bool) {
    let meant: Vec<HeaderName> = headers.keys().filter(|name| is_meant(name)).cloned().collect();
    for name in meant {
        headers.remove(name);
    }
}

/// Takes away what only we may say about a request, and what we have answered ourselves.
pub(crate) fn remove_claims(headers: &mut HeaderMap) {
    remove_where(headers, |name| {
        let text = name.as_str();
        let is_ours = text.starts_with("x-forwarded") || text.starts_with("x-ledgerstone-");
        is_ours || [FORWARDED, X_REAL_IP, EXPECT].contains(name)
    });
}

/// Puts the cookies of several lines into one: HTTP/2 may split them, HTTP/1.1 may not (RFC 9113, 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if !headers.contains_key(COOKIE) {
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&lines.join(b"; ".as_slice()))
    {
        headers.insert(COOKIE, joined);
    }
}

/// Says for whom a request is passed on: the address that we see, the name that it asked, how it came.
pub(crate) fn set_forwarded(
    headers: &mut HeaderMap,
    client: Option<IpAddr>,
    host: Option<&HeaderValue>,
    proto: &'static str,
) {
    let mut forwarded = String::with_capacity(64);
    let _ = match client {
        Some(IpAddr::V4(client)) => write!(forwarded, "for={client}"),
        Some(IpAddr::V6(client)) => write!(forwarded, "for=\"[{client}]\""),
        None => write!(forwarded, "for=unknown"),
    };
    if let Some(host) = host.and_then(|host| host.to_str().ok()).filter(|host| is_quotable(host)) {
        let _ = write!(forwarded, ";host=\"{host}\"");
    }
    let _ = write!(forwarded, ";proto={proto}");
    if let Ok(value) = HeaderValue::try_from(forwarded) {
        headers.insert(FORWARDED, value);
    }
    if let Some(value) = client.and_then(|client| HeaderValue::try_from(client.to_string()).ok()) {
        headers.insert(X_FORWARDED_FOR, value);
    }
    if let Some(host) = host {
        headers.insert(X_FORWARDED_HOST, host.clone());
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    headers.append(VIA, VIA_VALUE);
}

fn is_quotable(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// Returns the name that a request asks for: of its target if it is absolute (RFC 9112, 3.2.2), else its header.
/// Says what is wrong where several are given.
pub(crate) fn host(headers: &HeaderMap, uri: &Uri) -> Result<Option<HeaderValue>, &'static str> {
    let mut given = headers.get_all(HOST).iter();
    let (first, second) = (given.next(), given.next());
    if second.is_some() {
        return Err("it has several host headers; send one");
    }
    match uri.authority() {
        Some(authority) => Ok(HeaderValue::from_str(authority.as_str()).ok()),
        None => Ok(first.cloned()),
    }
}

/// Whether a request came through us so often that it goes round in circles.
pub(crate) fn is_in_circles(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
    let passes = lines.flat_map(|line| line.split(',')).filter(|pass| pass.trim_end().ends_with(OURS));
    passes.count() >= MOST_PASSES
}

/// Returns the protocol that a request wants to change to, if it is one that needs both sides to change.
///
/// An offer of HTTP/2 is left unanswered, as anybody may do with an offer.
pub(crate) fn wanted_upgrade(headers: &HeaderMap) -> Option<&str> {
    let wanted = headers.get(UPGRADE)?.to_str().unwrap_or("something odd").trim();
    let is_http = wanted.eq_ignore_ascii_case("h2c") || wanted.to_ascii_uppercase().starts_with("HTTP/");
    (!is_http).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_the_connection_stays_there() {
        let mut given = headers(&[
            ("connection", "close, X-Secret"),
            ("connection", "content-length"),
            ("keep-alive", "timeout=5"),
            ("x-secret", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic eA=="),
            ("content-length", "3"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut given);
        assert_eq!(names(&given), ["accept", "content-length"]);
    }

    #[test]
    fn what_the_outside_claims_about_itself_is_replaced() {
        let mut given = headers(&[
            ("forwarded", "for=6.6.6.6"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-anything", "1"),
            ("x-real-ip", "6.6.6.6"),
            ("x-ledgerstone-caller", "admin"),
            ("accept", "*/*"),
        ]);
        remove_claims(&mut given);
        assert_eq!(names(&given), ["accept"]);
        let host = HeaderValue::from_static("shop.example:80");
        set_forwarded(&mut given, "fd00::7".parse().ok(), Some(&host), "http");
        assert_eq!(given[FORWARDED], "for=\"[fd00::7]\";host=\"shop.example:80\";proto=http");
        assert_eq!(given[X_FORWARDED_FOR], "fd00::7");
        assert_eq!(given[X_FORWARDED_HOST], "shop.example:80");
        let mut given = HeaderMap::new();
        set_forwarded(&mut given, None, Some(&HeaderValue::from_static("a\";for=1")), "https");
        assert_eq!(given[FORWARDED], "for=unknown;proto=https");
    }

    #[test]
    fn cookies_of_several_lines_are_joined() {
        let mut given = headers(&[("cookie", "a=1"), ("cookie", "b=2"), ("accept", "*/*")]);
        join_cookies(&mut given);
        assert_eq!(given.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn circles_are_seen() {
        let mut given = HeaderMap::new();
        for _ in 0..MOST_PASSES {
            assert!(!is_in_circles(&given));
            set_forwarded(&mut given, None, None, "http");
        }
        assert!(is_in_circles(&given));
        assert!(is_in_circles(&headers(&[("via", &["1.1 ledgerstone"; MOST_PASSES].join(", "))])));
    }

    #[test]
    fn an_offer_of_http_2_is_no_wish_to_change() {
        assert_eq!(wanted_upgrade(&headers(&[("upgrade", "h2c")])), None);
        assert_eq!(wanted_upgrade(&headers(&[("upgrade", "websocket")])), Some("websocket"));
        assert_eq!(wanted_upgrade(&HeaderMap::new()), None);
    }
}
