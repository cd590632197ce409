//! Rewriting a closed segment: removed events become stubs, batches share frames, and marks go.

use bytes::Bytes;
use ledgerstone_core::{Heads, LogKind, RecordedEvent};

use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::frame::{CHECKSUM_BYTES, FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind, checksum};
use crate::places::Places;
use crate::scanner::Scanner;
use crate::segment::{Segment, checksum_place, later, place_of};
use crate::segment_header::{HEADER_BYTES, Scavenged, SegmentHeader};

/// How large the body of a frame grows, about.
const FRAME_BYTES: usize = if cfg!(test) { 300 } else { 256 * 1024 };
/// After how many bytes somebody is asked whether to go on.
const STRETCH: u64 = if cfg!(test) { 200 } else { 256 * 1024 };

/// What becomes of a segment.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// Its header afterwards.
    pub(crate) header: SegmentHeader,
    /// Where it ends afterwards.
    pub(crate) end: u64,
    /// How many events become stubs that were none.
    pub(crate) events: u64,
    /// Where the records stand afterwards.
    pub(crate) places: Places,
}

/// What a rewriting is told.
pub(crate) struct Orders<'a> {
    /// Tells whether an application event was removed.
    pub(crate) is_removed: &'a dyn Fn(&RecordedEvent) -> bool,
    /// Is told how many bytes were read and written, and says whether to go on.
    pub(crate) go_on: &'a mut dyn FnMut(u64, u64) -> bool,
}

/// Reads a segment and writes what is left of it behind the place of a header, or finds out how much that would
/// be; nothing if it was told to stop.
///
/// The header of what was written is still to be put at its beginning, and everything to be synced.
pub(crate) fn rewrite(
    segment: &Segment,
    from: &dyn DiskFile,
    into: Option<&dyn DiskFile>,
    orders: &mut Orders<'_>,
) -> Result<Option<Rewritten>, LogError> {
    let mut rewriting = Rewriting::begin(segment, into);
    let mut scanner = Scanner::new(from, &segment.name, segment.header.salt, segment.end());
    let (mut told_read, mut told_written) = (0, HEADER_BYTES as u64);
    while let Some((read, frame)) = scanner.next_whole()? {
        rewriting.take(&frame, orders.is_removed)?;
        if read - told_read >= STRETCH {
            let written = if into.is_some() { rewriting.at } else { told_written };
            if !(orders.go_on)(read - told_read, written - told_written) {
                return Ok(None);
            }
            (told_read, told_written) = (read, written);
        }
    }
    rewriting.flush()?;
    let written = if into.is_some() { rewriting.at } else { told_written };
    let goes_on = (orders.go_on)(segment.end() - told_read, written - told_written);
    Ok(goes_on.then(|| rewriting.end()))
}

struct Rewriting<'a> {
    segment: &'a Segment,
    into: Option<&'a dyn DiskFile>,
    /// The frame that is being filled.
    frame: Vec<u8>,
    events: u32,
    /// Where the frame begins.
    at: u64,
    /// The positions after what was put, and after the newest whole frame.
    heads: Heads,
    settled: Heads,
    places: Places,
    stubs: u32,
    removed: u64,
}

impl<'a> Rewriting<'a> {
    fn begin(segment: &'a Segment, into: Option<&'a dyn DiskFile>) -> Self {
        let heads = segment.header.heads;
        Self {
            segment,
            into,
            frame: vec![0; FRAME_HEADER_BYTES],
            events: 0,
            at: HEADER_BYTES as u64,
            heads,
            settled: heads,
            places: Places::after(heads),
            stubs: 0,
            removed: 0,
        }
    }

    /// Takes the events of a batch; its marks are left out, since the next segment took them over.
    fn take(
        &mut self,
        frame: &Frame<'_>,
        is_removed: &dyn Fn(&RecordedEvent) -> bool,
    ) -> Result<(), LogError> {
        for (_, record) in frame.records() {
            let event = RecordedEvent::trusted(Bytes::copy_from_slice(record));
            if event.is_stub() {
                self.stubs += 1;
                self.put(record)?;
            } else if event.log() == LogKind::Application && is_removed(&event) {
                self.stubs += 1;
                self.removed += 1;
                self.put(event.stub().as_bytes())?;
            } else {
                self.put(record)?;
            }
        }
        self.heads = later(self.heads, frame.header.heads);
        Ok(())
    }

    fn put(&mut self, record: &[u8]) -> Result<(), LogError> {
        if self.frame.len() >= FRAME_BYTES {
            self.flush()?;
        }
        let at = self.at + (self.frame.len() + CHECKSUM_BYTES) as u64;
        let (log, position) = place_of(record);
        self.places.push(log, position, checksum_place(at));
        self.heads.set(log, position);
        self.frame.extend_from_slice(&checksum(self.segment.header.salt, record).to_le_bytes());
        self.frame.extend_from_slice(record);
        self.events += 1;
        Ok(())
    }

    /// Ends the frame, if there is anything to be said in it.
    fn flush(&mut self) -> Result<(), LogError> {
        if self.events == 0 && self.heads == self.settled {
            return Ok(());
        }
        let header = FrameHeader {
            kind: FrameKind::Batch,
            body: u32::try_from(self.frame.len() - FRAME_HEADER_BYTES).unwrap_or(u32::MAX),
            events: self.events,
            durable: 0,
            marks: 0,
            heads: self.heads,
        };
        if let Some(place) = self.frame.get_mut(..FRAME_HEADER_BYTES) {
            place.copy_from_slice(&header.encode(self.segment.header.salt));
        }
        if let Some(into) = self.into {
            let name = &self.segment.name;
            into.write_at(self.at, &self.frame).map_err(LogError::disk("scavenging", name))?;
        }
        self.at += self.frame.len() as u64;
        self.frame.truncate(FRAME_HEADER_BYTES);
        self.events = 0;
        self.settled = self.heads;
        Ok(())
    }

    fn end(self) -> Rewritten {
        let before = self.segment.header;
        let scavenged = Scavenged {
            end: self.at,
            written_end: self.segment.written_end(),
            stubs: self.stubs,
            times: before.scavenged.map_or(0, |scavenged| scavenged.times).saturating_add(1),
        };
        let header = SegmentHeader {
            // Nothing of it was ever torn: it got its name when all of it was durable.
            batches_at: HEADER_BYTES as u64,
            scavenged: Some(scavenged),
            ..before
        };
        Rewritten { header, end: self.at, events: self.removed, places: self.places }
    }
}
