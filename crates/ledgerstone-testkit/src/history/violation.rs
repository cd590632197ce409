//! What a history shows that no store may do.

use std::fmt;

/// A promise of the event store port that a history shows to be broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("promise {promise}: {what}")]
pub struct Violation {
    /// The number of the promise.
    pub promise: u32,
    /// What happened.
    pub what: String,
}

impl Violation {
    pub(super) fn of(promise: u32, what: impl fmt::Display) -> Self {
        Self { promise, what: what.to_string() }
    }
}

/// What a check finds.
pub(super) type Checked<T = ()> = Result<T, Violation>;

/// Fails with a violation of a promise unless something holds.
macro_rules! holds {
    ($promise:literal, $condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::history::violation::Violation::of($promise, format_args!($($what)+)));
        }
    };
}
pub(super) use holds;
