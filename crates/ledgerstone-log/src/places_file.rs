//! The table of places of a closed segment where it lies: entries are read from its file, a few at a time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ledgerstone_core::{Heads, LogKind};

use crate::disk::{Disk, DiskFile};
use crate::failure::LogError;
use crate::places::{Front, PLACE_BYTES, Places};
use crate::reader::Patience;
use crate::segment::places_name;
use crate::segment_header::SegmentHeader;

/// A table of places that is not loaded.
///
/// The checksum of the file covers the whole of it, so an entry that is read alone vouches for nothing.
#[derive(Debug)]
pub(crate) struct PlacesFile {
    file: Arc<dyn DiskFile>,
    name: String,
    front: Front,
    before: Heads,
}

impl PlacesFile {
    /// Opens the table of a segment that ends at `end`; nothing if there is none, or it is another's.
    pub(crate) fn open(disk: &dyn Disk, header: &SegmentHeader, end: u64) -> Option<Self> {
        let name = places_name(header.number);
        let file = disk.open(&name).ok()?;
        let mut bytes = [0; Front::BYTES];
        file.read_exact_at(0, &mut bytes).ok()?;
        let before = header.heads;
        let front = Front::decode(&bytes, header.salt, end, before)?;
        let fits = front.file_bytes() == file.size().ok()?;
        fits.then_some(Self { file, name, front, before })
    }

    /// Reads where the records at some positions stand, and the one behind them; nothing if not all are there.
    pub(crate) fn read(
        &self,
        log: LogKind,
        positions: RangeInclusive<u64>,
        patience: Patience,
    ) -> Result<Option<Places>, LogError> {
        let Some((at, mut entries)) = self.place(log, &positions) else { return Ok(None) };
        match patience.fill(&*self.file, &self.name, at, &mut entries) {
            Ok(()) => Ok(Some(Places::stretch_of(log, *positions.start(), &entries))),
            Err(LogError::WouldWait) => {
                self.file.will_read(at, entries.len() as u64);
                Err(LogError::WouldWait)
            }
            // Who loads the whole table makes another one.
            Err(_) => Ok(None),
        }
    }

    /// Returns where the entries of some positions stand in the file, and room for them and the next one.
    fn place(&self, log: LogKind, positions: &RangeInclusive<u64>) -> Option<(u64, Vec<u8>)> {
        let first = positions.start().checked_sub(self.before.of(log).0)?.checked_sub(1)?;
        let asked = positions.end().checked_sub(*positions.start())?.checked_add(1)?;
        let (begin, count) = self.front.entries(log);
        let left = u64::from(count).checked_sub(first).filter(|left| *left >= asked)?;
        let entries = usize::try_from(left.min(asked.saturating_add(1))).ok()?;
        Some((begin + PLACE_BYTES * first, vec![0; PLACE_BYTES as usize * entries]))
    }

    /// Returns how many bytes the table takes in memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.front.file_bytes()).unwrap_or(usize::MAX)
    }
}
