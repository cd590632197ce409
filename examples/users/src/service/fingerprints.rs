//! Fingerprints of what must not stand in the open: in tags and marks.

use std::fmt;

use ledgerstone::core::{InvalidName, Tag};
use sha2::{Digest as _, Sha256};

use crate::domain::Email;

/// Makes keyed fingerprints: whoever reads a tag learns nothing about the address behind it, not even by
/// trying addresses.
#[derive(Clone)]
pub struct Fingerprints {
    secret: [u8; 32],
}

impl Fingerprints {
    /// Takes the secret of the service. With another one, addresses that are taken look free.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret }
    }

    /// Returns the tag that holds an address for its user.
    pub(super) fn taken(&self, email: &str) -> Result<Tag, InvalidName> {
        Tag::unique("email", &self.of("email", &[email]))
    }

    /// Returns the tag that sets an address free.
    pub(super) fn released(&self, email: &str) -> Result<Tag, InvalidName> {
        Tag::released("email", &self.of("email", &[email]))
    }

    /// Returns the fingerprint of the name under which a wish was made.
    pub(super) fn key(&self, key: &str) -> String {
        self.of("key", &[key])
    }

    /// Returns the fingerprint of what was wished for.
    pub(super) fn wish(&self, name: &str, email: &Email) -> String {
        self.of("wish", &[name, email.as_str()])
    }

    fn of(&self, kind: &str, parts: &[&str]) -> String {
        let mut hash = Sha256::new_with_prefix(self.secret);
        for part in [kind].iter().chain(parts) {
            // The length goes first, so that no two lists of parts read alike.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Default for Fingerprints {
    /// Takes a secret that everybody knows: for tests and trials.
    fn default() -> Self {
        Self::new([7; 32])
    }
}

impl fmt::Debug for Fingerprints {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fingerprints").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "ada@example.org";

    #[test]
    fn the_tags_of_an_address_belong_together_and_do_not_show_it() {
        let fingerprints = Fingerprints::default();
        let taken = fingerprints.taken(ADDRESS).expect("a tag");
        assert_eq!(taken.release(), fingerprints.released(ADDRESS).ok());
        assert!(!taken.as_str().contains("ada"));
    }

    #[test]
    fn another_secret_or_another_split_is_another_fingerprint() {
        let fingerprints = Fingerprints::default();
        let other = Fingerprints::new([8; 32]);
        assert_ne!(fingerprints.taken(ADDRESS), other.taken(ADDRESS));
        assert_ne!(fingerprints.of("wish", &["ab", "c"]), fingerprints.of("wish", &["a", "bc"]));
    }
}
