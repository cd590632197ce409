//! The content of a block of lists: for each term that has positions here, one chunk of its list.
//!
//! An entry is, all as varints: the distance of its term from the one before (in the block; the first from
//! 0); twice the bytes of the chunk, plus one if revisions are known; and the chunk: the first revision if
//! known, the slot of the first position, and for each further position one less than its distance from
//! the one before. Revisions rise by one with each position.
//!
//! Behind the entries stand restarts, so that a search need not go through all of them: for every 32nd entry
//! where it begins (2 bytes) and the term before it (8 bytes). The last 2 bytes are their number.

use std::ops::Range;

use crate::index::covers::Covers;
use crate::index::varint::{put_varint, take_varint, varint_bytes};
use crate::segment_header::array;

/// How many entries stand between two restarts.
pub(super) const ENTRIES_A_RESTART: usize = 32;
/// How many bytes a restart has, and their number at the end of a block.
pub(super) const RESTART_BYTES: usize = 10;
pub(super) const RESTARTS_END: usize = 2;

/// Returns the entries of a block and its restarts; nothing if the block is damaged.
pub(super) fn split(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, restarts) = content.split_last_chunk::<RESTARTS_END>()?;
    let size = usize::from(u16::from_le_bytes(*restarts)) * RESTART_BYTES;
    rest.split_at_checked(rest.len().checked_sub(size)?)
}

/// Returns where a restart leads to, and the term before that.
fn restart(bytes: &[u8]) -> (usize, u64) {
    (usize::from(u16::from_le_bytes(array(bytes, 0))), u64::from_le_bytes(array(bytes, 2)))
}

/// Where the chunk of a term stands in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListEntry {
    pub(super) term: u64,
    has_revisions: bool,
    bytes: Range<usize>,
}

/// A stretch of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    /// The revision at the first position, if revisions are known.
    pub(super) first_revision: Option<u64>,
    first: u64,
    newest: u64,
    gaps: &'a [u8],
}

impl ListEntry {
    /// Reads the entry at a place behind the one of `previous`; nothing if it is damaged.
    pub(super) fn at(content: &[u8], at: usize, previous: Option<u64>) -> Option<Self> {
        let mut rest = content.get(at..)?;
        let distance = take_varint(&mut rest)?;
        if previous.is_some() && distance == 0 {
            return None;
        }
        let term = previous.unwrap_or(0).checked_add(distance)?;
        let size = take_varint(&mut rest)?;
        let begin = content.len() - rest.len();
        let end = begin.checked_add(usize::try_from(size >> 1).ok()?)?;
        (end <= content.len()).then_some(Self { term, has_revisions: size & 1 == 1, bytes: begin..end })
    }

    /// Finds the entry of a term: nothing if the block is damaged, `Some(None)` if it has none.
    pub(super) fn find(content: &[u8], term: u64) -> Option<Option<Self>> {
        let (entries, restarts) = split(content)?;
        let (mut at, mut previous) = (0, None);
        let (restarts, _) = restarts.as_chunks::<RESTART_BYTES>();
        let behind = restarts.partition_point(|bytes| restart(bytes).1 < term);
        if let Some(nearest) = behind.checked_sub(1).and_then(|nearest| restarts.get(nearest)) {
            let (begin, before) = restart(nearest);
            (at, previous) = (begin, Some(before));
        }
        while at < entries.len() {
            let entry = Self::at(entries, at, previous)?;
            if entry.term >= term {
                return Some((entry.term == term).then_some(entry));
            }
            at = entry.end();
            previous = Some(entry.term);
        }
        Some(None)
    }

    /// Returns where the next entry begins.
    pub(super) fn end(&self) -> usize {
        self.bytes.end
    }

    /// Returns the chunk; nothing if it is damaged.
    pub(super) fn chunk<'a>(&self, content: &'a [u8], covers: Covers) -> Option<Chunk<'a>> {
        let mut bytes = content.get(self.bytes.clone())?;
        let first_revision = if self.has_revisions { Some(take_varint(&mut bytes)?) } else { None };
        let (_, first) = covers.place(take_varint(&mut bytes)?)?;
        Some(Chunk { first_revision, first, newest: covers.newest(), gaps: bytes })
    }
}

impl Chunk<'_> {
    /// Appends the positions, rising; nothing if the chunk is damaged.
    pub(super) fn decode(&self, into: &mut Vec<u64>) -> Option<()> {
        let mut gaps = self.gaps;
        let mut position = self.first;
        into.push(position);
        while !gaps.is_empty() {
            position = position.checked_add(take_varint(&mut gaps)?)?.checked_add(1)?;
            into.push(position);
        }
        (position <= self.newest).then_some(())
    }
}

/// A chunk that is being filled.
#[derive(Debug, Default)]
pub(super) struct OpenChunk {
    first_revision: Option<u64>,
    first: u64,
    newest: u64,
    count: u64,
    bytes: Vec<u8>,
}

impl OpenChunk {
    /// Begins another chunk.
    pub(super) fn begin(&mut self, first_revision: Option<u64>) {
        self.first_revision = first_revision;
        self.count = 0;
        self.bytes.clear();
    }

    /// Appends a position, which has this slot.
    pub(super) fn push(&mut self, position: u64, slot: u64) {
        if self.count == 0 {
            self.first = position;
            if let Some(revision) = self.first_revision {
                put_varint(&mut self.bytes, revision);
            }
            put_varint(&mut self.bytes, slot);
        } else {
            put_varint(&mut self.bytes, position - self.newest - 1);
        }
        self.newest = position;
        self.count += 1;
    }

    /// Tells whether there is room for the chunk and one more position in a block.
    pub(super) fn fits(&self, position: u64, slot: u64, distance: u64, room: usize) -> bool {
        let more = match self.count {
            0 => varint_bytes(slot) + self.first_revision.map_or(0, varint_bytes),
            _ => varint_bytes(position - self.newest - 1),
        };
        let size = self.bytes.len() + more;
        varint_bytes(distance) + varint_bytes((size as u64) << 1) + size <= room
    }

    /// Appends the entry to the content of a block.
    pub(super) fn put(&self, distance: u64, content: &mut Vec<u8>) {
        put_varint(content, distance);
        put_varint(content, (self.bytes.len() as u64) << 1 | u64::from(self.first_revision.is_some()));
        content.extend_from_slice(&self.bytes);
    }

    pub(super) fn first_revision(&self) -> Option<u64> {
        self.first_revision
    }

    /// Returns the revision behind the newest position, if known and there can be one.
    pub(super) fn next_revision(&self) -> Option<u64> {
        self.first_revision?.checked_add(self.count)
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}
