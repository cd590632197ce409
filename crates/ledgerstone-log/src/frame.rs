//! The frame of a batch: a header that says what follows, then records and marks, each with its checksum.
//!
//! A batch is there if its header and every part of it check, else not at all. All integers are
//! little-endian; every checksum is a CRC32C that begins with the salt of the segment.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | checksum of the rest of the header |
//! | 4 | 4 | bytes that follow the header |
//! | 8 | 1 | kind: 1 a batch, 2 what the segment takes over from those before it |
//! | 9 | 3 | zero |
//! | 12 | 4 | number of events |
//! | 16 | 4 | bytes of the segment that were durable when this was written |
//! | 20 | 4 | bytes of the marks at the end, their checksum included, 0 for none |
//! | 24 | 8 | position of the newest application event after the batch |
//! | 32 | 8 | position of the newest system event after the batch |
//! | 40 | | per event: checksum (4), record; then checksum (4) and marks |

use ledgerstone_core::{Heads, Position};

use crate::segment_header::{u32_at, u64_at};

/// How many bytes the header of a frame has.
pub(crate) const FRAME_HEADER_BYTES: usize = 40;
/// How many bytes of checksum stand before each record.
pub(crate) const CHECKSUM_BYTES: usize = 4;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A batch: events, and changes of marks.
    Batch,
    /// What a segment takes over from those before it: live marks, and whose events there are.
    TakenOver,
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// What the frame holds.
    pub(crate) kind: FrameKind,
    /// How many bytes follow.
    pub(crate) body: u32,
    /// How many events there are.
    pub(crate) events: u32,
    /// How many bytes of the segment were durable when it was written.
    pub(crate) durable: u32,
    /// How many bytes at the end are marks, their checksum included.
    pub(crate) marks: u32,
    /// The newest positions afterwards.
    pub(crate) heads: Heads,
}

impl FrameHeader {
    /// Returns the bytes of the header.
    pub(crate) fn encode(&self, salt: u32) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let mut put = |at: usize, part: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
        };
        put(4, &self.body.to_le_bytes());
        let kind = match self.kind {
            FrameKind::Batch => 1,
            FrameKind::TakenOver => 2,
        };
        put(8, &[kind]);
        put(12, &self.events.to_le_bytes());
        put(16, &self.durable.to_le_bytes());
        put(20, &self.marks.to_le_bytes());
        put(24, &self.heads.application.0.to_le_bytes());
        put(32, &self.heads.system.0.to_le_bytes());
        let checksum = checksum(salt, bytes.get(4..).unwrap_or_default());
        if let Some(place) = bytes.get_mut(..4) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        bytes
    }

    /// Reads a header; nothing if these bytes are none.
    pub(crate) fn decode(salt: u32, bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..FRAME_HEADER_BYTES)?;
        if checksum(salt, bytes.get(4..)?) != u32_at(bytes, 0) {
            return None;
        }
        let kind = match bytes.get(8..12)? {
            [1, 0, 0, 0] => FrameKind::Batch,
            [2, 0, 0, 0] => FrameKind::TakenOver,
            _ => return None,
        };
        let header = Self {
            kind,
            body: u32_at(bytes, 4),
            events: u32_at(bytes, 12),
            durable: u32_at(bytes, 16),
            marks: u32_at(bytes, 20),
            heads: Heads { application: Position(u64_at(bytes, 24)), system: Position(u64_at(bytes, 32)) },
        };
        (header.marks <= header.body).then_some(header)
    }
}

/// Returns the checksum of bytes in a segment with this salt.
pub(crate) fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(salt, bytes)
}

/// Puts the checksum of what follows at a place that was kept free for it.
pub(crate) fn seal(bytes: &mut [u8], at: usize, salt: u32) {
    let sum = checksum(salt, bytes.get(at + CHECKSUM_BYTES..).unwrap_or_default());
    put_at(bytes, at, &sum.to_le_bytes());
}

/// Writes over bytes that are there already.
pub(crate) fn put_at(bytes: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

/// Returns a size as frames say it.
pub(crate) fn size32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Returns the record that stands at a place behind its checksum, and where it ends.
///
/// Nothing if it does not fit or does not check.
pub(crate) fn record_at(salt: u32, bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let begin = at.checked_add(CHECKSUM_BYTES)?;
    let end = begin.checked_add(record_size(bytes.get(begin..)?)?)?;
    let record = bytes.get(begin..end)?;
    (checksum(salt, record) == u32_at(bytes, at)).then_some((record, end))
}

/// Returns how many bytes the record that begins here says it has.
pub(crate) fn record_size(bytes: &[u8]) -> Option<usize> {
    let size = bytes.get(..4).map(|size| u32_at(size, 0) as usize)?;
    (size >= 4).then_some(size)
}

/// The parts of a whole frame that checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// Its header.
    pub(crate) header: FrameHeader,
    /// Its body.
    body: &'a [u8],
    /// Where the body begins in the segment.
    at: u64,
}

impl<'a> Frame<'a> {
    /// Checks every part of the frame whose header was read; `at` is where its body begins.
    ///
    /// The error is the place of the part that does not check.
    pub(crate) fn check(salt: u32, header: FrameHeader, body: &'a [u8], at: u64) -> Result<Self, u64> {
        let mut place = 0;
        for _ in 0..header.events {
            let (_, end) = record_at(salt, body, place).ok_or(at + place as u64)?;
            place = end;
        }
        let marks = body.get(place..).unwrap_or_default();
        let wrong = at + place as u64;
        if marks.len() != header.marks as usize {
            return Err(wrong);
        }
        if let Some((sum, marks)) = marks.split_first_chunk::<CHECKSUM_BYTES>()
            && checksum(salt, marks) != u32::from_le_bytes(*sum)
        {
            return Err(wrong);
        }
        let short = header.marks > 0 && (header.marks as usize) < CHECKSUM_BYTES;
        if short { Err(wrong) } else { Ok(Self { header, body, at }) }
    }

    /// Returns each record and where it begins in the segment, its checksum left out.
    pub(crate) fn records(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        let mut place = 0;
        (0..self.header.events).map_while(move |_| {
            let begin = place + CHECKSUM_BYTES;
            let size = record_size(self.body.get(begin..)?)?;
            place = begin + size;
            Some((self.at + begin as u64, self.body.get(begin..place)?))
        })
    }

    /// Returns the bytes of the marks.
    pub(crate) fn marks(&self) -> &'a [u8] {
        let size = (self.header.marks as usize).saturating_sub(CHECKSUM_BYTES);
        self.body.len().checked_sub(size).and_then(|from| self.body.get(from..)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(salt: u32, records: &[Vec<u8>], marks: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        for record in records {
            let mut bytes = ((record.len() + 4) as u32).to_le_bytes().to_vec();
            bytes.extend_from_slice(record);
            body.extend_from_slice(&checksum(salt, &bytes).to_le_bytes());
            body.extend_from_slice(&bytes);
        }
        let mut size = 0;
        if !marks.is_empty() {
            body.extend_from_slice(&checksum(salt, marks).to_le_bytes());
            body.extend_from_slice(marks);
            size = marks.len() + 4;
        }
        let header = FrameHeader {
            kind: FrameKind::Batch,
            body: body.len() as u32,
            events: records.len() as u32,
            durable: 128,
            marks: size as u32,
            heads: Heads::default(),
        };
        let mut bytes = header.encode(salt).to_vec();
        bytes.extend_from_slice(&body);
        bytes
    }

    fn read(salt: u32, bytes: &[u8]) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
        let header = FrameHeader::decode(salt, bytes)?;
        let body = bytes.get(FRAME_HEADER_BYTES..)?.get(..header.body as usize)?;
        let frame = Frame::check(salt, header, body, 0).ok()?;
        Some((frame.records().map(|(_, record)| record[4..].to_vec()).collect(), frame.marks().to_vec()))
    }

    fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6)
    }

    proptest! {
        #[test]
        fn a_frame_reads_back(salt: u32, records in records(), marks in proptest::collection::vec(any::<u8>(), 0..30)) {
            prop_assert_eq!(read(salt, &frame(salt, &records, &marks)), Some((records, marks)));
        }

        #[test]
        fn a_frame_with_a_flipped_bit_is_none(salt: u32, records in records(), bit: prop::sample::Index) {
            let mut bytes = frame(salt, &records, b"marks");
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(read(salt, &bytes), None);
        }

        #[test]
        fn a_frame_that_was_cut_is_none(salt: u32, records in records(), cut: prop::sample::Index) {
            let bytes = frame(salt, &records, b"marks");
            prop_assert_eq!(read(salt, &bytes[..cut.index(bytes.len())]), None);
        }

        #[test]
        fn another_segments_frame_is_none(salt: u32, other: u32, records in records()) {
            prop_assume!(salt != other);
            prop_assert_eq!(read(other, &frame(salt, &records, b"")), None);
        }

        #[test]
        fn no_bytes_panic(salt: u32, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(salt, &bytes), None);
        }
    }
}
