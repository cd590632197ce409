//! Lays lists out in blocks: short lists stay whole, long ones go on from block to block.

use crate::index::block::{BlockFile, LEAST_BLOCK_BYTES};
use crate::index::covers::Covers;
use crate::index::failure::IndexError;
use crate::index::fences::{ListFence, ListFences, NO_REVISION};
use crate::index::filter::filter_hash;
use crate::index::list_block::{ENTRIES_A_RESTART, OpenChunk, RESTART_BYTES, RESTARTS_END};

/// A list that would fill less than this part of a block is rather put into the next block than split:
/// so it is found with one read, and a sixteenth of a block is lost at the very most on average.
const WHOLE: usize = 8;

/// Writes lists, rising by term.
#[derive(Debug)]
pub(super) struct ListWriter {
    covers: Covers,
    content: Vec<u8>,
    /// What the content begins with.
    fence: Option<ListFence>,
    /// The term of the last entry of the content.
    last: u64,
    /// The terms of the other entries.
    hashes: Vec<u64>,
    /// How many entries the content has, and where a search may begin among them.
    entries: usize,
    restarts: Vec<u8>,
    term: Option<u64>,
    chunk: OpenChunk,
    /// The last position of the list in the block before, 0 if it begins in this one.
    before: u64,
    terms: u64,
    fences: ListFences,
}

impl ListWriter {
    pub(super) fn new(covers: Covers) -> Self {
        Self {
            covers,
            content: Vec::new(),
            fence: None,
            last: 0,
            hashes: Vec::new(),
            entries: 0,
            restarts: Vec::new(),
            term: None,
            chunk: OpenChunk::default(),
            before: 0,
            terms: 0,
            fences: ListFences::default(),
        }
    }

    /// Begins the list of another term.
    pub(super) fn begin(&mut self, term: u64, first_revision: Option<u64>) -> Result<(), IndexError> {
        if self.term.is_some_and(|last| term <= last) {
            return Err(IndexError::Disordered("the terms of the lists do not rise"));
        }
        self.put_chunk();
        self.term = Some(term);
        self.before = 0;
        self.chunk.begin(first_revision);
        Ok(())
    }

    /// Appends a position to the list.
    pub(super) fn push(&mut self, position: u64, out: &mut BlockFile) -> Result<(), IndexError> {
        let is_first = self.chunk.is_empty() && self.before == 0;
        if !is_first && position <= self.chunk.newest() {
            return Err(IndexError::Disordered("the positions of a list do not rise"));
        }
        let slot = self.covers.any_slot(position);
        let slot = slot.ok_or(IndexError::Disordered("a position is not covered by the index"))?;
        if self.chunk.first_revision().is_some_and(|_| self.chunk.next_revision() >= Some(NO_REVISION)) {
            return Err(IndexError::Disordered("a revision is too large"));
        }
        let kept = self.content.len() + self.restarts.len() + RESTART_BYTES + RESTARTS_END;
        let room = out.room().saturating_sub(kept);
        if !self.chunk.fits(position, slot, self.distance(), room) {
            if self.content.is_empty() || self.chunk.bytes() > out.room() / WHOLE {
                let (before, revision) = (self.chunk.newest(), self.chunk.next_revision());
                self.put_chunk();
                self.chunk.begin(revision);
                self.before = before;
            }
            self.seal(out)?;
        }
        self.terms += u64::from(is_first);
        self.chunk.push(position, slot);
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn end(&mut self, out: &mut BlockFile) -> Result<(), IndexError> {
        self.put_chunk();
        self.chunk.begin(None);
        self.seal(out)
    }

    /// Returns the fences of what was written, and how many terms there are.
    pub(super) fn into_fences(mut self) -> (ListFences, u64) {
        self.fences.shrink();
        (self.fences, self.terms)
    }

    /// Returns how far the term is from the one before in the block.
    fn distance(&self) -> u64 {
        let term = self.term.unwrap_or(0);
        if self.content.is_empty() { term } else { term - self.last }
    }

    fn put_chunk(&mut self) {
        let Some(term) = self.term.filter(|_| !self.chunk.is_empty()) else { return };
        let distance = self.distance();
        if self.content.is_empty() {
            let revision = self.chunk.first_revision().unwrap_or(NO_REVISION);
            self.fence = Some(ListFence { term, first: self.chunk.first(), before: self.before, revision });
        } else {
            self.hashes.push(filter_hash(term));
            if self.entries.is_multiple_of(ENTRIES_A_RESTART) {
                let begin = u16::try_from(self.content.len()).unwrap_or(u16::MAX);
                self.restarts.extend_from_slice(&begin.to_le_bytes());
                self.restarts.extend_from_slice(&self.last.to_le_bytes());
            }
        }
        self.entries += 1;
        self.chunk.put(distance, &mut self.content);
        self.last = term;
    }

    fn seal(&mut self, out: &mut BlockFile) -> Result<(), IndexError> {
        let Some(fence) = self.fence.take() else { return Ok(()) };
        let restarts = u16::try_from(self.restarts.len() / RESTART_BYTES).unwrap_or(u16::MAX);
        self.content.append(&mut self.restarts);
        self.content.extend_from_slice(&restarts.to_le_bytes());
        out.block(&self.content)?;
        self.entries = 0;
        self.fences.push(fence, &self.hashes);
        self.content.clear();
        self.hashes.clear();
        Ok(())
    }
}

/// Holds that the longest entry of one position has room in the smallest block.
const _: () = {
    let longest = 10 + 1 + 10 + 10;
    let kept = 6 + RESTART_BYTES + RESTARTS_END;
    assert!(LEAST_BLOCK_BYTES / WHOLE + longest < LEAST_BLOCK_BYTES - kept);
};
