//! The key by which the other side recognises a repeated call.

use std::fmt;
use std::sync::Arc;

/// A key that all attempts of one call share, and that no other call has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// Returns the key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for IdempotencyKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

impl From<String> for IdempotencyKey {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}
