//! Zeros that are written behind the end of a segment before anything else has to stand there.

use crate::disk::DiskFile;

/// How many are written at once.
const AHEAD_BYTES: usize = if cfg!(test) { 512 } else { 1024 * 1024 };
/// A commit is small that has no more bytes than this.
const SMALL_BYTES: usize = AHEAD_BYTES / 4;

/// Writes zeros ahead of small commits.
///
/// A sync of bytes whose place on the disk was found before is one step; else the file system notes the place
/// too. Large commits do not gain by it, so that a log that is loaded is not written twice.
#[derive(Debug)]
pub(crate) struct ZerosAhead {
    zeros: Vec<u8>,
    /// Up to where they stand in the segment.
    filled: u64,
}

impl ZerosAhead {
    /// Begins without any; nothing is ever written where it is not wanted.
    pub(crate) fn new(is_wanted: bool) -> Self {
        Self { zeros: vec![0; if is_wanted { AHEAD_BYTES } else { 0 }], filled: 0 }
    }

    /// Writes them behind a commit that ends at `end`, if it was small and they are used up; the segment grows no
    /// larger by it than it is to be.
    pub(crate) fn follow(&mut self, file: &dyn DiskFile, end: u64, commit_bytes: usize, segment_bytes: u64) {
        if commit_bytes > SMALL_BYTES || end <= self.filled {
            return;
        }
        let room = usize::try_from(segment_bytes.saturating_sub(end)).unwrap_or(usize::MAX);
        let zeros = self.zeros.get(..room.min(self.zeros.len())).unwrap_or_default();
        // Where there is no room for them, there may be for the next commit.
        let is_written = !zeros.is_empty() && file.write_at(end, zeros).is_ok();
        self.filled = end + if is_written { zeros.len() as u64 } else { 0 };
    }

    /// Begins anew in another segment, or in one that was cut.
    pub(crate) fn restart(&mut self) {
        self.filled = 0;
    }
}
