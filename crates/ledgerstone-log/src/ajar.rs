//! A closed segment that is open without its table, of which a few places are read from the disk instead.

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ledgerstone_core::LogKind;
use parking_lot::RwLock;

use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::places_file::PlacesFile;
use crate::reader::Patience;
use crate::segment::{OpenSegment, Segment};
use crate::shared::Shared;

/// After how many lookups a table is worth being loaded, if there is room for it: about when they have cost as
/// much as loading does, which reads and checks 150 pages.
const OFTEN: u32 = if cfg!(test) { 5 } else { 256 };

/// A closed segment whose table is left where it lies.
#[derive(Debug)]
pub(crate) struct Ajar {
    file: Arc<dyn DiskFile>,
    places: PlacesFile,
    /// How many lookups there were since somebody last thought about loading the table.
    lookups: AtomicU32,
}

impl Ajar {
    pub(crate) fn new(file: Arc<dyn DiskFile>, places: PlacesFile) -> Self {
        Self { file, places, lookups: AtomicU32::new(0) }
    }

    /// Counts a lookup; tells whether there were as many as make the table worth being loaded.
    fn is_asked_often(&self) -> bool {
        let often = self.lookups.fetch_add(1, Ordering::Relaxed) >= OFTEN;
        if often {
            self.lookups.store(0, Ordering::Relaxed);
        }
        often
    }
}

impl Shared {
    /// Returns a segment that is not open with the places of some positions only; nothing if its whole table has
    /// to be loaded.
    ///
    /// Nobody vouches for these places: a record that is not the one that was looked for says nothing of the log
    /// until the whole table, which has a checksum, leads there too.
    pub(crate) fn open_ajar(
        &self,
        segment: &Arc<Segment>,
        log: LogKind,
        positions: RangeInclusive<u64>,
        patience: Patience,
    ) -> Result<Option<OpenSegment>, LogError> {
        let ajar = match segment.ajar() {
            Some(ajar) => ajar,
            None if patience == Patience::OnlyCached => return Err(LogError::WouldWait),
            None => {
                let Some(ajar) = segment.set_ajar(&*self.disk) else { return Ok(None) };
                self.warm.lock().keep_ajar(segment);
                ajar
            }
        };
        let may_load = patience == Patience::Wait && ajar.is_asked_often();
        if may_load && self.warm.lock().has_room(ajar.places.bytes()) {
            return Ok(None);
        }
        let places = ajar.places.read(log, positions, patience)?;
        Ok(places.map(|places| OpenSegment { file: Arc::clone(&ajar.file), places: RwLock::new(places) }))
    }
}
