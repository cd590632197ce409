//! Reading records by their positions, one at a time or a stretch at once.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ledgerstone_core::{LogKind, Timestamp};

use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::frame::{CHECKSUM_BYTES, checksum, record_size};
use crate::page::Page;
use crate::renewal::renewing;
use crate::segment::{OpenSegment, Segment, UNCHECKED};
use crate::segment_header::u32_at;
use crate::shared::Shared;

/// How many bytes of one record are read at first; most are smaller.
const FIRST_READ: usize = 16 * 1024;
/// How many bytes of a stretch are read at once.
const CHUNK: usize = 256 * 1024;
/// How many records of a stretch are few enough to look for them in the file of the table.
const FEW: usize = 128;

/// Whether a reader waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It does.
    Wait,
    /// It fails with [`LogError::WouldWait`] instead.
    OnlyCached,
}

impl Patience {
    /// Fills the buffer from a file, or says that this means waiting.
    pub(crate) fn fill(
        self,
        file: &dyn DiskFile,
        name: &str,
        at: u64,
        buffer: &mut [u8],
    ) -> Result<(), LogError> {
        if self == Self::OnlyCached {
            let read = file.read_cached_at(at, buffer).map_err(LogError::disk("reading", name))?;
            return if read == Some(buffer.len()) { Ok(()) } else { Err(LogError::WouldWait) };
        }
        file.read_exact_at(at, buffer).map_err(LogError::disk("reading", name))
    }
}

/// Takes what was read by places that nobody vouches for; nothing if they led to anything else.
fn unvouched<T>(read: Result<T, LogError>) -> Result<Option<T>, LogError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(LogError::WouldWait) => Err(LogError::WouldWait),
        Err(_) => Ok(None),
    }
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
        renewing(|| self.read_at(log, position, page, patience), |file| self.renew(file))
    }

    fn read_at(
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
        if let Some(open) = segment.opened() {
            return Source { segment: &segment, open: &open, log, patience }.find(position, page);
        }
        if let Some(open) = self.open_ajar(&segment, log, position..=position, patience)? {
            let source = Source { segment: &segment, open: &open, log, patience };
            // A place that is none may be a damaged one.
            if unvouched(source.find(position, page))? == Some(true) {
                return Ok(true);
            }
        }
        let open = self.warm(&segment, patience == Patience::Wait)?;
        Source { segment: &segment, open: &open, log, patience }.find(position, page)
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
        renewing(|| self.stretch_at(log, range.clone(), forwards, page, patience), |file| self.renew(file))
    }

    fn stretch_at(
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
        let next = self.read_within(&segment, log, (low, high), forwards, page, patience)?;
        let next = next.or_else(|| if forwards { high.checked_add(1) } else { low.checked_sub(1) });
        Ok(next.filter(|next| range.contains(next)))
    }

    /// Does as [`Self::read_stretch`] with positions that all belong to one segment.
    fn read_within(
        &self,
        segment: &Arc<Segment>,
        log: LogKind,
        (low, high): (u64, u64),
        forwards: bool,
        page: &mut Page,
        patience: Patience,
    ) -> Result<Option<u64>, LogError> {
        if let Some(open) = segment.opened() {
            return Source { segment, open: &open, log, patience }.stretch((low, high), forwards, page);
        }
        // One more than there is room for, so that it is known where to go on.
        let span = page.room() as u64;
        let asked = match forwards {
            true => low..=high.min(low.saturating_add(span)),
            false => low.max(high.saturating_sub(span))..=high,
        };
        if page.room() <= FEW
            && let Some(open) = self.open_ajar(segment, log, asked, patience)?
            && open.places.read().is_dense()
        {
            let source = Source { segment, open: &open, log, patience };
            if let Some(next) = unvouched(source.stretch((low, high), forwards, page))? {
                return Ok(next);
            }
        }
        let open = self.warm(segment, patience == Patience::Wait)?;
        Source { segment, open: &open, log, patience }.stretch((low, high), forwards, page)
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
        let announce =
            |position, patience| renewing(|| self.announce(log, position, patience), |file| self.renew(file));
        let mut waiting = Vec::new();
        for position in positions {
            match announce(position, Patience::OnlyCached) {
                Err(LogError::WouldWait) => waiting.push(position),
                announced => announced?,
            }
        }
        if patience == Patience::Wait {
            // By now the disk fetches together what says where they stand.
            for position in waiting {
                announce(position, patience)?;
            }
        }
        Ok(())
    }

    fn announce(&self, log: LogKind, position: u64, patience: Patience) -> Result<(), LogError> {
        let Some((segment, _)) = self.segment_of(log, position) else { return Ok(()) };
        let opened = segment.opened();
        let places_alone = match opened {
            Some(_) => None,
            None => self.open_ajar(&segment, log, position..=position, patience)?.map(Arc::new),
        };
        let open = match opened.or(places_alone) {
            Some(open) => open,
            None => self.warm(&segment, patience == Patience::Wait)?,
        };
        let places = open.places.read();
        let Some(place) = places.find(log, position) else { return Ok(()) };
        let next = places.next_after(log, position).map_or(segment.end(), u64::from);
        let bytes = next.saturating_sub(u64::from(place)).min(FIRST_READ as u64);
        open.file.will_read(u64::from(place), bytes);
        Ok(())
    }
}

impl Source<'_> {
    /// Reads the record at a position; tells whether there is one.
    fn find(&self, position: u64, page: &mut Page) -> Result<bool, LogError> {
        let (place, next) = {
            let places = self.open.places.read();
            let Some(place) = places.find(self.log, position) else { return Ok(false) };
            (place, places.next_after(self.log, position))
        };
        page.keep_if_read(|page| self.one(position, place, next, page))?;
        Ok(true)
    }

    /// Reads the records between two positions of the segment; returns where the page was full.
    fn stretch(&self, range: (u64, u64), forwards: bool, page: &mut Page) -> Result<Option<u64>, LogError> {
        page.keep_if_read(|page| self.many(range, forwards, page))
    }

    /// Reads one record that stands at `place`, with the next one of its count at `next`.
    fn one(&self, position: u64, place: u32, next: Option<u32>, page: &mut Page) -> Result<(), LogError> {
        let at = u64::from(place);
        let end = self.end_before(next);
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

    fn many(&self, range: (u64, u64), forwards: bool, page: &mut Page) -> Result<Option<u64>, LogError> {
        let (wanted, end, next) = self.plan(range, forwards, page);
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
        let end = self.end_before(following);
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

    /// Returns where a record ends at the latest, with the next one of its count at `next`.
    fn end_before(&self, next: Option<u32>) -> u64 {
        next.map_or(u64::MAX, u64::from).min(self.segment.end())
    }

    fn fill(&self, at: u64, page: &mut Page, from: usize) -> Result<(), LogError> {
        let buffer = page.bytes.get_mut(from..).unwrap_or_default();
        self.patience.fill(&*self.open.file, &self.segment.name, at, buffer)
    }

    fn damaged(&self, at: u64) -> LogError {
        LogError::damaged(&self.segment.name, at, UNCHECKED)
    }
}
