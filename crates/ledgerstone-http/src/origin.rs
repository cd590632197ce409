//! Where a request comes from: a web page of elsewhere must not speak to this server through a browser.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Uri};
use ledgerstone_core::{Code, ErrorKind, Problem};

use crate::problem::Failure;
use crate::server::cors::Cors;

/// Refuses a request that a web page of another origin sent and, where `local_only`, one that names
/// this server by anything but a loopback name, as a page does after DNS rebinding. Pages of the origins that
/// `cors` allows are let in.
pub(crate) fn check(
    headers: &HeaderMap,
    uri: &Uri,
    local_only: bool,
    cors: Option<&Cors>,
) -> Result<(), Failure> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut hosts: Vec<String> = headers.get_all(HOST).iter().map(text).collect();
    if hosts.is_empty() {
        hosts.extend(uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()));
    }
    if local_only && !hosts.iter().all(|host| is_loopback(host)) {
        let detail = "without a token this server answers to loopback names only; \
            call it as localhost or 127.0.0.1, or configure a token";
        return Err(denied(detail));
    }
    for origin in headers.get_all(ORIGIN).iter().map(text) {
        let is_allowed = || cors.is_some_and(|cors| cors.allows(&origin));
        if !hosts.iter().any(|host| is_same(&origin, host)) && !is_allowed() {
            let detail = "the request comes from a web page of another origin; \
                call this server from its own pages or from a program that sends no origin header";
            return Err(denied(detail));
        }
    }
    Ok(())
}

fn denied(detail: &str) -> Failure {
    let mut problem = Problem::new(ErrorKind::Denied, Code::Unauthorized, detail);
    // A token would not help, so this is not the 401 of a missing one.
    problem.status = 403;
    problem.into()
}

fn is_same(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_owned();
    bare(authority) == bare(host)
}

fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((name, port)) = rest.split_once(']') else { return false };
            let is_local = name.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
            return is_local && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let is_local = name == "localhost" || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_local && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &'static str, origin: Option<&'static str>, local_only: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        check(&headers, &Uri::from_static("/"), local_only, None).is_ok()
    }

    #[test]
    fn only_loopback_names_are_answered_without_a_token() {
        for host in ["localhost", "LocalHost:7400", "127.0.0.1:7400", "127.9.9.9", "[::1]", "[::1]:7400"] {
            assert!(allowed(host, None, true), "{host}");
        }
        for host in
            ["evil.example:7400", "127.evil.example", "localhost.evil.example", "[::2]", "", "10.0.0.1"]
        {
            assert!(!allowed(host, None, true), "{host}");
            assert!(allowed(host, None, false), "{host}");
        }
    }

    #[test]
    fn a_web_page_of_another_origin_is_refused() {
        assert!(allowed("localhost:7400", Some("http://localhost:7400"), true));
        assert!(allowed("ledger.example", Some("https://ledger.example:443"), false));
        for origin in ["http://evil.example", "http://localhost:7401", "null", "http://localhost", "file://"]
        {
            assert!(!allowed("localhost:7400", Some(origin), true), "{origin}");
        }
    }
}
