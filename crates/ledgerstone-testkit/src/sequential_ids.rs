//! Ids that count, so that a test knows them beforehand.

use std::sync::atomic::{AtomicU64, Ordering};

use ledgerstone_core::IdSource;
use uuid::Uuid;

/// Gives out the ids 1, 2, 3 and so on.
#[derive(Debug)]
pub struct SequentialIds {
    next: AtomicU64,
}

impl SequentialIds {
    /// Creates a source whose first id is `first`.
    pub fn from(first: u64) -> Self {
        Self { next: AtomicU64::new(first) }
    }

    /// Returns the id with this number.
    pub fn id(number: u64) -> Uuid {
        Uuid::from_u128(number.into())
    }
}

impl Default for SequentialIds {
    fn default() -> Self {
        Self::from(1)
    }
}

impl IdSource for SequentialIds {
    fn next_id(&self) -> Uuid {
        Self::id(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_from_the_first() {
        let ids = SequentialIds::default();
        assert_eq!([ids.next_id(), ids.next_id()], [SequentialIds::id(1), SequentialIds::id(2)]);
    }
}
