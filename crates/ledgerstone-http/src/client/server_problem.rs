//! What a status means, and the problem document that may come with it.

use bytes::Bytes;
use ledgerstone_core::{ErrorKind, Problem};
use serde_json::{Map, Value};

/// The largest problem document that is read.
pub(crate) const PROBLEM_BYTES: u64 = 64 * 1024;
/// How much of a document's detail is kept.
const DETAIL_BYTES: usize = 500;

/// Classifies a status that is not what was asked for.
///
/// 408, 429, 502, 503 and 504 may pass, and are of kinds that may be retried; 500 says that the request
/// was tried and broke there, and what the client did wrong (4xx) it would do wrong again.
pub(crate) fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        408 | 504 => ErrorKind::TimedOut,
        429 => ErrorKind::Throttled,
        502 | 503 => ErrorKind::Unavailable,
        401 | 403 | 407 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        409 | 412 => ErrorKind::Conflict,
        501 => ErrorKind::Unsupported,
        400..=499 => ErrorKind::Invalid,
        500..=599 => ErrorKind::Internal,
        // What is neither an error nor an answer that was asked for: the address leads elsewhere.
        _ => ErrorKind::Misconfigured,
    }
}

/// Reads a problem document (RFC 9457), of whose members every one may be missing.
pub(crate) fn problem(media_type: Option<&str>, body: &Bytes, status: u16) -> Option<Box<Problem>> {
    let media_type = media_type?.split(';').next()?.trim();
    if !media_type.eq_ignore_ascii_case(Problem::MEDIA_TYPE) {
        return None;
    }
    let mut members: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let kind = kind_of_status(status);
    let text = |members: &mut Map<String, Value>, name: &str, default: &str| {
        if !members.get(name).is_some_and(Value::is_string) {
            members.insert(name.to_owned(), default.into());
        }
    };
    text(&mut members, "type", "about:blank");
    text(&mut members, "title", "");
    text(&mut members, "detail", "");
    text(&mut members, "code", "");
    text(&mut members, "kind", kind.as_str());
    // The status line is what the client acts by; the member is advice.
    members.insert("status".to_owned(), status.into());
    if !members.get("retryable").is_some_and(Value::is_boolean) {
        members.insert("retryable".to_owned(), kind.is_retryable().into());
    }
    if !members.get("correlation").is_none_or(Value::is_string) {
        members.remove("correlation");
    }
    let mut problem: Problem = serde_json::from_value(Value::Object(members)).ok()?;
    shorten(&mut problem.detail, DETAIL_BYTES);
    shorten(&mut problem.title, DETAIL_BYTES);
    Some(Box::new(problem))
}

/// Cuts a text that somebody else wrote.
pub(crate) fn shorten(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBLEM: Option<&str> = Some("application/problem+json; charset=utf-8");

    #[test]
    fn only_what_may_pass_is_of_a_kind_that_may_be_retried() {
        let retried: Vec<u16> = (100..600).filter(|status| kind_of_status(*status).is_retryable()).collect();
        assert_eq!(retried, [408, 429, 502, 503, 504]);
    }

    #[test]
    fn a_document_of_anyone_is_read() {
        let body = Bytes::from_static(br#"{"title":"Out of credit","balance":30,"status":999,"code":7}"#);
        let found = problem(PROBLEM, &body, 403).expect("a problem");
        assert_eq!((found.title.as_str(), found.status), ("Out of credit", 403));
        assert_eq!((found.kind.as_str(), found.retryable), ("denied", false));
        assert_eq!(found.members["balance"], 30);
    }

    #[test]
    fn what_is_no_document_is_none_and_a_long_one_is_cut() {
        for body in ["", "[]", "<html>", "{\"title\":"] {
            assert!(problem(PROBLEM, &Bytes::from(body), 500).is_none(), "{body}");
        }
        assert!(problem(Some("text/html"), &Bytes::from("{}"), 500).is_none());
        let long = format!(r#"{{"detail":"{}"}}"#, "ü".repeat(10_000));
        let found = problem(PROBLEM, &Bytes::from(long), 500).expect("a problem");
        assert!(found.detail.len() < DETAIL_BYTES + 10);
    }
}
