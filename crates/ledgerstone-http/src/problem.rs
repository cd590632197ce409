//! Failures as HTTP responses: problem documents with the status that belongs to them.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ledgerstone_core::{BackendError, Code, DocumentStoreError, EventStoreError, InvalidName, Problem};
use serde_json::Value;

use crate::correlation::Correlation;

tokio::task_local! {
    /// Tells what to do next about a code, while a request is handled.
    pub(crate) static HELP: fn(Code) -> String;
}

/// How long a caller should wait before it asks a server again that cannot answer now.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The member of a document that says in milliseconds when to ask again.
const RETRY_AFTER_MEMBER: &str = "retry_after_ms";

/// A handler's failure: it answers the request with a problem document.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure(Box<Problem>);

impl Failure {
    /// Returns the document.
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// Says when the caller may ask again: in the document, and as `Retry-After` in whole seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.0.members.insert(RETRY_AFTER_MEMBER.to_owned(), millis.into());
        self
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<EventStoreError> for Failure {
    fn from(error: EventStoreError) -> Self {
        Problem::from(&error).into()
    }
}

impl From<DocumentStoreError> for Failure {
    fn from(error: DocumentStoreError) -> Self {
        Problem::from(&error).into()
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        let failure = Self::from(Problem::from(&error));
        match error.retry_after() {
            Some(wait) => failure.retry_after(wait),
            None => failure,
        }
    }
}

impl From<InvalidName> for Failure {
    fn from(error: InvalidName) -> Self {
        Problem::from(&error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut problem = self.0;
        if problem.correlation.is_none() {
            problem.correlation = Correlation::current().map(|id| id.as_str().to_owned());
        }
        if let Some(code) = problem.known_code()
            && let Ok(help) = HELP.try_with(|help| help(code))
        {
            problem.members.entry("help").or_insert_with(|| help.into());
        }
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let Problem { code, kind, detail, .. } = &*problem;
        // Whoever guards the door wants to know of each; conflicts are everyday work.
        match status {
            _ if status.is_server_error() => tracing::warn!(code, kind, detail, "request failed"),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                tracing::info!(code, kind, detail, "request refused");
            }
            _ => tracing::debug!(code, kind, detail, "request refused"),
        }
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                let millis = problem.members.get(RETRY_AFTER_MEMBER).and_then(Value::as_u64);
                let seconds = millis.map(|millis| HeaderValue::from(millis.div_ceil(1_000).max(1)));
                headers.insert(RETRY_AFTER, seconds.unwrap_or(RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledgerstone_core::ErrorKind;

    #[test]
    fn a_failure_within_a_request_says_what_to_do_next() {
        let failure = Failure::from(Problem::invalid("wrong"));
        let response = HELP.sync_scope(|code| format!("look up {code}"), || failure.into_response());
        let body = axum::body::to_bytes(response.into_body(), 1_000);
        let body = futures_util::FutureExt::now_or_never(body).expect("at once").expect("a body");
        let problem: Problem = serde_json::from_slice(&body).expect("a problem");
        assert_eq!(problem.members["help"], "look up LS0015");
    }

    #[test]
    fn a_failure_that_may_pass_says_when_to_ask_again() {
        let failure = Failure::from(Problem::new(ErrorKind::Unavailable, Code::Unreachable, "away"));
        let response = failure.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
        assert_eq!(response.headers()[CONTENT_TYPE], Problem::MEDIA_TYPE);
        let error = BackendError::new(ErrorKind::Throttled, "test", "read", "ask for less");
        let response = Failure::from(error.with_retry_after(Duration::from_millis(4_200))).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "5");
    }
}
