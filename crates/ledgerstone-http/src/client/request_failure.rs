//! What went wrong with a request, as reqwest tells it, in the terms of the house.

use std::error::Error;
use std::io;

use ledgerstone_core::{BackendError, Code, ErrorKind};

pub(crate) const BACKEND: &str = "http";
pub(crate) const SEND: &str = "send a request";

/// Classifies a failure; the URL is left out, since it may hold a key.
pub(crate) fn failure(error: reqwest::Error) -> BackendError {
    let error = error.without_url();
    let (kind, message, may_have_left) = classify(&error);
    let failure = BackendError::new(kind, BACKEND, SEND, message);
    let failure = if may_have_left { failure.with_code(Code::Indeterminate) } else { failure };
    failure.with_source(error)
}

fn classify(error: &reqwest::Error) -> (ErrorKind, String, bool) {
    let cause = root_cause(error);
    if error.is_connect() {
        let (kind, message) = if error.is_dns() {
            (
                ErrorKind::Unavailable,
                format!("the host's name does not resolve ({cause}); is it spelled right?"),
            )
        } else if is_malformed(error) {
            (
                ErrorKind::Misconfigured,
                format!(
                    "no TLS with this server ({cause}); check its certificate, whom you trust, and the port"
                ),
            )
        } else {
            (
                ErrorKind::Unavailable,
                format!("no connection ({cause}); is the server running, and is its address right?"),
            )
        };
        return (kind, message, false);
    }
    if error.is_timeout() {
        return (ErrorKind::TimedOut, "the answer did not come in time; ask again".to_owned(), true);
    }
    if is_malformed(error) {
        let message = format!("the answer is not HTTP as it should be ({cause}); check what listens there");
        return (ErrorKind::Misconfigured, message, true);
    }
    if let Some(told) = find::<BackendError>(error) {
        // The request's own body failed while it was sent.
        return (told.kind(), format!("the body to send broke off: {}", told.message()), true);
    }
    (ErrorKind::Unavailable, format!("the connection broke ({cause}); ask again"), true)
}

/// Tells whether bytes came that cannot be understood, rather than none.
fn is_malformed(error: &reqwest::Error) -> bool {
    let is_parse = find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse);
    is_parse || find::<io::Error>(error).is_some_and(is_nonsense)
}

/// Tells whether an I/O error, or one that it wraps, is about what was read; as its source it skips that one.
fn is_nonsense(error: &io::Error) -> bool {
    let wrapped = || error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        || wrapped().is_some_and(is_nonsense)
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
