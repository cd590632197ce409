//! Why something cannot be a part of a user.

/// What is wrong with a part of a user. It never quotes what was given, which may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct InvalidUser {
    what: &'static str,
    reason: &'static str,
}

impl InvalidUser {
    pub(super) fn new(what: &'static str, reason: &'static str) -> Self {
        Self { what, reason }
    }
}
