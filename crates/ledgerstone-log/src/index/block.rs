//! The blocks of a run: a checksum, how many bytes are used, those bytes, and zeros up to the fixed size.
//!
//! The checksum begins with what the run covers and the number of the block, so that a block of another
//! run, or in another place, does not pass.

use std::sync::Arc;

use crate::disk::DiskFile;
use crate::index::covers::Covers;
use crate::index::failure::IndexError;
use crate::segment_header::array;

/// How large a block is: a page, which is what a cold read costs anyway.
pub(super) const BLOCK_BYTES: usize = 4096;
/// The smallest block in which a list with the longest numbers has room.
pub(super) const LEAST_BLOCK_BYTES: usize = 64;
/// The checksum and the number of used bytes.
const HEADER: usize = 6;
/// How much is handed to the disk at once.
const WRITE_BYTES: usize = 64 * 1024;

/// A file of blocks that is being written from its beginning.
#[derive(Debug)]
pub(super) struct BlockFile {
    file: Arc<dyn DiskFile>,
    covers: Covers,
    block_bytes: usize,
    blocks: u64,
    at: u64,
    pending: Vec<u8>,
}

impl BlockFile {
    pub(super) fn new(file: Arc<dyn DiskFile>, covers: Covers, block_bytes: usize) -> Self {
        Self { file, covers, block_bytes, blocks: 0, at: 0, pending: Vec::with_capacity(WRITE_BYTES) }
    }

    /// Returns how many bytes a block has for its content.
    pub(super) fn room(&self) -> usize {
        self.block_bytes - HEADER
    }

    /// Returns how many blocks were written.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Appends a block.
    pub(super) fn block(&mut self, content: &[u8]) -> Result<(), IndexError> {
        let begin = self.pending.len();
        self.pending.extend_from_slice(&[0; 4]);
        self.pending.extend_from_slice(&(content.len() as u16).to_le_bytes());
        self.pending.extend_from_slice(content);
        self.pending.resize(begin + self.block_bytes, 0);
        if let Some((place, rest)) = self.pending.get_mut(begin..).and_then(<[u8]>::split_first_chunk_mut) {
            *place = checksum(self.covers, self.blocks, rest).to_le_bytes();
        }
        self.blocks += 1;
        self.write_if(WRITE_BYTES)
    }

    /// Appends bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        for part in bytes.chunks(WRITE_BYTES) {
            self.pending.extend_from_slice(part);
            self.write_if(WRITE_BYTES)?;
        }
        Ok(())
    }

    /// Makes all of it durable; returns the file and its size.
    pub(super) fn sync(mut self) -> Result<(Arc<dyn DiskFile>, u64), IndexError> {
        self.write_if(1)?;
        self.file.sync().map_err(IndexError::disk("syncing"))?;
        Ok((self.file, self.at))
    }

    fn write_if(&mut self, least: usize) -> Result<(), IndexError> {
        if self.pending.len() >= least {
            self.file.write_at(self.at, &self.pending).map_err(IndexError::disk("writing"))?;
            self.at += self.pending.len() as u64;
            self.pending.clear();
        }
        Ok(())
    }
}

/// Returns the content of a block; nothing if it is damaged.
pub(super) fn content(covers: Covers, number: u64, block: &[u8]) -> Option<&[u8]> {
    let (sum, rest) = block.split_first_chunk::<4>()?;
    if checksum(covers, number, rest) != u32::from_le_bytes(*sum) {
        return None;
    }
    let used = u16::from_le_bytes(array(rest, 0));
    block.get(HEADER..)?.get(..usize::from(used))
}

fn checksum(covers: Covers, number: u64, rest: &[u8]) -> u32 {
    let salt = crc32c::crc32c_append(crc32c::crc32c(&covers.to_bytes()), &number.to_le_bytes());
    crc32c::crc32c_append(salt, rest)
}
