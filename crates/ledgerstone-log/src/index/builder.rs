//! Writes a run from its beginning to its end, with only its fences and filters in memory.

use std::sync::Arc;

use ledgerstone_core::LogKind;

use crate::disk::DiskFile;
use crate::index::block::{BLOCK_BYTES, BlockFile};
use crate::index::covers::Covers;
use crate::index::failure::IndexError;
use crate::index::fences::encode;
use crate::index::footer::Footer;
use crate::index::id_block::{IdEntry, IdWriter};
use crate::index::list_writer::ListWriter;
use crate::index::run::Run;

/// Writes a run: first its lists, rising by term, then its ids, rising by key.
///
/// The same input makes the same bytes. Whatever error it returns, the file is of no use then.
#[derive(Debug)]
pub struct RunBuilder {
    covers: Covers,
    stamp: u64,
    block_bytes: usize,
    out: BlockFile,
    lists: ListWriter,
    /// How many blocks the lists have, once the last of them is there.
    list_blocks: Option<u64>,
    ids: IdWriter,
}

impl RunBuilder {
    /// Begins a run that covers this stretch in an empty file.
    pub fn new(file: Arc<dyn DiskFile>, covers: Covers) -> Self {
        Self::with_block_bytes(file, covers, BLOCK_BYTES)
    }

    pub(super) fn with_block_bytes(file: Arc<dyn DiskFile>, covers: Covers, block_bytes: usize) -> Self {
        Self {
            covers,
            stamp: 0,
            block_bytes,
            out: BlockFile::new(file, covers, block_bytes),
            lists: ListWriter::new(covers),
            list_blocks: None,
            ids: IdWriter::new(covers),
        }
    }

    /// Says what the run is made of, by which one of something else is told from it.
    #[must_use]
    pub fn stamped(mut self, stamp: u64) -> Self {
        self.stamp = stamp;
        self
    }

    /// Adds the positions of a term, which rise and are covered; an empty list is left out.
    ///
    /// Terms rise from list to list, and all lists come before the first id. If the first revision is given,
    /// revisions rise by one with each position.
    pub fn list(
        &mut self,
        term: u64,
        first_revision: Option<u64>,
        positions: impl Iterator<Item = u64>,
    ) -> Result<(), IndexError> {
        self.begin_list(term, first_revision)?;
        for position in positions {
            self.push(position)?;
        }
        Ok(())
    }

    /// Begins a list; its positions follow.
    pub(super) fn begin_list(&mut self, term: u64, first_revision: Option<u64>) -> Result<(), IndexError> {
        match self.list_blocks {
            None => self.lists.begin(term, first_revision),
            Some(_) => Err(IndexError::Disordered("a list comes behind the ids")),
        }
    }

    /// Appends a position to the list that was begun.
    pub(super) fn push(&mut self, position: u64) -> Result<(), IndexError> {
        self.lists.push(position, &mut self.out)
    }

    /// Adds the key of an event's id; ids rise by key, then by count (application first), then by position.
    pub fn id(&mut self, key: u64, log: LogKind, position: u64) -> Result<(), IndexError> {
        self.end_lists()?;
        self.ids.push(IdEntry { key, log, position }, &mut self.out)
    }

    /// Writes the rest and makes the file durable; returns it opened.
    pub fn finish(mut self) -> Result<Run, IndexError> {
        if !self.covers.is_sound() {
            return Err(IndexError::Disordered("what an index covers ends before it begins"));
        }
        let list_blocks = self.end_lists()?;
        let Self { covers, stamp, block_bytes, mut out, lists, ids, .. } = self;
        let (lists, terms) = lists.into_fences();
        let (ids, id_count) = ids.finish(&mut out)?;
        let id_blocks = out.blocks() - list_blocks;
        let fences = encode(covers, &lists, &ids);
        let (list_filters, id_filters) = (lists.filters().bytes(), ids.filters().bytes());
        let parts = [fences.as_slice(), list_filters, id_filters];
        let footer = Footer {
            covers,
            list_blocks,
            id_blocks,
            fence_bytes: fences.len() as u64,
            filter_bytes: (list_filters.len() + id_filters.len()) as u64,
            terms,
            ids: id_count,
            stamp,
            block_bytes: u32::try_from(block_bytes).unwrap_or(u32::MAX),
            checksum: parts.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part)),
        };
        parts.iter().try_for_each(|part| out.raw(part))?;
        out.raw(&footer.encode())?;
        let (file, bytes) = out.sync()?;
        Ok(Run::assemble(file, bytes, footer, lists, ids))
    }

    /// Writes what is left of the lists, and returns how many blocks they have.
    fn end_lists(&mut self) -> Result<u64, IndexError> {
        if let Some(blocks) = self.list_blocks {
            return Ok(blocks);
        }
        self.lists.end(&mut self.out)?;
        Ok(*self.list_blocks.insert(self.out.blocks()))
    }
}
