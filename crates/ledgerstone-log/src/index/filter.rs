//! Filters that say "certainly not in this block" without reading it: a small Bloom filter for each block.

/// Bits for each key: with seven probes one lookup in a hundred is for nothing (Bloom, 1970).
const BITS: usize = 10;
const PROBES: u32 = 7;

/// The filters of the blocks of a run, one behind the other.
///
/// What stands first in a block is known from its fence and not in its filter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filters {
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl Filters {
    /// Takes over filters that were written; `ends` says where each ends.
    pub(super) fn of(ends: Vec<u64>, bytes: Vec<u8>) -> Self {
        Self { ends, bytes }
    }

    /// Adds the filter of the next block, of the [`filter_hash`] of each key.
    pub(super) fn push(&mut self, hashes: &[u64]) {
        let begin = self.bytes.len();
        let size = (hashes.len() * BITS).div_ceil(8);
        self.bytes.resize(begin + size, 0);
        let filter = self.bytes.get_mut(begin..).unwrap_or_default();
        for bit in hashes.iter().flat_map(|hash| probes(*hash, size)) {
            if let Some(byte) = filter.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
        self.ends.push(self.bytes.len() as u64);
    }

    /// Tells whether the key with this [`filter_hash`] may stand in a block behind its first one.
    pub(super) fn may_hold(&self, block: usize, hash: u64) -> bool {
        let begin = block.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(block).copied().unwrap_or(0);
        let filter = self.bytes.get(begin as usize..end as usize).unwrap_or_default();
        let set = |bit: usize| filter.get(bit / 8).is_some_and(|byte| byte & 1 << (bit % 8) != 0);
        !filter.is_empty() && probes(hash, filter.len()).all(set)
    }

    /// Returns the bytes of all filters.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns how many bytes each filter has.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        self.ends.iter().zip(begins).map(|(end, begin)| end - begin)
    }

    /// Returns how many bytes they take in memory.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<u64>()
    }

    /// Gives back what was kept for growing.
    pub(super) fn shrink(&mut self) {
        self.ends.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }
}

/// Returns what filters know a key by.
pub(super) fn filter_hash(key: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&key.to_le_bytes())
}

/// Derives the probes from two halves of one hash (Kirsch and Mitzenmacher, 2006), each scaled to the
/// number of bits by a multiplication (Lemire, 2019).
fn probes(hash: u64, bytes: usize) -> impl Iterator<Item = usize> {
    let bits = bytes as u64 * 8;
    let (first, step) = (hash as u32, (hash >> 32) as u32 | 1);
    (0..PROBES).map(move |probe| {
        let spread = first.wrapping_add(probe.wrapping_mul(step));
        ((u64::from(spread) * bits) >> 32) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_held_and_little_else() {
        for keys in [1_u64, 5, 120, 700] {
            let mut filters = Filters::default();
            filters.push(&[]);
            filters.push(&(0..keys).map(filter_hash).collect::<Vec<_>>());
            filters.push(&[filter_hash(u64::MAX)]);
            assert!((0..keys).all(|key| filters.may_hold(1, filter_hash(key))));
            assert!((0..keys).all(|key| !filters.may_hold(0, filter_hash(key))));
            let wrong = (keys..keys + 100_000).filter(|key| filters.may_hold(1, filter_hash(*key))).count();
            assert!(wrong < 3_000, "{wrong} of 100,000 claimed wrongly with {keys} keys");
            assert!(filters.may_hold(2, filter_hash(u64::MAX)));
            assert!(!filters.may_hold(3, filter_hash(u64::MAX)));
        }
    }
}
