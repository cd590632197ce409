//! A run: the immutable index over a stretch of the log, one file, of which only fences and filters are in memory.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ledgerstone_core::LogKind;

use crate::disk::DiskFile;
use crate::index::block::{self, BLOCK_BYTES};
use crate::index::covers::Covers;
use crate::index::failure::IndexError;
use crate::index::fences::{IdFences, ListFences, ReadFences};
use crate::index::footer::{FOOTER_BYTES, Footer};
use crate::index::id_block;
use crate::index::list_block::ListEntry;
use crate::reader::Patience;

/// The index over a stretch of the log.
///
/// It maps terms to rising positions, the terms of streams to revisions too, and keys of event ids to
/// positions. A lookup reads one block at a time, found in memory; an error says that the file is damaged and
/// the run has to be made again, and what was handed in to be filled is as it was then.
pub struct Run {
    file: Arc<dyn DiskFile>,
    bytes: u64,
    footer: Footer,
    lists: ListFences,
    ids: IdFences,
    /// The largest key of any id, once the last block was read: ids that rise with time are above it.
    last_key: OnceLock<u64>,
}

impl Run {
    /// Opens the file of a run: reads what is kept in memory, and no block.
    pub fn open(file: Arc<dyn DiskFile>) -> Result<Self, IndexError> {
        let bytes = file.size().map_err(IndexError::disk("reading"))?;
        let footer_at = bytes.checked_sub(FOOTER_BYTES as u64);
        let footer_at =
            footer_at.ok_or(IndexError::Damaged { at: 0, why: "it is too short for an index" })?;
        let mut footer = [0; FOOTER_BYTES];
        file.read_exact_at(footer_at, &mut footer).map_err(IndexError::reading(footer_at))?;
        let footer = Footer::decode(&footer, bytes)?;

        let at = footer.fences_at();
        let fences = read(&*file, at, footer.fence_bytes)?;
        let damaged = IndexError::Damaged { at, why: "the fences are not what was written" };
        let decoded = ReadFences::decode(footer.covers, (footer.list_blocks, footer.id_blocks), &fences);
        let Some(decoded) = decoded else { return Err(damaged) };
        let (list_filters, id_filters) = decoded.filter_bytes();
        if list_filters.checked_add(id_filters) != Some(footer.filter_bytes) {
            return Err(damaged);
        }
        let filters_at = at + footer.fence_bytes;
        let list_filters = read(&*file, filters_at, list_filters)?;
        let id_filters = read(&*file, filters_at + list_filters.len() as u64, id_filters)?;
        let parts = [&fences, &list_filters, &id_filters];
        if parts.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part)) != footer.checksum {
            return Err(damaged);
        }
        let (lists, ids) = decoded.with_filters(list_filters, id_filters);
        Ok(Self::assemble(file, bytes, footer, lists, ids))
    }

    pub(super) fn assemble(
        file: Arc<dyn DiskFile>,
        bytes: u64,
        footer: Footer,
        lists: ListFences,
        ids: IdFences,
    ) -> Self {
        Self { file, bytes, footer, lists, ids, last_key: OnceLock::new() }
    }

    /// Returns which stretch of the log it covers.
    pub fn covers(&self) -> Covers {
        self.footer.covers
    }

    /// Returns what its builder said that it is made of.
    pub fn stamp(&self) -> u64 {
        self.footer.stamp
    }

    /// Returns how many terms there are.
    pub fn terms(&self) -> u64 {
        self.footer.terms
    }

    /// Returns how many ids there are.
    pub fn id_count(&self) -> u64 {
        self.footer.ids
    }

    /// Returns how many bytes the file has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many bytes are kept in memory.
    pub fn memory(&self) -> usize {
        self.lists.memory() + self.ids.memory()
    }

    /// Tells whether a term has positions here; wrongly so about once in a hundred, never the other way round.
    pub fn may_hold_term(&self, term: u64) -> bool {
        self.lists.may_hold(term)
    }

    /// Tells whether an id's key is here; wrongly so about once in a hundred, never the other way round.
    pub fn may_hold_id(&self, key: u64) -> bool {
        self.last_key.get().is_none_or(|last| key <= *last) && self.ids.blocks(key).next().is_some()
    }

    /// Adds positions of a term in `low..=high`, rising from `low` or falling from `high`; tells whether
    /// there may be more.
    ///
    /// It stops behind the block in which `limit` is reached, so it may add some more than that. Whoever goes
    /// on behind the last one that was added reads no block twice. With [`Patience::OnlyCached`] it stops
    /// before a block that is not in memory, and fails only if that is the first.
    pub fn positions(
        &self,
        term: u64,
        (low, high): (u64, u64),
        forwards: bool,
        limit: usize,
        patience: Patience,
        into: &mut Vec<u64>,
    ) -> Result<bool, IndexError> {
        let begin = into.len();
        let first =
            if forwards { self.lists.first_block(term, low) } else { self.lists.last_block(term, high) };
        let mut next = first.filter(|_| low <= high);
        while let Some(block) = next {
            let before = into.len();
            if before - begin >= limit && before > begin {
                return Ok(true);
            }
            match self.list_in(block, term, patience, into) {
                Ok(_) => clip(into, before, low, high, forwards),
                Err(IndexError::WouldWait) if before > begin => return Ok(true),
                Err(error) => {
                    into.truncate(begin);
                    return Err(error);
                }
            }
            next = if forwards {
                self.block_behind(block, term, high)
            } else {
                self.block_before(block, term, low)
            };
        }
        Ok(false)
    }

    /// Returns where a revision of a list stands; nothing also if the revisions of the list are not known.
    pub fn position_of(
        &self,
        term: u64,
        revision: u64,
        patience: Patience,
    ) -> Result<Option<u64>, IndexError> {
        let Some(block) = self.lists.block_of_revision(term, revision) else { return Ok(None) };
        let mut positions = Vec::new();
        let first = self.list_in(block, term, patience, &mut positions)?.flatten();
        let at = first.and_then(|first| usize::try_from(revision.checked_sub(first)?).ok());
        Ok(at.and_then(|at| positions.get(at).copied()))
    }

    /// Returns the newest position of a term, and its revision where that is known.
    pub fn newest(&self, term: u64, patience: Patience) -> Result<Option<(u64, Option<u64>)>, IndexError> {
        let Some(block) = self.lists.last_block(term, u64::MAX) else { return Ok(None) };
        let mut positions = Vec::new();
        let first = self.list_in(block, term, patience, &mut positions)?.flatten();
        let revision = first.map(|first| first.saturating_add(positions.len() as u64 - 1));
        Ok(positions.last().map(|newest| (*newest, revision)))
    }

    /// Adds the places of events whose ids have this key: of the application first, each count rising.
    pub fn ids(
        &self,
        key: u64,
        patience: Patience,
        into: &mut Vec<(LogKind, u64)>,
    ) -> Result<(), IndexError> {
        let begin = into.len();
        let mut find = |block: usize| {
            let number = self.footer.list_blocks + block as u64;
            let before = into.len();
            let mut buffer = [0; BLOCK_BYTES];
            let content = self.block(number, patience, &mut buffer)?;
            let found = id_block::find(content, self.covers(), key, into);
            let missing = into.len() == before && self.ids.holds(block, key);
            if let Some(Some(last)) = found
                && number + 1 == self.footer.list_blocks + self.footer.id_blocks
            {
                let _ = self.last_key.set(last);
            }
            found.filter(|_| !missing).map(|_| ()).ok_or_else(|| self.damaged(number))
        };
        let done = self.ids.blocks(key).try_for_each(&mut find);
        if done.is_err() {
            into.truncate(begin);
        }
        done
    }

    /// Says that the newest positions of a term will be read soon; it does not wait.
    pub fn will_read(&self, term: u64) {
        if let Some(block) = self.lists.last_block(term, u64::MAX) {
            self.will_read_block(block as u64);
        }
    }

    /// Says that an id will be looked up soon; it does not wait.
    pub fn will_read_id(&self, key: u64) {
        for block in self.ids.blocks(key) {
            self.will_read_block(self.footer.list_blocks + block as u64);
        }
    }

    /// Returns how many blocks there are, and how many bytes each has.
    pub(crate) fn size_in_blocks(&self) -> (u64, u64) {
        (self.footer.list_blocks + self.footer.id_blocks, u64::from(self.footer.block_bytes))
    }

    /// Reads a block, and fails if it is damaged.
    pub(crate) fn check_block(&self, number: u64) -> Result<(), IndexError> {
        self.block(number, Patience::Wait, &mut [0; BLOCK_BYTES]).map(drop)
    }

    /// Returns how many blocks of lists and of ids there are.
    pub(super) fn blocks(&self) -> (u64, u64) {
        (self.footer.list_blocks, self.footer.id_blocks)
    }

    /// Tells whether a list goes on in this block of lists.
    pub(super) fn goes_on_in(&self, block: u64, term: u64) -> bool {
        self.block_behind((block as usize).saturating_sub(1), term, u64::MAX).is_some()
    }

    /// Reads a block and returns its content.
    pub(super) fn block<'a>(
        &self,
        number: u64,
        patience: Patience,
        buffer: &'a mut [u8; BLOCK_BYTES],
    ) -> Result<&'a [u8], IndexError> {
        let at = self.block_at(number);
        let block = buffer.get_mut(..self.footer.block_bytes as usize).unwrap_or_default();
        match patience {
            Patience::Wait => self.file.read_exact_at(at, block).map_err(IndexError::reading(at))?,
            Patience::OnlyCached => read_cached(&*self.file, at, block)?,
        }
        block::content(self.covers(), number, block)
            .ok_or(IndexError::Damaged { at, why: "the checksum of a block does not match" })
    }

    /// Returns the error that says that the content of a block makes no sense.
    pub(super) fn damaged(&self, number: u64) -> IndexError {
        IndexError::Damaged {
            at: self.block_at(number),
            why: "the content of a block is not what was written",
        }
    }

    /// Adds all positions that a term has in a block; returns the revision of the first of them, or nothing if
    /// there are none, as it happens when a filter claims wrongly.
    fn list_in(
        &self,
        block: usize,
        term: u64,
        patience: Patience,
        into: &mut Vec<u64>,
    ) -> Result<Option<Option<u64>>, IndexError> {
        let number = block as u64;
        let mut buffer = [0; BLOCK_BYTES];
        let content = self.block(number, patience, &mut buffer)?;
        let Some(entry) = ListEntry::find(content, term).ok_or_else(|| self.damaged(number))? else {
            return if self.lists.holds(block, term) { Err(self.damaged(number)) } else { Ok(None) };
        };
        let chunk = entry.chunk(content, self.covers()).ok_or_else(|| self.damaged(number))?;
        chunk.decode(into).ok_or_else(|| self.damaged(number))?;
        Ok(Some(chunk.first_revision))
    }

    /// Returns the next block if a list goes on in it with a position up to `high`.
    fn block_behind(&self, block: usize, term: u64, high: u64) -> Option<usize> {
        let fence = self.lists.get(block + 1)?;
        (fence.term == term && fence.goes_on() && fence.first <= high).then_some(block + 1)
    }

    /// Returns the block before if a list comes from it with a position from `low` on.
    fn block_before(&self, block: usize, term: u64, low: u64) -> Option<usize> {
        let fence = self.lists.get(block)?;
        (fence.term == term && fence.goes_on() && fence.before >= low).then(|| block.checked_sub(1))?
    }

    fn will_read_block(&self, number: u64) {
        self.file.will_read(self.block_at(number), u64::from(self.footer.block_bytes));
    }

    fn block_at(&self, number: u64) -> u64 {
        number * u64::from(self.footer.block_bytes)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("footer", &self.footer)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// Keeps of the positions from `begin` on those in `low..=high`, in the order that is wanted.
fn clip(positions: &mut Vec<u64>, begin: usize, low: u64, high: u64, forwards: bool) {
    let added = positions.get_mut(begin..).unwrap_or_default();
    let from = added.partition_point(|position| *position < low);
    let to = added.partition_point(|position| *position <= high);
    let wanted = from..to.max(from);
    if !forwards && let Some(wanted) = added.get_mut(wanted.clone()) {
        wanted.reverse();
    }
    positions.truncate(begin + wanted.end);
    positions.drain(begin..begin + wanted.start);
}

/// Reads a stretch whose size the footer tells, and the footer fits the file.
fn read(file: &dyn DiskFile, at: u64, bytes: u64) -> Result<Vec<u8>, IndexError> {
    let size = usize::try_from(bytes);
    let size = size.map_err(|_| IndexError::Damaged { at, why: "a part is larger than the memory" })?;
    let mut buffer = vec![0; size];
    file.read_exact_at(at, &mut buffer).map_err(IndexError::reading(at))?;
    Ok(buffer)
}

fn read_cached(file: &dyn DiskFile, mut at: u64, mut buffer: &mut [u8]) -> Result<(), IndexError> {
    while !buffer.is_empty() {
        match file.read_cached_at(at, buffer) {
            Ok(None) => return Err(IndexError::WouldWait),
            Ok(Some(0)) => return Err(IndexError::reading(at)(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(Some(read)) => {
                at += read as u64;
                buffer = buffer.get_mut(read..).unwrap_or_default();
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(IndexError::reading(at)(error)),
        }
    }
    Ok(())
}
