//! Where the records of a segment stand: a table by position, kept in memory while the segment grows.
//!
//! The file beside a closed segment, which can be made again from the segment:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `LEDGPLC` and a zero |
//! | 8 | 4 | CRC32C of everything behind it |
//! | 12 | 4 | salt of the segment |
//! | 16 | 8 | end of the segment |
//! | 24 | 8 × 2 | positions before the segment, application and system |
//! | 40 | 4 × 2 | how many places of each |
//! | 48 | 4 × n | the places of the application events, then of the system events; 0 where there is none |

use ledgerstone_core::{Heads, LogKind, Position};

use crate::segment_header::{u32_at, u64_at};

const MAGIC: &[u8; 8] = b"LEDGPLC\0";
/// How many bytes an entry has.
pub(crate) const PLACE_BYTES: u64 = 4;

/// How far positions may lie apart in one segment; a larger gap begins a new one.
pub(crate) const MOST_GAP: u64 = 64 * 1024;

/// Where the checksum of each record stands in one segment, by count and position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    before: Heads,
    application: Vec<u32>,
    system: Vec<u32>,
}

impl Places {
    /// Begins a table behind these positions.
    pub(crate) fn after(before: Heads) -> Self {
        Self { before, application: Vec::new(), system: Vec::new() }
    }

    fn of(&self, log: LogKind) -> &Vec<u32> {
        match log {
            LogKind::Application => &self.application,
            LogKind::System => &self.system,
        }
    }

    /// Notes where the next record stands; positions that were left out have none.
    ///
    /// Tells whether it could: so many positions are left out by no log that was written here, and a table of
    /// them would be as large as somebody wants who made the record up.
    pub(crate) fn push(&mut self, log: LogKind, position: Position, place: u32) -> bool {
        let before = self.before.of(log).0;
        let places = match log {
            LogKind::Application => &mut self.application,
            LogKind::System => &mut self.system,
        };
        let at = position.0.checked_sub(before.saturating_add(1)).and_then(|at| usize::try_from(at).ok());
        let near = |at: &usize| (*at as u64).saturating_sub(places.len() as u64) <= 2 * MOST_GAP;
        let Some(at) = at.filter(near) else { return false };
        places.resize(at, 0);
        places.push(place);
        true
    }

    /// Returns where the record at a position stands, if it is here.
    pub(crate) fn find(&self, log: LogKind, position: u64) -> Option<u32> {
        self.get(log, position).filter(|place| *place > 0)
    }

    /// Returns where the first record behind a place begins, of the same count; nothing for the last.
    pub(crate) fn next_after(&self, log: LogKind, position: u64) -> Option<u32> {
        let at = usize::try_from(position.checked_sub(self.before.of(log).0)?).ok()?;
        self.of(log).get(at..)?.iter().copied().find(|place| *place > 0)
    }

    /// Returns records between two positions, in order or from the end, as many as stand within `span` bytes
    /// of the first, at most `most`; and the position to go on at, if there are more.
    pub(crate) fn stretch(
        &self,
        log: LogKind,
        (low, high): (u64, u64),
        forwards: bool,
        (most, span): (usize, u64),
    ) -> (Vec<(u64, u32)>, Option<u64>) {
        let before = self.before.of(log).0;
        let places = self.of(log);
        let index = |position: u64| usize::try_from(position.saturating_sub(before)).unwrap_or(usize::MAX);
        let to = index(high).min(places.len());
        let from = index(low.max(before + 1)).saturating_sub(1).min(to);
        let slice = places.get(from..to).unwrap_or_default().iter().enumerate();
        let there = slice.filter(|(_, place)| **place > 0);
        let there = there.map(|(at, place)| (before + 1 + (from + at) as u64, *place));
        let there: &mut dyn Iterator<Item = (u64, u32)> =
            if forwards { &mut there.into_iter() } else { &mut there.rev() };
        let mut found: Vec<(u64, u32)> = Vec::with_capacity(most.min(to - from));
        for (position, place) in there {
            let spans = found.first().map_or(0, |(_, first)| u64::from(first.abs_diff(place)));
            if found.len() >= most || (spans >= span && !found.is_empty()) {
                return (found, Some(position));
            }
            found.push((position, place));
        }
        (found, None)
    }

    fn get(&self, log: LogKind, position: u64) -> Option<u32> {
        let at = position.checked_sub(self.before.of(log).0 + 1)?;
        self.of(log).get(usize::try_from(at).ok()?).copied()
    }

    /// Returns how many bytes it takes in memory, roughly.
    pub(crate) fn bytes(&self) -> usize {
        Front::BYTES + PLACE_BYTES as usize * (self.application.len() + self.system.len())
    }

    /// Returns the bytes of the file beside the segment.
    pub(crate) fn encode(&self, salt: u32, end: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&salt.to_le_bytes());
        bytes.extend_from_slice(&end.to_le_bytes());
        bytes.extend_from_slice(&self.before.application.0.to_le_bytes());
        bytes.extend_from_slice(&self.before.system.0.to_le_bytes());
        let count = |places: &Vec<u32>| u32::try_from(places.len()).unwrap_or(u32::MAX).to_le_bytes();
        bytes.extend_from_slice(&count(&self.application));
        bytes.extend_from_slice(&count(&self.system));
        for place in self.application.iter().chain(&self.system) {
            bytes.extend_from_slice(&place.to_le_bytes());
        }
        let checksum = crc32c::crc32c(bytes.get(12..).unwrap_or_default());
        if let Some(place) = bytes.get_mut(8..12) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        bytes
    }

    /// Reads the file beside a segment; nothing if it is damaged or belongs to another segment.
    pub(crate) fn decode(bytes: &[u8], salt: u32, end: u64, before: Heads) -> Option<Self> {
        let front = Front::decode(bytes, salt, end, before)?;
        let is_sound = u32_at(bytes, 8) == crc32c::crc32c(bytes.get(12..)?);
        if !is_sound || front.file_bytes() != bytes.len() as u64 {
            return None;
        }
        let places = bytes.get(Front::BYTES..)?;
        let (application, system) =
            places.split_at_checked(PLACE_BYTES as usize * front.application as usize)?;
        Some(Self { before, application: numbers(application), system: numbers(system) })
    }

    /// Takes entries of one count that were read alone, the first of them that of a position.
    pub(crate) fn stretch_of(log: LogKind, first: u64, entries: &[u8]) -> Self {
        let mut places = Self::after(Heads::default());
        places.before.set(log, Position(first.saturating_sub(1)));
        match log {
            LogKind::Application => places.application = numbers(entries),
            LogKind::System => places.system = numbers(entries),
        }
        places
    }

    /// Tells whether every position that is covered has a record, each behind the one before.
    pub(crate) fn is_dense(&self) -> bool {
        let rise = |places: &Vec<u32>| places.iter().zip(places.iter().skip(1)).all(|(one, next)| one < next);
        let begins = |places: &Vec<u32>| places.first().is_none_or(|first| *first > 0);
        [&self.application, &self.system].into_iter().all(|places| begins(places) && rise(places))
    }
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let (places, _) = bytes.as_chunks();
    places.iter().map(|place| u32::from_le_bytes(*place)).collect()
}

/// What stands before the entries: how many there are of each count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Front {
    application: u32,
    system: u32,
}

impl Front {
    /// How many bytes it has.
    pub(crate) const BYTES: usize = 48;

    /// Reads it; nothing if it is that of another segment. The checksum is not looked at.
    pub(crate) fn decode(bytes: &[u8], salt: u32, end: u64, before: Heads) -> Option<Self> {
        let is_ours = bytes.len() >= Self::BYTES
            && bytes.starts_with(MAGIC)
            && u32_at(bytes, 12) == salt
            && u64_at(bytes, 16) == end
            && u64_at(bytes, 24) == before.application.0
            && u64_at(bytes, 32) == before.system.0;
        is_ours.then(|| Self { application: u32_at(bytes, 40), system: u32_at(bytes, 44) })
    }

    /// Returns where the entries of a count begin, and how many there are.
    pub(crate) fn entries(self, log: LogKind) -> (u64, u32) {
        let application_at = Self::BYTES as u64;
        match log {
            LogKind::Application => (application_at, self.application),
            LogKind::System => (application_at + PLACE_BYTES * u64::from(self.application), self.system),
        }
    }

    /// Returns how large the file is.
    pub(crate) fn file_bytes(self) -> u64 {
        let (system_at, system) = self.entries(LogKind::System);
        system_at + PLACE_BYTES * u64::from(system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(application: u64, system: u64) -> Heads {
        Heads { application: Position(application), system: Position(system) }
    }

    fn places() -> Places {
        let mut places = Places::after(heads(10, 2));
        places.push(LogKind::Application, Position(11), 128);
        places.push(LogKind::System, Position(3), 500);
        places.push(LogKind::Application, Position(14), 900);
        places
    }

    #[test]
    fn records_are_found_and_gaps_are_not() {
        let places = places();
        assert_eq!(places.find(LogKind::Application, 11), Some(128));
        assert_eq!(places.find(LogKind::Application, 12), None);
        assert_eq!(places.find(LogKind::Application, 14), Some(900));
        assert_eq!(places.find(LogKind::Application, 10), None);
        assert_eq!(places.find(LogKind::Application, 15), None);
        assert_eq!(places.find(LogKind::System, 3), Some(500));
        assert_eq!(places.next_after(LogKind::Application, 11), Some(900));
        assert_eq!(places.next_after(LogKind::Application, 14), None);
    }

    #[test]
    fn a_table_reads_back_and_no_damaged_one_does() {
        let (places, before) = (places(), heads(10, 2));
        let bytes = places.encode(7, 1000);
        assert_eq!(Places::decode(&bytes, 7, 1000, before), Some(places));
        assert_eq!(Places::decode(&bytes, 8, 1000, before), None);
        assert_eq!(Places::decode(&bytes, 7, 1001, before), None);
        assert_eq!(Places::decode(&bytes, 7, 1000, heads(10, 3)), None);
        for cut in 0..bytes.len() {
            assert_eq!(Places::decode(&bytes[..cut], 7, 1000, before), None);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Places::decode(&flipped, 7, 1000, before), None, "bit {bit}");
        }
    }
}
