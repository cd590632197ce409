//! Why a repository of users did not do what it was asked.

use std::time::Duration;

/// Why a question about users, or a change of them, failed. No personal data stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// The address belongs to another user.
    #[error("the address belongs to another user; choose another one")]
    Taken,
    /// Somebody else changed the user first.
    #[error("the user was changed by somebody else; read it again, and decide again")]
    Changed,
    /// What was asked for makes no sense.
    #[error("it was not accepted: {0}")]
    Invalid(String),
    /// The caller may not.
    #[error("this is not allowed; see which rights the caller has")]
    Denied,
    /// Users cannot be reached now.
    #[error("users cannot be reached now; try again later")]
    Unavailable {
        /// After how long it makes sense to try again, if that is known.
        retry_after: Option<Duration>,
    },
    /// Something broke, and trying again will not mend it.
    #[error("it failed: {0}")]
    Broken(String),
}

impl UsersError {
    /// Tells whether the same call may succeed if it is simply made again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
