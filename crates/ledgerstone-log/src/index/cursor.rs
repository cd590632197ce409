//! Goes through the lists and the ids of a run in their order, with one block in memory.

use crate::index::block::BLOCK_BYTES;
use crate::index::failure::IndexError;
use crate::index::id_block::{IdEntry, IdReader};
use crate::index::list_block::{ListEntry, split};
use crate::index::run::Run;
use crate::reader::Patience;

/// Goes through blocks of a run.
#[derive(Debug)]
struct Blocks<'a> {
    run: &'a Run,
    next: u64,
    end: u64,
    content: Vec<u8>,
}

impl Blocks<'_> {
    /// Reads the next block; tells whether there was one.
    fn advance(&mut self) -> Result<bool, IndexError> {
        self.content.clear();
        if self.next == self.end {
            return Ok(false);
        }
        let mut buffer = [0; BLOCK_BYTES];
        self.content.extend_from_slice(self.run.block(self.next, Patience::Wait, &mut buffer)?);
        self.next += 1;
        Ok(true)
    }

    fn damaged(&self) -> IndexError {
        self.run.damaged(self.next.saturating_sub(1))
    }
}

/// Stands at the chunk of a list.
#[derive(Debug)]
pub(super) struct ListCursor<'a> {
    blocks: Blocks<'a>,
    entry: Option<ListEntry>,
}

impl<'a> ListCursor<'a> {
    /// Stands at the first chunk of a run.
    pub(super) fn first(run: &'a Run) -> Result<Self, IndexError> {
        let (end, _) = run.blocks();
        let mut cursor = Self { blocks: Blocks { run, next: 0, end, content: Vec::new() }, entry: None };
        cursor.advance()?;
        Ok(cursor)
    }

    /// Returns the term of the chunk; nothing at the end.
    pub(super) fn term(&self) -> Option<u64> {
        self.entry.as_ref().map(|entry| entry.term)
    }

    /// Returns the revisions of the first position of the list and of what comes behind its newest, if known;
    /// the cursor stands at its first chunk.
    pub(super) fn revisions(&self) -> Result<Option<(u64, u64)>, IndexError> {
        let Some((term, entry)) = self.term().zip(self.entry.as_ref()) else { return Ok(None) };
        let chunk = entry.chunk(&self.blocks.content, self.blocks.run.covers());
        let chunk = chunk.ok_or_else(|| self.blocks.damaged())?;
        let Some(first) = chunk.first_revision else { return Ok(None) };
        let newest = if self.blocks.run.goes_on_in(self.blocks.next, term) {
            self.blocks.run.newest(term, Patience::Wait)?.and_then(|(_, revision)| revision)
        } else {
            let mut positions = Vec::new();
            chunk.decode(&mut positions).ok_or_else(|| self.blocks.damaged())?;
            first.checked_add(positions.len() as u64 - 1)
        };
        Ok(newest.and_then(|newest| Some((first, newest.checked_add(1)?))))
    }

    /// Adds the positions of the chunk.
    pub(super) fn positions(&self, into: &mut Vec<u64>) -> Result<(), IndexError> {
        let Some(entry) = &self.entry else { return Ok(()) };
        let chunk = entry.chunk(&self.blocks.content, self.blocks.run.covers());
        chunk.and_then(|chunk| chunk.decode(into)).ok_or_else(|| self.blocks.damaged())
    }

    /// Goes to the next chunk; tells whether it read a block for that.
    pub(super) fn advance(&mut self) -> Result<bool, IndexError> {
        let previous = self.entry.take();
        let at = previous.as_ref().map_or(0, ListEntry::end);
        let previous = previous.filter(|_| at < self.blocks.content.len()).map(|entry| entry.term);
        let read = previous.is_none();
        if read && !self.blocks.advance()? {
            return Ok(true);
        }
        if read {
            let (entries, _) = split(&self.blocks.content).ok_or_else(|| self.blocks.damaged())?;
            let size = entries.len();
            self.blocks.content.truncate(size);
        }
        let at = if read { 0 } else { at };
        let entry = ListEntry::at(&self.blocks.content, at, previous);
        self.entry = Some(entry.ok_or_else(|| self.blocks.damaged())?);
        Ok(read)
    }
}

/// Stands at an id.
#[derive(Debug)]
pub(super) struct IdCursor<'a> {
    blocks: Blocks<'a>,
    reader: IdReader,
    entry: Option<IdEntry>,
}

impl<'a> IdCursor<'a> {
    /// Stands at the first id of a run.
    pub(super) fn first(run: &'a Run) -> Result<Self, IndexError> {
        let (lists, ids) = run.blocks();
        let blocks = Blocks { run, next: lists, end: lists + ids, content: Vec::new() };
        let mut cursor = Self { blocks, reader: IdReader::default(), entry: None };
        cursor.advance()?;
        Ok(cursor)
    }

    /// Returns the id; nothing at the end.
    pub(super) fn entry(&self) -> Option<IdEntry> {
        self.entry
    }

    /// Goes to the next id; tells whether it read a block for that.
    pub(super) fn advance(&mut self) -> Result<bool, IndexError> {
        self.entry = None;
        let read = self.reader.is_done(&self.blocks.content);
        if read {
            self.reader = IdReader::default();
            if !self.blocks.advance()? {
                return Ok(true);
            }
        }
        let entry = self.reader.next(&self.blocks.content, self.blocks.run.covers());
        self.entry = Some(entry.ok_or_else(|| self.blocks.damaged())?);
        Ok(read)
    }
}
