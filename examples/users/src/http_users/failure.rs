//! How failures of HTTP and of the cache are told in the domain's words: once, in one place.

use std::time::Duration;

use ledgerstone::cache::CacheError;
use ledgerstone::core::{Code, ErrorKind, Problem, Retryable};
use ledgerstone::http::HttpError;

use crate::domain::UsersError;

/// What the cache asks about a failed load.
impl Retryable for UsersError {
    fn is_retryable(&self) -> bool {
        self.is_retryable()
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => *retry_after,
            _ => None,
        }
    }
}

/// Tells a failed call: what may pass is `Unavailable`, and only that.
pub(super) fn of_http(error: &HttpError) -> UsersError {
    let told = |problem: &Problem| problem.detail.clone();
    match (error.kind(), error.code()) {
        (kind, _) if kind.is_retryable() => UsersError::Unavailable { retry_after: error.retry_after() },
        (ErrorKind::Conflict, Code::ConditionFailed) => UsersError::Taken,
        (ErrorKind::Conflict, Code::WrongRevision) => UsersError::Changed,
        (ErrorKind::NotFound, _) if error.problem().is_some() => UsersError::NotFound,
        (ErrorKind::Invalid, _) => {
            UsersError::Invalid(error.problem().map_or_else(|| error.message().to_owned(), told))
        }
        (ErrorKind::Denied, _) => UsersError::Denied,
        _ => UsersError::Broken(error.to_string()),
    }
}

/// Tells a failed question to the cache: what the load said, if it was the load.
pub(super) fn of_cache(error: &CacheError) -> UsersError {
    if let CacheError::Load { source, .. } = error
        && let Some(said) = source.downcast_ref::<UsersError>()
    {
        return said.clone();
    }
    if error.is_retryable() {
        return UsersError::Unavailable { retry_after: error.retry_after() };
    }
    UsersError::Broken(error.to_string())
}
