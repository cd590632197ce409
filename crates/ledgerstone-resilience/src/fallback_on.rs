//! The fallback slot: after which failures a call's fallback answers.

use ledgerstone_core::Retryable;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The fallback slot of a policy: after which failures the fallback that a call brings answers instead.
///
/// What answers is given with the call ([`run_or`](crate::Policy::run_or),
/// [`run_or_else`](crate::Policy::run_or_else)), since its type is the call's. When it does is the policy's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FallbackOn {
    /// Only where a slot refused the call or gave it up.
    Refused,
    /// Where a slot refused it, or the error says `is_retryable`: the dependency is not there now.
    #[default]
    Retryable,
    /// After any failure, even if the dependency answered that there is no such thing.
    Any,
}

impl FallbackOn {
    pub(crate) fn covers<E: Retryable>(self, failure: &Failure<E>) -> bool {
        match (self, failure) {
            (Self::Any, _) | (_, Failure::Refused(_)) => true,
            (Self::Retryable, Failure::Call(error)) => error.is_retryable(),
            (Self::Refused, Failure::Call(_)) => false,
        }
    }

    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Refused => "what the call brings, where a slot refuses it",
            Self::Retryable => "what the call brings, after refusals and retryable errors",
            Self::Any => "what the call brings, after any failure",
        }
    }
}
