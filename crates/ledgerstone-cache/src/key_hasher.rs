//! How the memory tier hashes its keys: cheaper than the standard library does, and still by a drawn seed.

use std::hash::{BuildHasher, Hasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Hashes by a seed that is drawn for each cache, so that nobody can choose keys that meet in one place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeededKeys(u64);

impl SeededKeys {
    /// Draws a seed.
    pub(crate) fn drawn() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for SeededKeys {
    type Hasher = KeyHasher;

    #[inline]
    fn build_hasher(&self) -> KeyHasher {
        KeyHasher(self.0)
    }
}

/// A hash in the making; what was written before is the seed of what comes next.
#[derive(Debug)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// Takes the byte that ends a text, for which hashing anew would be dear.
    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.0 = self.0.rotate_left(8) ^ u64::from(byte);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_text_hashes_alike_however_it_is_held_and_apart_from_others_and_under_other_seeds() {
        let (one, other) = (SeededKeys(1), SeededKeys(2));
        assert_eq!(one.hash_one("customer:7"), one.hash_one(String::from("customer:7")));
        assert_ne!(one.hash_one("customer:7"), other.hash_one("customer:7"));
        let hashes: HashSet<u64> = (0..10_000).map(|n| one.hash_one(format!("customer:{n}"))).collect();
        assert_eq!(hashes.len(), 10_000);
        // The tables within go by few bits, high or low.
        let spread =
            |bits: fn(u64) -> u64| hashes.iter().map(|hash| bits(*hash)).collect::<HashSet<_>>().len();
        assert!(spread(|hash| hash & 1_023) > 1_000);
        assert!(spread(|hash| hash >> 54) > 1_000);
    }
}
