//! A filter that says "certainly not here" without looking: a Bloom filter over keys of 64 bits.

/// Bits for each key: with seven probes one lookup in a hundred is for nothing (Bloom, 1970).
const BITS: usize = 10;
const PROBES: u64 = 7;

/// A set of keys, by their hashes, that may claim to hold one that it does not, never the other way round.
#[derive(Debug)]
pub(crate) struct Filter {
    words: Box<[u64]>,
}

impl Filter {
    /// Makes a filter for so many keys.
    pub(crate) fn new(keys: usize) -> Self {
        let words = (keys * BITS).div_ceil(64).next_power_of_two();
        Self { words: vec![0; words].into() }
    }

    /// Adds a key by its [`filter_hash`].
    pub(crate) fn insert(&mut self, hash: u64) {
        let bits = self.words.len() as u64 * 64;
        for bit in probes(hash, bits) {
            if let Some(word) = self.words.get_mut((bit / 64) as usize) {
                *word |= 1 << (bit % 64);
            }
        }
    }

    /// Tells whether the key with this [`filter_hash`] may have been added.
    pub(crate) fn may_hold(&self, hash: u64) -> bool {
        let bits = self.words.len() as u64 * 64;
        let set =
            |bit: u64| self.words.get((bit / 64) as usize).is_some_and(|word| word & 1 << (bit % 64) != 0);
        probes(hash, bits).all(set)
    }
}

/// Returns what filters know a key by.
pub(crate) fn filter_hash(key: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&key.to_le_bytes())
}

/// Derives the probes from two halves of one hash (Kirsch and Mitzenmacher, 2006); `bits` is a power of two.
fn probes(hash: u64, bits: u64) -> impl Iterator<Item = u64> {
    let step = (hash >> 32) | 1;
    (0..PROBES).map(move |probe| hash.wrapping_add(probe.wrapping_mul(step)) & (bits - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_held_and_little_else() {
        let mut filter = Filter::new(10_000);
        (0..10_000).for_each(|n| filter.insert(filter_hash(n)));
        assert!((0..10_000).all(|n| filter.may_hold(filter_hash(n))));
        let wrong = (10_000..110_000).filter(|n| filter.may_hold(filter_hash(*n))).count();
        assert!(wrong < 2_000, "{wrong} of 100,000 claimed wrongly");
    }
}
