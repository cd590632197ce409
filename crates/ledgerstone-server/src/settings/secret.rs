//! A secret text, which no log and no debug output shows.

use std::fmt;

use sha2::{Digest, Sha256};

/// A text that must not be shown, such as a token; what is printed of it is a fingerprint.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Hands the text out, to be sent or compared.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns a few digits by which two people can tell whether they have the same secret.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret {}", self.fingerprint())
    }
}
