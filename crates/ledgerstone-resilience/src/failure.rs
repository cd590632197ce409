//! How a call under a policy ends when it does not succeed.

use ledgerstone_core::{BackendError, Retryable};

use crate::refusal::Refusal;

/// Why there is no answer: the call failed, or a slot of the policy refused or cut it.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E> {
    /// The call itself failed; this is the error of its last attempt.
    #[error(transparent)]
    Call(E),
    /// A slot refused the call, or gave it up.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl<E> Failure<E> {
    /// Turns the failure into the error of the call, a refusal by way of [`BackendError`].
    pub fn into_error(self) -> E
    where
        E: From<BackendError>,
    {
        match self {
            Self::Call(error) => error,
            Self::Refused(refusal) => E::from(refusal.into()),
        }
    }

    /// Returns the refusal, if a slot refused the call or gave it up.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Call(_) => None,
            Self::Refused(refusal) => Some(refusal),
        }
    }
}

impl<E: Retryable> Failure<E> {
    /// Tells whether the same call may succeed if it is simply made again, later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Call(error) => error.is_retryable(),
            Self::Refused(refusal) => refusal.is_retryable(),
        }
    }
}
