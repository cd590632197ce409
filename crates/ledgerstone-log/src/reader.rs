//! Reading records by their positions, one at a time or a stretch at once.

use std::ops::RangeInclusive;

use ledgerstone_core::{LogKind, Timestamp};

use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::frame::{CHECKSUM_BYTES, checksum, record_size};
use crate::page::Page;
use crate::segment::{OpenSegment, Segment, UNCHECKED};
use crate::segment_header::u32_at;
use crate::shared::Shared;

/// How many bytes of one record are read at first; most are smaller.
const FIRST_READ: usize = 16 * 1024;
/// How many bytes of a stretch are read at once.
const CHUNK: usize = 256 * 1024;

/// Whether a reader waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It does.
    Wait,
    /// It fails with [`LogError::WouldWait`] instead.
    OnlyCached,
}

/// Fills the buffer from a file, or says that this means waiting.
fn fill(
    patience: Patience,
    file: &dyn DiskFile,
    name: &str,
    at: u64,
    buffer: &mut [u8],
) -> Result<(), LogError> {
    if patience == Patience::OnlyCached {
        let read = file.read_cached_at(at, buffer).map_err(LogError::disk("reading", name))?;
        return if read == Some(buffer.len()) { Ok(()) } else { Err(LogError::WouldWait) };
    }
    file.read_exact_at(at, buffer).map_err(LogError::disk("reading", name))
}

/// A segment that is being read.
struct Source<'a> {
    segment: &'a Segment,
    open: &'a OpenSegment,
    log: LogKind,
    patience: Patience,
}

impl Shared {
    /// Puts the record at a position on the page; tells whether there is one.
    pub(crate) fn read_one(
        &self,
        log: LogKind,
        position: u64,
        page: &mut Page,
        patience: Patience,
    ) -> Result<bool, LogError> {
        let Some((segment, last)) = self.segment_of(log, position) else { return Ok(false) };
        if position > last.0 {
            return Ok(false);
        }
        let open = self.warm(&segment, patience == Patience::Wait)?;
        let (place, next) = {
            let places = open.places.read();
            let Some(place) = places.find(log, position) else { return Ok(false) };
            (place, places.next_after(log, position))
        };
        let source = Source { segment: &segment, open: &open, log, patience };
        source.one(position, place, next, page)?;
        Ok(true)
    }

    /// Puts the records between two positions on the page, in order or from the end, until it is full or has
    /// come to the end of a segment; returns the next position to look at, if any is left.
    pub(crate) fn read_stretch(
        &self,
        log: LogKind,
        range: RangeInclusive<u64>,
        forwards: bool,
        page: &mut Page,
        patience: Patience,
    ) -> Result<Option<u64>, LogError> {
        let (low, high) = (*range.start(), *range.end());
        if low > high || page.is_full() {
            return Ok((low <= high).then_some(if forwards { low } else { high }));
        }
        let at = if forwards { low } else { high };
        let Some((segment, last)) = self.segment_of(log, at) else { return Ok(None) };
        let first = segment.header.heads.of(log).next().0;
        let (low, high) = (low.max(first), high.min(last.0));
        if low > high {
            // A gap between segments.
            return Ok(
                Some(if forwards { last.next().0 } else { last.0 }).filter(|next| range.contains(next))
            );
        }
        let open = self.warm(&segment, patience == Patience::Wait)?;
        let source = Source { segment: &segment, open: &open, log, patience };
        let next = source.stretch(low, high, forwards, page)?;
        let next = next.or_else(|| if forwards { high.checked_add(1) } else { low.checked_sub(1) });
        Ok(next.filter(|next| range.contains(next)))
    }

    /// Returns when the event at a position, or the next one that is there, was recorded.
    pub(crate) fn recorded_at(
        &self,
        log: LogKind,
        position: u64,
        high: u64,
    ) -> Result<Option<Timestamp>, LogError> {
        let mut next = Some(position);
        while let Some(at) = next {
            let mut page = Page::new(1, 1);
            next = self.read_stretch(log, at..=high, true, &mut page, Patience::Wait)?;
            if let Some(event) = page.finish().first() {
                return Ok(Some(event.recorded_at()));
            }
        }
        Ok(None)
    }

    /// Says that these records will be read, so that the disk can fetch them together; without patience it leaves
    /// out those of segments that would have to be opened.
    pub(crate) fn will_read(
        &self,
        log: LogKind,
        positions: impl Iterator<Item = u64>,
        patience: Patience,
    ) -> Result<(), LogError> {
        for position in positions {
            let Some((segment, _)) = self.segment_of(log, position) else { continue };
            let open = match self.warm(&segment, patience == Patience::Wait) {
                Err(LogError::WouldWait) => continue,
                open => open?,
            };
            let places = open.places.read();
            let Some(place) = places.find(log, position) else { continue };
            let next = places.next_after(log, position).map_or(segment.end(), u64::from);
            let bytes = next.saturating_sub(u64::from(place)).min(FIRST_READ as u64);
            open.file.will_read(u64::from(place), bytes);
        }
        Ok(())
    }
}

impl Source<'_> {
    /// Reads one record that stands at `place`, with the next one of its count at `next`.
    fn one(&self, position: u64, place: u32, next: Option<u32>, page: &mut Page) -> Result<(), LogError> {
        let at = u64::from(place);
        let end = next.map_or_else(|| self.segment.end(), u64::from);
        let most = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let from = page.bytes.len();
        page.bytes.resize(from + most.min(FIRST_READ), 0);
        self.fill(at, page, from)?;
        let begin = from + CHECKSUM_BYTES;
        let size = page.bytes.get(begin..).and_then(record_size);
        let Some(size) = size.filter(|size| size + CHECKSUM_BYTES <= most) else {
            return Err(self.damaged(at));
        };
        let whole = begin + size;
        let held = page.bytes.len();
        page.bytes.resize(whole, 0);
        if whole > held {
            self.fill(at + (held - from) as u64, page, held)?;
        }
        self.take(position, from, page)
    }

    /// Reads the records between two positions of the segment; returns where the page was full.
    fn stretch(&self, low: u64, high: u64, forwards: bool, page: &mut Page) -> Result<Option<u64>, LogError> {
        let (wanted, end, next) = self.plan((low, high), forwards, page);
        let Some(begin) = wanted.iter().map(|(_, place)| *place).min() else { return Ok(next) };
        let size = usize::try_from(end.saturating_sub(u64::from(begin))).unwrap_or_default();
        let base = page.grow(size);
        self.fill(u64::from(begin), page, base)?;
        for (position, place) in wanted {
            let from = base + (place - begin) as usize;
            let begin = from + CHECKSUM_BYTES;
            let size = page.bytes.get(begin..).and_then(record_size);
            if size.is_some_and(|size| page.bytes.len() - begin >= size) {
                self.take(position, from, page)?;
            } else {
                // It is larger than what is read at once.
                let following = self.open.places.read().next_after(self.log, position);
                self.one(position, place, following, page)?;
            }
        }
        Ok(next)
    }

    /// Chooses what to read at once: positions with their places, where the last one ends, and the position
    /// that follows if not everything fits.
    fn plan(&self, range: (u64, u64), forwards: bool, page: &Page) -> (Vec<(u64, u32)>, u64, Option<u64>) {
        let places = self.open.places.read();
        let budget = page.room_bytes().min(CHUNK) as u64;
        let (wanted, next) = places.stretch(self.log, range, forwards, (page.room(), budget));
        let last = wanted.iter().max_by_key(|(_, place)| *place);
        let following = last.and_then(|(position, _)| places.next_after(self.log, *position));
        let end = following.map_or_else(|| self.segment.end(), u64::from);
        let begin = wanted.iter().map(|(_, place)| u64::from(*place)).min().unwrap_or_default();
        (wanted, end.min(begin + budget + FIRST_READ as u64), next)
    }

    /// Checks the record whose checksum stands at `from` on the page, and adds it.
    fn take(&self, position: u64, from: usize, page: &mut Page) -> Result<(), LogError> {
        let begin = from + CHECKSUM_BYTES;
        let bytes = page.bytes.get(begin..).unwrap_or_default();
        let size = record_size(bytes).unwrap_or_default();
        let record = bytes.get(..size).unwrap_or_default();
        let stands = ledgerstone_core::RecordPlace::of(record);
        let sound = checksum(self.segment.header.salt, record) == u32_at(&page.bytes, from);
        if !sound || stands.position.0 != position || stands.log != self.log {
            let place = self.open.places.read().find(self.log, position);
            return Err(self.damaged(place.map_or(0, u64::from)));
        }
        page.push(begin..begin + size);
        Ok(())
    }

    fn fill(&self, at: u64, page: &mut Page, from: usize) -> Result<(), LogError> {
        let buffer = page.bytes.get_mut(from..).unwrap_or_default();
        fill(self.patience, &*self.open.file, &self.segment.name, at, buffer)
    }

    fn damaged(&self, at: u64) -> LogError {
        LogError::damaged(&self.segment.name, at, UNCHECKED)
    }
}
