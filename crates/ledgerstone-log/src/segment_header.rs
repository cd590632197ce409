//! The header of a segment: which log, which stretch of it, and where its predecessor ends.
//!
//! All integers are little-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `LEDGLOG` and a zero |
//! | 8 | 4 | version of the format: 1, or 2 for a segment that was scavenged |
//! | 12 | 4 | CRC32C of everything else in the header |
//! | 16 | 8 | number of the segment, from 1 |
//! | 24 | 8 | number of its predecessor, 0 for none |
//! | 32 | 8 | where the predecessor ends: what stands behind that was never acknowledged, and is void |
//! | 40 | 16 | id of the log |
//! | 56 | 4 | epoch of the log |
//! | 60 | 4 | salt: the checksums of the segment begin with it, so that no other segment's bytes pass |
//! | 64 | 8 | seed of the hashes in the index |
//! | 72 | 8 | position of the newest application event before it |
//! | 80 | 8 | position of the newest system event before it |
//! | 88 | 8 | time of the newest event before it, microseconds |
//! | 96 | 8 | where its batches begin: what stands before was durable before the segment got its name |
//! | 104 | 8 | scavenged: where it ends now |
//! | 112 | 8 | scavenged: where it ended when it was closed, as its successor says |
//! | 120 | 4 | scavenged: how many of its records are stubs |
//! | 124 | 4 | scavenged: how often |
//!
//! What is said of a scavenged segment is zero in any other.

use ledgerstone_core::{Heads, LogIdentity, Position, Timestamp};
use uuid::Uuid;

use crate::failure::LogError;

/// How many bytes a header has.
pub(crate) const HEADER_BYTES: usize = 128;
/// The newest version of the format that is known here.
pub(crate) const FORMAT: u32 = 2;
/// The version of a segment that is as it was written, which older versions read too.
const AS_WRITTEN: u32 = 1;
const MAGIC: &[u8; 8] = b"LEDGLOG\0";
/// How the name of a file ends that is not whole yet.
pub(crate) const PARTIAL: &str = ".partial";

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The number of the segment, from 1.
    pub(crate) number: u64,
    /// The number of its predecessor, 0 for none.
    pub(crate) previous: u64,
    /// Where its predecessor ends.
    pub(crate) previous_end: u64,
    /// Which log it belongs to.
    pub(crate) log: LogIdentity,
    /// What its checksums begin with.
    pub(crate) salt: u32,
    /// The seed of the hashes in the index.
    pub(crate) seed: u64,
    /// The newest positions before it.
    pub(crate) heads: Heads,
    /// When the newest event before it was recorded.
    pub(crate) recorded_at: Timestamp,
    /// Where its batches begin.
    pub(crate) batches_at: u64,
    /// What became of it, if it was scavenged.
    pub(crate) scavenged: Option<Scavenged>,
}

/// What the header of a scavenged segment says beside the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scavenged {
    /// Where the segment ends now.
    pub(crate) end: u64,
    /// Where it ended when it was closed, as its successor says.
    pub(crate) written_end: u64,
    /// How many of its records are stubs.
    pub(crate) stubs: u32,
    /// How often it was scavenged.
    pub(crate) times: u32,
}

impl SegmentHeader {
    /// Returns the bytes of the header.
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        };
        put(MAGIC);
        put(&self.scavenged.map_or(AS_WRITTEN, |_| FORMAT).to_le_bytes());
        put(&[0; 4]);
        put(&self.number.to_le_bytes());
        put(&self.previous.to_le_bytes());
        put(&self.previous_end.to_le_bytes());
        put(self.log.id.as_bytes());
        put(&self.log.epoch.to_le_bytes());
        put(&self.salt.to_le_bytes());
        put(&self.seed.to_le_bytes());
        put(&self.heads.application.0.to_le_bytes());
        put(&self.heads.system.0.to_le_bytes());
        put(&self.recorded_at.as_micros().to_le_bytes());
        put(&self.batches_at.to_le_bytes());
        if let Some(scavenged) = self.scavenged {
            put(&scavenged.end.to_le_bytes());
            put(&scavenged.written_end.to_le_bytes());
            put(&scavenged.stubs.to_le_bytes());
            put(&scavenged.times.to_le_bytes());
        }
        let checksum = checksum(&bytes);
        if let Some(place) = bytes.get_mut(12..16) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        bytes
    }

    /// Reads a header; says what is wrong with bytes that are none.
    pub(crate) fn decode(file: &str, bytes: &[u8; HEADER_BYTES]) -> Result<Self, LogError> {
        if !bytes.starts_with(MAGIC) {
            return Err(LogError::damaged(file, 0, "it does not begin like a segment of a log"));
        }
        let found = u32_at(bytes, 8);
        if found > FORMAT {
            return Err(LogError::Newer { file: file.to_owned(), found, known: FORMAT });
        }
        if found == 0 || checksum(bytes) != u32_at(bytes, 12) {
            return Err(LogError::damaged(file, 12, "the checksum of the header does not match"));
        }
        Ok(Self {
            number: u64_at(bytes, 16),
            previous: u64_at(bytes, 24),
            previous_end: u64_at(bytes, 32),
            log: LogIdentity { id: Uuid::from_bytes(array(bytes, 40)), epoch: u32_at(bytes, 56) },
            salt: u32_at(bytes, 60),
            seed: u64_at(bytes, 64),
            heads: Heads { application: Position(u64_at(bytes, 72)), system: Position(u64_at(bytes, 80)) },
            recorded_at: Timestamp::from_micros(u64_at(bytes, 88).cast_signed()),
            batches_at: u64_at(bytes, 96),
            scavenged: (found > AS_WRITTEN).then(|| Scavenged {
                end: u64_at(bytes, 104),
                written_end: u64_at(bytes, 112),
                stubs: u32_at(bytes, 120),
                times: u32_at(bytes, 124),
            }),
        })
    }

    /// Tells whether this is what scavenging made of a segment that ended at `written_end` when it was closed.
    pub(crate) fn is_scavenged_from(&self, earlier: &Self, written_end: u64) -> bool {
        let times = earlier.scavenged.map_or(0, |scavenged| scavenged.times);
        let is_later = self
            .scavenged
            .is_some_and(|scavenged| scavenged.written_end == written_end && scavenged.times > times);
        let rest = Self { batches_at: earlier.batches_at, scavenged: earlier.scavenged, ..*self };
        is_later && rest == *earlier
    }

    /// Returns where the segment ends that `next` follows; the error is what `next` should not have said.
    pub(crate) fn end_before(&self, next: &Self) -> Result<u64, LogError> {
        match self.scavenged {
            None => Ok(next.previous_end),
            Some(scavenged) if scavenged.written_end == next.previous_end => Ok(scavenged.end),
            Some(scavenged) => Err(LogError::Mixed(format!(
                "{} ended at byte {} when it was closed, and {} follows one that ended at {}",
                segment_name(self.number),
                scavenged.written_end,
                segment_name(next.number),
                next.previous_end
            ))),
        }
    }
}

/// Returns the name of the file of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:012}.log")
}

/// Returns the number of the segment that a file of this name holds.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    let number: u64 = digits.parse().ok()?;
    (number > 0 && segment_name(number) == name).then_some(number)
}

fn checksum(bytes: &[u8; HEADER_BYTES]) -> u32 {
    let (front, rest) = bytes.split_at(12);
    crc32c::crc32c_append(crc32c::crc32c(front), rest.get(4..).unwrap_or_default())
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// Returns bytes at a place, zeros where there are none.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    if let Some(part) = bytes.get(at..).and_then(|rest| rest.get(..N)) {
        array.copy_from_slice(part);
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            number: 7,
            previous: 6,
            previous_end: 4096,
            log: LogIdentity { id: Uuid::from_u128(9), epoch: 2 },
            salt: 0xABCD_EF01,
            seed: 3,
            heads: Heads { application: Position(70), system: Position(5) },
            recorded_at: Timestamp::from_micros(-5),
            batches_at: 300,
            scavenged: None,
        }
    }

    fn scavenged() -> SegmentHeader {
        let scavenged = Scavenged { end: 700, written_end: 9000, stubs: 4, times: 2 };
        SegmentHeader { scavenged: Some(scavenged), ..header() }
    }

    #[test]
    fn a_header_reads_back() {
        for header in [header(), scavenged()] {
            assert_eq!(SegmentHeader::decode("x", &header.encode()).expect("sound"), header);
        }
    }

    #[test]
    fn a_header_with_any_bit_flipped_is_refused() {
        for sound in [header().encode(), scavenged().encode()] {
            for bit in 0..HEADER_BYTES * 8 {
                let mut bytes = sound;
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(SegmentHeader::decode("x", &bytes).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn only_a_scavenged_segment_asks_for_a_newer_version() {
        assert_eq!(u32_at(&header().encode(), 8), 1);
        assert_eq!(u32_at(&scavenged().encode(), 8), 2);
    }

    #[test]
    fn a_scavenged_segment_ends_where_it_says_if_its_successor_follows_it() {
        let mut next = header();
        next.previous_end = 9000;
        assert_eq!(header().end_before(&next).expect("an end"), 9000);
        assert_eq!(scavenged().end_before(&next).expect("an end"), 700);
        next.previous_end = 700;
        assert!(scavenged().end_before(&next).is_err());
    }

    #[test]
    fn only_our_own_names_are_segments() {
        assert_eq!(segment_number(&segment_name(12)), Some(12));
        for name in ["12.log", "000000000000.log", "000000000012.index", "x.log", "+00000000012.log"] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
