//! The watermark: how far a log is durable, as its owner tells whoever reads the folder beside it.
//!
//! The file has two slots of 128 bytes. The owner writes them in turn after its commits and syncs neither; a slot
//! that is just being written does not check, and the other one still stands. All integers are little-endian.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `LEDGWMK` and a zero |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | CRC32C of everything else in the slot |
//! | 16 | 8 | number of the writing, from 1; the higher one is the newer |
//! | 24 | 16 | id of the log |
//! | 40 | 4 | epoch of the log |
//! | 44 | 4 | zero |
//! | 48 | 8 | number of the newest segment |
//! | 56 | 8 | up to where it is durable |
//! | 64 | 8 | position of the newest durable application event |
//! | 72 | 8 | position of the newest durable system event |
//! | 80 | 48 | zero |

use std::io;
use std::sync::Arc;

use ledgerstone_core::{Heads, LogIdentity, Position};
use uuid::Uuid;

use crate::disk::{Disk, DiskFile};
use crate::segment_header::{array, u32_at, u64_at};

/// The name of the file.
pub(crate) const WATERMARK: &str = "watermark";
const MAGIC: &[u8; 8] = b"LEDGWMK\0";
const FORMAT: u32 = 1;
const SLOT_BYTES: usize = 128;
/// How often a file both of whose slots are just being written is looked at again.
const GLANCES: usize = 1000;

/// How far a log is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Which log.
    pub log: LogIdentity,
    /// The number of its newest segment.
    pub segment: u64,
    /// Up to where that is durable.
    pub end: u64,
    /// The newest durable positions.
    pub heads: Heads,
}

impl Watermark {
    /// Reads what the owner of a folder told last; nothing if no owner ever did.
    pub fn read(disk: &dyn Disk) -> io::Result<Option<Self>> {
        Ok(newer_slot(disk)?.map(|(_, told)| told))
    }

    fn encode(&self, number: u64) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        let mut put = |at: usize, part: &[u8]| {
            if let Some(place) = slot.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
        };
        put(0, MAGIC);
        put(8, &FORMAT.to_le_bytes());
        put(16, &number.to_le_bytes());
        put(24, self.log.id.as_bytes());
        put(40, &self.log.epoch.to_le_bytes());
        put(48, &self.segment.to_le_bytes());
        put(56, &self.end.to_le_bytes());
        put(64, &self.heads.application.0.to_le_bytes());
        put(72, &self.heads.system.0.to_le_bytes());
        let checksum = checksum(&slot).to_le_bytes();
        if let Some(place) = slot.get_mut(12..16) {
            place.copy_from_slice(&checksum);
        }
        slot
    }

    fn decode(slot: &[u8]) -> Option<(u64, Self)> {
        let slot: &[u8; SLOT_BYTES] = slot.try_into().ok()?;
        let sound =
            slot.starts_with(MAGIC) && u32_at(slot, 8) == FORMAT && u32_at(slot, 12) == checksum(slot);
        let log = LogIdentity { id: Uuid::from_bytes(array(slot, 24)), epoch: u32_at(slot, 40) };
        let heads = Heads { application: Position(u64_at(slot, 64)), system: Position(u64_at(slot, 72)) };
        let told = Self { log, segment: u64_at(slot, 48), end: u64_at(slot, 56), heads };
        sound.then(|| (u64_at(slot, 16), told))
    }
}

fn checksum(slot: &[u8; SLOT_BYTES]) -> u32 {
    let (front, rest) = slot.split_at(12);
    crc32c::crc32c_append(crc32c::crc32c(front), rest.get(4..).unwrap_or_default())
}

/// Reads the newer slot and its number.
fn newer_slot(disk: &dyn Disk) -> io::Result<Option<(u64, Watermark)>> {
    let file = match disk.open(WATERMARK) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for _ in 0..GLANCES {
        let mut bytes = [0; 2 * SLOT_BYTES];
        match file.read_exact_at(0, &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let slots = bytes.chunks_exact(SLOT_BYTES).filter_map(Watermark::decode);
        if let Some(newest) = slots.max_by_key(|(number, _)| *number) {
            return Ok(Some(newest));
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        std::thread::yield_now();
    }
    Ok(None)
}

/// What tells others how far the log is durable.
#[derive(Debug)]
pub(crate) struct Publisher {
    file: Option<Arc<dyn DiskFile>>,
    number: u64,
    told: Option<Watermark>,
    /// Whether somebody was warned already.
    warned: bool,
}

impl Publisher {
    /// Opens the file, or makes it; where that fails, nobody is told and the log goes on.
    pub(crate) fn open(disk: &dyn Disk) -> Self {
        let number = newer_slot(disk).ok().flatten().map_or(0, |(number, _)| number);
        let opened = disk.open(WATERMARK).or_else(|_| disk.create(WATERMARK)).and_then(|file| {
            // Its room is taken now, so that a full disk cannot silence it.
            if file.size()? != 2 * SLOT_BYTES as u64 {
                file.set_size(0)?;
                file.write_at(0, &[0; 2 * SLOT_BYTES])?;
            }
            Ok(file)
        });
        let mut publisher = Self { file: None, number, told: None, warned: false };
        match opened {
            Ok(file) => publisher.file = Some(file),
            Err(error) => publisher.warn(&error),
        }
        publisher
    }

    /// Tells how far the log is durable, if that has changed.
    pub(crate) fn publish(&mut self, told: Watermark) {
        let Some(file) = self.file.as_ref().filter(|_| self.told != Some(told)) else { return };
        let number = self.number + 1;
        let at = (number % 2) * SLOT_BYTES as u64;
        match file.write_at(at, &told.encode(number)) {
            Ok(()) => (self.number, self.told) = (number, Some(told)),
            Err(error) => self.warn(&error),
        }
    }

    fn warn(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(%error, "the watermark cannot be written: who reads beside this process sees less");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated_disk::SimulatedDisk;

    fn told(end: u64) -> Watermark {
        let heads = Heads { application: Position(end), system: Position(1) };
        Watermark { log: LogIdentity { id: Uuid::from_u128(7), epoch: 2 }, segment: 3, end, heads }
    }

    #[test]
    fn what_was_told_last_is_read_and_a_torn_slot_leaves_the_one_before() {
        let disk = SimulatedDisk::new(1);
        assert_eq!(Watermark::read(&disk).expect("read"), None);
        let mut publisher = Publisher::open(&disk);
        assert_eq!(Watermark::read(&disk).expect("read"), None);
        for end in 1..6 {
            publisher.publish(told(end));
            assert_eq!(Watermark::read(&disk).expect("read"), Some(told(end)));
        }
        // The fifth writing went into the second slot.
        disk.flip(WATERMARK, SLOT_BYTES as u64 + 57, 3).expect("a byte");
        assert_eq!(Watermark::read(&disk).expect("read"), Some(told(4)));
        let mut again = Publisher::open(&disk);
        again.publish(told(9));
        assert_eq!(Watermark::read(&disk).expect("read"), Some(told(9)));
    }

    #[test]
    fn a_slot_with_any_bit_flipped_is_none() {
        let sound = told(5).encode(1);
        assert_eq!(Watermark::decode(&sound), Some((1, told(5))));
        for bit in 0..SLOT_BYTES * 8 {
            let mut slot = sound;
            slot[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Watermark::decode(&slot), None, "bit {bit}");
        }
    }
}
