//! Why a policy is not built.

use ledgerstone_core::{BackendError, Code, ErrorKind};

/// A policy contradicts itself, or names what is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy {policy}: {reason}")]
pub struct InvalidPolicy {
    policy: String,
    reason: String,
}

impl InvalidPolicy {
    pub(crate) fn new(policy: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { policy: policy.into(), reason: reason.into() }
    }

    /// Returns the name of the policy.
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Returns what is wrong with it, and what to do.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl From<InvalidPolicy> for BackendError {
    fn from(invalid: InvalidPolicy) -> Self {
        Self::new(ErrorKind::Misconfigured, "policy", "build", invalid.to_string())
            .with_code(Code::Configuration)
    }
}
