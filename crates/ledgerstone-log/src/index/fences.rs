//! The fences of a run: what each block begins with, and with what filter, so that one read finds what is there.
//!
//! In the file, all as varints: for each block of lists the distance of its first term from the one before,
//! the slot of its first position, how far that is from the position before if the list goes on from the
//! block before (else 0), the revision there plus one (0 if unknown), and the bytes of its filter; then for
//! each block of ids the distance of its first key from the one before, and the bytes of its filter.

use crate::index::covers::Covers;
use crate::index::filter::{Filters, filter_hash};
use crate::index::varint::{put_varint, take_varint};

/// What a block of lists begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListFence {
    pub(super) term: u64,
    pub(super) first: u64,
    /// The position before the first in the list, if it stands in the block before; else 0.
    pub(super) before: u64,
    /// The revision at the first position, or [`NO_REVISION`].
    pub(super) revision: u64,
}

/// Stands for a revision that is not known.
pub(super) const NO_REVISION: u64 = u64::MAX;

impl ListFence {
    /// Tells whether the list begins in a block before.
    pub(super) fn goes_on(&self) -> bool {
        self.before != 0
    }
}

/// The fences of the blocks of lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListFences {
    fences: Vec<ListFence>,
    filters: Filters,
}

impl ListFences {
    /// Adds the next block, and its terms behind the first by their hashes.
    pub(super) fn push(&mut self, fence: ListFence, hashes: &[u64]) {
        self.fences.push(fence);
        self.filters.push(hashes);
    }

    pub(super) fn get(&self, block: usize) -> Option<&ListFence> {
        self.fences.get(block)
    }

    /// Returns the block that has the first position of a term from `low` on, if any has.
    pub(super) fn first_block(&self, term: u64, low: u64) -> Option<usize> {
        let next = self.fences.partition_point(|fence| (fence.term, fence.first) <= (term, low));
        match self.fences.get(next).filter(|fence| fence.term == term) {
            // Position 0 is none, so a list that begins here passes too.
            Some(fence) if low.max(1) > fence.before => Some(next),
            Some(_) => next.checked_sub(1),
            None => self.block_within(next, term),
        }
    }

    /// Returns the block that has the last position of a term up to `high`, if any has.
    pub(super) fn last_block(&self, term: u64, high: u64) -> Option<usize> {
        let next = self.fences.partition_point(|fence| (fence.term, fence.first) <= (term, high));
        match self.fences.get(next).filter(|fence| fence.term == term) {
            Some(fence) if !fence.goes_on() => None,
            Some(_) => next.checked_sub(1),
            None => self.block_within(next, term),
        }
    }

    /// Returns the block that has a revision, if any has: a list knows all of its revisions, or none.
    pub(super) fn block_of_revision(&self, term: u64, revision: u64) -> Option<usize> {
        let first = self.fences.partition_point(|fence| fence.term < term);
        let of_term = self.fences.get(first..).unwrap_or_default();
        let ends = of_term.partition_point(|fence| fence.term == term);
        let of_term = of_term.get(..ends).unwrap_or_default();
        match of_term.first() {
            None => self.block_within(first, term),
            Some(fence) if fence.revision == NO_REVISION => None,
            Some(fence) if fence.revision > revision => first.checked_sub(1).filter(|_| fence.goes_on()),
            Some(_) => {
                let behind = of_term.partition_point(|fence| fence.revision <= revision);
                Some(first + behind.saturating_sub(1))
            }
        }
    }

    /// Tells whether a term has positions in the run; wrongly so once in a hundred.
    pub(super) fn may_hold(&self, term: u64) -> bool {
        self.first_block(term, 0).is_some()
    }

    /// Tells whether a block certainly has positions of a term.
    pub(super) fn holds(&self, block: usize, term: u64) -> bool {
        let is_first = |fence: &ListFence| fence.term == term;
        self.fences.get(block).is_some_and(is_first)
            || self.fences.get(block + 1).is_some_and(|fence| is_first(fence) && fence.goes_on())
    }

    /// Returns the block before `next` if the term may stand in it.
    fn block_within(&self, next: usize, term: u64) -> Option<usize> {
        let block = next.checked_sub(1)?;
        let is_first = self.fences.get(block)?.term == term;
        (is_first || self.filters.may_hold(block, filter_hash(term))).then_some(block)
    }

    pub(super) fn filters(&self) -> &Filters {
        &self.filters
    }

    pub(super) fn memory(&self) -> usize {
        self.fences.capacity() * size_of::<ListFence>() + self.filters.memory()
    }

    pub(super) fn shrink(&mut self) {
        self.fences.shrink_to_fit();
        self.filters.shrink();
    }
}

/// The fences of the blocks of ids.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct IdFences {
    keys: Vec<u64>,
    filters: Filters,
}

impl IdFences {
    /// Adds the next block, and its keys behind the first by their hashes.
    pub(super) fn push(&mut self, first: u64, hashes: &[u64]) {
        self.keys.push(first);
        self.filters.push(hashes);
    }

    /// Returns the blocks that may have a key.
    pub(super) fn blocks(&self, key: u64) -> impl Iterator<Item = usize> {
        let first = self.keys.partition_point(|held| *held < key);
        let before = first.checked_sub(1).filter(|block| self.filters.may_hold(*block, filter_hash(key)));
        let beginning = self.keys.get(first..).unwrap_or_default();
        let equal = beginning.iter().take_while(move |held| **held == key).count();
        before.into_iter().chain(first..first + equal)
    }

    /// Tells whether a block certainly has a key.
    pub(super) fn holds(&self, block: usize, key: u64) -> bool {
        self.keys.get(block) == Some(&key)
    }

    pub(super) fn filters(&self) -> &Filters {
        &self.filters
    }

    pub(super) fn memory(&self) -> usize {
        self.keys.capacity() * size_of::<u64>() + self.filters.memory()
    }

    pub(super) fn shrink(&mut self) {
        self.keys.shrink_to_fit();
        self.filters.shrink();
    }
}

/// Returns the fences as they stand in the file.
pub(super) fn encode(covers: Covers, lists: &ListFences, ids: &IdFences) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut term = 0;
    for (fence, filter) in lists.fences.iter().zip(lists.filters.sizes()) {
        put_varint(&mut bytes, fence.term - term);
        put_varint(&mut bytes, covers.any_slot(fence.first).unwrap_or(0));
        put_varint(&mut bytes, if fence.goes_on() { fence.first - fence.before } else { 0 });
        put_varint(&mut bytes, fence.revision.wrapping_add(1));
        put_varint(&mut bytes, filter);
        term = fence.term;
    }
    let mut key = 0;
    for (first, filter) in ids.keys.iter().zip(ids.filters.sizes()) {
        put_varint(&mut bytes, first - key);
        put_varint(&mut bytes, filter);
        key = *first;
    }
    bytes
}

/// The fences that are read from a file, and where their filters end.
#[derive(Debug, Default)]
pub(super) struct ReadFences {
    lists: Vec<ListFence>,
    list_filters: Vec<u64>,
    keys: Vec<u64>,
    id_filters: Vec<u64>,
}

impl ReadFences {
    /// Reads the fences of so many blocks of lists and of ids; nothing if they are damaged.
    pub(super) fn decode(covers: Covers, (lists, ids): (u64, u64), mut bytes: &[u8]) -> Option<Self> {
        let mut read = Self::default();
        let mut filters_end = 0_u64;
        for _ in 0..lists {
            let fence = take_fence(covers, read.lists.last(), &mut bytes)?;
            filters_end = filters_end.checked_add(take_varint(&mut bytes)?)?;
            read.lists.push(fence);
            read.list_filters.push(filters_end);
        }
        filters_end = 0;
        for _ in 0..ids {
            let before = read.keys.last().copied().unwrap_or(0);
            read.keys.push(before.checked_add(take_varint(&mut bytes)?)?);
            filters_end = filters_end.checked_add(take_varint(&mut bytes)?)?;
            read.id_filters.push(filters_end);
        }
        bytes.is_empty().then_some(read)
    }

    /// Returns how many bytes the filters of lists and of ids have.
    pub(super) fn filter_bytes(&self) -> (u64, u64) {
        let end = |ends: &[u64]| ends.last().copied().unwrap_or(0);
        (end(&self.list_filters), end(&self.id_filters))
    }

    /// Puts fences and filters together.
    pub(super) fn with_filters(self, lists: Vec<u8>, ids: Vec<u8>) -> (ListFences, IdFences) {
        let mut lists = ListFences { fences: self.lists, filters: Filters::of(self.list_filters, lists) };
        let mut ids = IdFences { keys: self.keys, filters: Filters::of(self.id_filters, ids) };
        lists.shrink();
        ids.shrink();
        (lists, ids)
    }
}

fn take_fence(covers: Covers, previous: Option<&ListFence>, bytes: &mut &[u8]) -> Option<ListFence> {
    let distance = take_varint(bytes)?;
    let term = previous.map_or(0, |fence| fence.term).checked_add(distance)?;
    let (_, first) = covers.place(take_varint(bytes)?)?;
    let before = match take_varint(bytes)? {
        0 => 0,
        gap => first.checked_sub(gap)?,
    };
    let revision = take_varint(bytes)?.wrapping_sub(1);
    Some(ListFence { term, first, before, revision })
}
