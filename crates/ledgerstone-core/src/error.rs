//! A failure of the technology behind a port, told in terms that every port shares.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::code::Code;

/// What kind of thing went wrong; it answers whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It cannot be reached now.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// It asks for less.
    Throttled,
    /// Somebody else changed it first: read again, decide again.
    Conflict,
    /// It is not there.
    NotFound,
    /// The input is malformed or above a limit.
    Invalid,
    /// The caller may not.
    Denied,
    /// It is set up wrongly, and a person must mend it.
    Misconfigured,
    /// Stored data does not read back.
    Corrupt,
    /// It has no such ability.
    Unsupported,
    /// It failed inside.
    Internal,
}

impl ErrorKind {
    /// Tells whether the same call may succeed if it is simply made again.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable | Self::TimedOut | Self::Throttled)
    }

    /// Returns the kind in lower case, as logs, metrics and JSON show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Throttled => "throttled",
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Misconfigured => "misconfigured",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure of a backend: what was tried, where, what kind of failure it was, and its cause.
///
/// The driver's own error is the [`source`](Error::source), so switching a feature on or off never
/// changes this type.
#[derive(Debug)]
pub struct BackendError {
    kind: ErrorKind,
    code: Code,
    backend: &'static str,
    operation: &'static str,
    message: String,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl BackendError {
    /// Makes an error of `kind` for `operation` on `backend`; the message says what to do next.
    pub fn new(
        kind: ErrorKind,
        backend: &'static str,
        operation: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let code = match kind {
            ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::Throttled => Code::Unreachable,
            ErrorKind::Conflict | ErrorKind::Internal => Code::Internal,
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::Invalid => Code::InvalidInput,
            ErrorKind::Denied => Code::Unauthorized,
            ErrorKind::Misconfigured => Code::Configuration,
            ErrorKind::Corrupt => Code::Corrupt,
            ErrorKind::Unsupported => Code::Unsupported,
        };
        Self { kind, code, backend, operation, message: message.into(), retry_after: None, source: None }
    }

    /// Gives the error a more telling code than its kind has.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Keeps what the driver said.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Keeps how long the backend asked to be left alone.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Returns the backend that failed, as its locator's scheme.
    pub fn backend(&self) -> &'static str {
        self.backend
    }

    /// Returns what was tried.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Returns what happened and what to do next, without the backend's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Tells whether the same call may succeed if it is simply made again.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl BackendError {
    /// Returns how long the backend asked to be left alone, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.backend, self.operation, self.message)
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
