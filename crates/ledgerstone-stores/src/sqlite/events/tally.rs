//! A tally of index entries: whether two sets of them are equal, whatever their order.

use std::collections::{BTreeMap, BTreeSet};

use ledgerstone_core::LogKind;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::sqlite::events::tail::RUN;

/// What an entry leads by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Term,
    Id(LogKind),
}

/// Entries, added up by stretches of positions: equal sums mean equal entries, but for one chance in 2^64.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    stretches: BTreeMap<u64, (u64, u64)>,
    /// The stretches of which too little is known to compare them.
    left_out: BTreeSet<u64>,
}

impl Entries {
    /// Adds an entry.
    pub(crate) fn add(&mut self, kind: Kind, key: u64, position: u64) {
        let seed = match kind {
            Kind::Term => 0,
            Kind::Id(log) => 1 + log as u64,
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&key.to_le_bytes());
        bytes[8..].copy_from_slice(&position.to_le_bytes());
        let (count, sum) = self.stretches.entry(stretch(position)).or_default();
        *count += 1;
        *sum = sum.wrapping_add(xxh3_64_with_seed(&bytes, seed));
    }

    /// Says that nothing is known of the event at a position, so that nothing is compared around it.
    pub(crate) fn leave_out(&mut self, position: u64) {
        self.left_out.insert(stretch(position));
    }

    /// Returns how many entries there are.
    pub(crate) fn count(&self) -> u64 {
        self.stretches.values().map(|(count, _)| count).sum()
    }

    /// Returns the stretches of positions in which the other entries are not the same.
    pub(crate) fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u64, u64)> + 'a {
        let all: BTreeSet<u64> = self.stretches.keys().chain(other.stretches.keys()).copied().collect();
        all.into_iter()
            .filter(|at| !self.left_out.contains(at) && self.stretches.get(at) != other.stretches.get(at))
            .map(|at| (at * RUN + 1, (at + 1).saturating_mul(RUN)))
    }
}

fn stretch(position: u64) -> u64 {
    position.saturating_sub(1) / RUN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_compared_whatever_their_order() {
        let (mut left, mut right) = (Entries::default(), Entries::default());
        let entries = [(Kind::Term, 7, 1), (Kind::Id(LogKind::System), 7, 1), (Kind::Term, 9, RUN + 1)];
        entries.iter().for_each(|(kind, key, at)| left.add(*kind, *key, *at));
        entries.iter().rev().for_each(|(kind, key, at)| right.add(*kind, *key, *at));
        assert_eq!((left.count(), left.differences(&right).count()), (3, 0));
        right.add(Kind::Term, 10, RUN + 2);
        assert_eq!(left.differences(&right).collect::<Vec<_>>(), [(RUN + 1, 2 * RUN)]);
        left.leave_out(RUN + 7);
        assert_eq!(left.differences(&right).count(), 0);
    }
}
