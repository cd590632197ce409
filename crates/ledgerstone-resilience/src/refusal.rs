//! Why a slot of a policy refused a call or gave it up.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind};

/// The backend that refusals name: none was asked, the policy itself decided.
const BACKEND: &str = "policy";

/// What a slot decided against a call; each has a code whose page tells more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The rate limit slot refused it: nothing was sent.
    #[error("the rate limit of policy {policy} is reached{}; call less often or raise the limit", again(.retry_after))]
    RateLimited {
        /// The policy that refused.
        policy: Arc<str>,
        /// After how long the limiter may allow it.
        retry_after: Option<Duration>,
    },
    /// The rate limiter could not be asked: nothing was sent.
    #[error("the rate limiter of policy {policy} did not answer; see what it reports")]
    LimiterFailed {
        /// The policy that refused.
        policy: Arc<str>,
        /// What the limiter reported.
        #[source]
        error: BackendError,
    },
    /// The time that the whole call had is over; an attempt may have been under way.
    #[error("the time for the call under policy {policy} is over; give it more time or ask for less")]
    DeadlineExceeded {
        /// The policy that gave up.
        policy: Arc<str>,
    },
    /// An attempt took longer than the attempt timeout; it may have had its effect.
    #[error("an attempt under policy {policy} took longer than {timeout:?}; see why the dependency is slow")]
    AttemptTimedOut {
        /// The policy that gave up.
        policy: Arc<str>,
        /// What an attempt may take.
        timeout: Duration,
    },
    /// The circuit breaker is open or isolated, or probes are under way: nothing was sent.
    #[error("circuit breaker {breaker} stops calls{}; see `ledgerstone breakers list`", again(.retry_in))]
    CircuitOpen {
        /// The breaker that refused.
        breaker: Arc<str>,
        /// After how long it lets a probe through; nothing if it is isolated, or waits for its probes.
        retry_in: Option<Duration>,
    },
    /// The bulkhead and its queue are full, or the wait took too long: nothing was sent.
    #[error("bulkhead {bulkhead} is full; make fewer calls at once or raise its limits")]
    Overloaded {
        /// The bulkhead that refused.
        bulkhead: Arc<str>,
    },
    /// A call that may run once was asked to run again: nothing was sent.
    #[error("the call under policy {policy} may run only once; mark it idempotent or give it a key")]
    NotRepeatable {
        /// The policy that refused.
        policy: Arc<str>,
    },
}

impl Refusal {
    /// Returns the slot that decided, by its name in settings and metrics.
    pub fn slot(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } | Self::LimiterFailed { .. } => "rate_limit",
            Self::DeadlineExceeded { .. } => "total_timeout",
            Self::NotRepeatable { .. } => "retry",
            Self::CircuitOpen { .. } => "circuit_breaker",
            Self::Overloaded { .. } => "bulkhead",
            Self::AttemptTimedOut { .. } => "attempt_timeout",
        }
    }

    /// Returns the kind of error that the refusal is to a caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::RateLimited { .. } | Self::Overloaded { .. } => ErrorKind::Throttled,
            Self::LimiterFailed { error, .. } => error.kind(),
            Self::DeadlineExceeded { .. } | Self::AttemptTimedOut { .. } => ErrorKind::TimedOut,
            Self::CircuitOpen { .. } => ErrorKind::Unavailable,
            Self::NotRepeatable { .. } => ErrorKind::Unsupported,
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::RateLimited { .. } => Code::RateLimited,
            Self::LimiterFailed { error, .. } => error.code(),
            Self::DeadlineExceeded { .. } | Self::AttemptTimedOut { .. } => Code::DeadlineExceeded,
            Self::CircuitOpen { .. } => Code::CircuitOpen,
            Self::Overloaded { .. } => Code::Overloaded,
            Self::NotRepeatable { .. } => Code::Unsupported,
        }
    }

    /// Returns how long to leave the dependency alone, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after: wait, .. } | Self::CircuitOpen { retry_in: wait, .. } => *wait,
            Self::LimiterFailed { error, .. } => error.retry_after(),
            _ => None,
        }
    }

    /// Tells whether the same call may succeed if it is simply made again, later.
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }
}

impl From<Refusal> for BackendError {
    fn from(refusal: Refusal) -> Self {
        let error =
            Self::new(refusal.kind(), BACKEND, refusal.slot(), refusal.to_string()).with_code(refusal.code());
        let error = match refusal.retry_after() {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        };
        match refusal {
            Refusal::LimiterFailed { error: cause, .. } => error.with_source(cause),
            _ => error,
        }
    }
}

fn again(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!(" for another {wait:?}")).unwrap_or_default()
}
