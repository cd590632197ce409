//! What a caller is told where nothing is passed on, or nothing came back.

use std::time::Duration;

use axum::http::header::ALLOW;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use ledgerstone_core::{BackendError, Code, ErrorKind, Problem, RateVerdict};
use ledgerstone_resilience::rate_headers;

use crate::authenticator::Unauthenticated;
use crate::gateway::proxy::bodies::Broken;
use crate::problem::Failure;

fn with_status(mut problem: Problem, status: StatusCode) -> Response {
    problem.status = status.as_u16();
    Failure::from(problem).into_response()
}

/// The request is refused for what it is.
pub(crate) fn malformed(why: &str) -> Response {
    Failure::from(Problem::invalid(format!("the request is not passed on: {why}"))).into_response()
}

pub(crate) fn no_route(path: &str) -> Response {
    Failure::from(Problem::not_found(format!("nothing is served at {path}"))).into_response()
}

pub(crate) fn wrong_method(method: &Method, allowed: &[&Method]) -> Response {
    let problem = Problem::invalid(format!("{method} is not served here"));
    let mut response = with_status(problem, StatusCode::METHOD_NOT_ALLOWED);
    let mut names: Vec<_> = allowed.iter().map(|method| method.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if let Ok(value) = HeaderValue::try_from(names.join(", ")) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

pub(crate) fn no_upgrade(wanted: &str) -> Response {
    let detail = format!(
        "a change to {wanted:?} is not passed on; connect to the service itself, or send plain requests"
    );
    Failure::from(Problem::new(ErrorKind::Unsupported, Code::Unsupported, detail)).into_response()
}

pub(crate) fn in_circles() -> Response {
    let detail = "the request came through here several times; a route leads back to this server";
    let problem = Problem::new(ErrorKind::Misconfigured, Code::Configuration, detail);
    with_status(problem, StatusCode::LOOP_DETECTED)
}

pub(crate) fn unauthenticated(why: Unauthenticated) -> Response {
    let problem = Problem::new(ErrorKind::Denied, Code::Unauthorized, why.to_string());
    Failure::from(problem).into_response()
}

pub(crate) fn rate_limited(verdict: &RateVerdict) -> Response {
    let detail = match verdict.retry_after {
        Some(wait) => format!("too many requests; ask again in {wait:?}"),
        None => "too many requests".to_owned(),
    };
    let problem = Problem::new(ErrorKind::Throttled, Code::RateLimited, detail);
    let mut response = Failure::from(problem).into_response();
    set_rate_headers(&mut response, verdict);
    response
}

pub(crate) fn set_rate_headers(response: &mut Response, verdict: &RateVerdict) {
    for (name, value) in rate_headers(verdict) {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

pub(crate) fn too_large(limit: u64) -> Response {
    let detail = format!("the body has more than {limit} bytes, which is the limit here; send it in parts");
    let problem = Problem::new(ErrorKind::Invalid, Code::TooLarge, detail);
    Failure::from(problem.with("what", "a body size").with("limit", limit)).into_response()
}

/// The body of the request was given up.
pub(crate) fn broken(broken: Broken, limit: u64, silence: Duration) -> Response {
    match broken {
        Broken::TooLarge => too_large(limit),
        Broken::Silent => {
            let problem =
                Problem::invalid(format!("nothing more of the body came for {silence:?}; send it again"));
            with_status(problem, StatusCode::REQUEST_TIMEOUT)
        }
        Broken::Aborted => malformed("its body broke off; send it again"),
    }
}

/// The service did not answer.
pub(crate) fn failed(error: &BackendError) -> Response {
    let problem = Problem::from(error);
    match (error.kind(), error.code()) {
        // Nobody was there to ask, or it was not asked: 503, as the kind says.
        (_, Code::NoEndpoint | Code::CircuitOpen | Code::Overloaded) => {
            with_status(problem, StatusCode::SERVICE_UNAVAILABLE)
        }
        (ErrorKind::Unavailable, _) => with_status(problem, StatusCode::BAD_GATEWAY),
        _ => Failure::from(problem).into_response(),
    }
}
