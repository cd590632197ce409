//! The content of a block of ids: the keys of event ids, each with the slot of its event.
//!
//! An entry is two varints: the distance of its key from the one before (in the block; the first from 0),
//! and the distance of its slot from the one before, forwards or backwards. Ids that rise with time have
//! small distances both ways; random ones need the bytes that their numbers have.

use ledgerstone_core::LogKind;

use crate::index::block::BlockFile;
use crate::index::covers::Covers;
use crate::index::failure::IndexError;
use crate::index::fences::IdFences;
use crate::index::filter::filter_hash;
use crate::index::varint::{follow_zigzag, put_varint, take_varint, varint_bytes, zigzag};

/// An id's key, and where its event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdEntry {
    pub(super) key: u64,
    pub(super) log: LogKind,
    pub(super) position: u64,
}

/// Reads the entries of a block, one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct IdReader {
    at: usize,
    key: u64,
    slot: u64,
}

impl IdReader {
    /// Tells whether there is no further entry.
    pub(super) fn is_done(&self, content: &[u8]) -> bool {
        self.at >= content.len()
    }

    /// Reads the next entry; nothing if it is damaged.
    pub(super) fn next(&mut self, content: &[u8], covers: Covers) -> Option<IdEntry> {
        let mut rest = content.get(self.at..)?;
        self.key = self.key.checked_add(take_varint(&mut rest)?)?;
        self.slot = follow_zigzag(self.slot, take_varint(&mut rest)?);
        self.at = content.len() - rest.len();
        let (log, position) = covers.place(self.slot)?;
        Some(IdEntry { key: self.key, log, position })
    }
}

/// Adds the places of a key in a block, and returns the last key of the block if it had to look at all of
/// them; nothing if the block is damaged.
pub(super) fn find(
    content: &[u8],
    covers: Covers,
    key: u64,
    into: &mut Vec<(LogKind, u64)>,
) -> Option<Option<u64>> {
    let mut reader = IdReader::default();
    while !reader.is_done(content) {
        let entry = reader.next(content, covers)?;
        if entry.key == key {
            into.push((entry.log, entry.position));
        } else if entry.key > key {
            return Some(None);
        }
    }
    Some(Some(reader.key))
}

/// Lays ids out in blocks.
#[derive(Debug)]
pub(super) struct IdWriter {
    covers: Covers,
    content: Vec<u8>,
    first: u64,
    /// The keys of the block behind the first, each once.
    hashes: Vec<u64>,
    slot: u64,
    last: Option<IdEntry>,
    ids: u64,
    fences: IdFences,
}

impl IdWriter {
    pub(super) fn new(covers: Covers) -> Self {
        Self {
            covers,
            content: Vec::new(),
            first: 0,
            hashes: Vec::new(),
            slot: 0,
            last: None,
            ids: 0,
            fences: IdFences::default(),
        }
    }

    /// Appends an id.
    pub(super) fn push(&mut self, entry: IdEntry, out: &mut BlockFile) -> Result<(), IndexError> {
        if self.last.is_some_and(|last| entry <= last) {
            return Err(IndexError::Disordered("the ids do not rise by key, count and position"));
        }
        let slot = self.covers.slot(entry.log, entry.position);
        let slot = slot.ok_or(IndexError::Disordered("the position of an id is not covered by the index"))?;
        let last = self.last.replace(entry).map_or(0, |last| last.key);
        let size = varint_bytes(entry.key - last) + varint_bytes(zigzag(self.slot, slot));
        if self.content.len() + size > out.room() {
            self.seal(out)?;
        }
        if self.content.is_empty() {
            self.first = entry.key;
            put_varint(&mut self.content, entry.key);
            put_varint(&mut self.content, zigzag(0, slot));
        } else {
            if entry.key != last {
                self.hashes.push(filter_hash(entry.key));
            }
            put_varint(&mut self.content, entry.key - last);
            put_varint(&mut self.content, zigzag(self.slot, slot));
        }
        self.slot = slot;
        self.ids += 1;
        Ok(())
    }

    /// Writes what is left; returns the fences and how many ids there are.
    pub(super) fn finish(mut self, out: &mut BlockFile) -> Result<(IdFences, u64), IndexError> {
        self.seal(out)?;
        self.fences.shrink();
        Ok((self.fences, self.ids))
    }

    fn seal(&mut self, out: &mut BlockFile) -> Result<(), IndexError> {
        if self.content.is_empty() {
            return Ok(());
        }
        out.block(&self.content)?;
        self.fences.push(self.first, &self.hashes);
        self.content.clear();
        self.hashes.clear();
        Ok(())
    }
}
