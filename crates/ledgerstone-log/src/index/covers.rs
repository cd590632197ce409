//! Which stretch of the log a run covers, and the slots that stand for its positions.
//!
//! A slot counts the covered application positions from 0, then the covered system positions. It is small
//! wherever in the log the run lies, and says by itself to which count it belongs.

use ledgerstone_core::{Heads, LogKind, Position};

/// Which stretch of each count a run covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covers {
    before: Heads,
    head: Heads,
}

impl Covers {
    /// Returns the stretch that comes after `before`, up to and including `head`.
    pub fn between(before: Heads, head: Heads) -> Self {
        Self { before, head }
    }

    /// Returns the position before the stretch of a count, and the last one in it.
    pub fn of(self, log: LogKind) -> (u64, u64) {
        (self.before.of(log).0, self.head.of(log).0)
    }

    /// Returns the stretch that this one and the next make together, if they are adjacent.
    pub fn join(self, next: Self) -> Option<Self> {
        (self.head == next.before).then_some(Self { before: self.before, head: next.head })
    }

    /// Tells whether the stretches end behind where they begin, and can be counted.
    pub(super) fn is_sound(self) -> bool {
        let width = |log| self.head.of(log).0.checked_sub(self.before.of(log).0);
        let (application, system) = (width(LogKind::Application), width(LogKind::System));
        application.zip(system).is_some_and(|(application, system)| application.checked_add(system).is_some())
    }

    /// Returns the slot of a position, if the stretch has it.
    pub(super) fn slot(self, log: LogKind, position: u64) -> Option<u64> {
        let before = self.before.of(log).0;
        let within = position > before && position <= self.head.of(log).0;
        let offset = match log {
            LogKind::Application => 0,
            LogKind::System => self.application(),
        };
        if within { offset.checked_add(position - before - 1) } else { None }
    }

    /// Returns a slot of a position of either count; both lead back to the position.
    pub(super) fn any_slot(self, position: u64) -> Option<u64> {
        self.slot(LogKind::Application, position).or_else(|| self.slot(LogKind::System, position))
    }

    /// Returns what stands in a slot.
    pub(super) fn place(self, slot: u64) -> Option<(LogKind, u64)> {
        let (log, offset) = match slot.checked_sub(self.application()) {
            None => (LogKind::Application, slot),
            Some(offset) => (LogKind::System, offset),
        };
        let position = self.before.of(log).0.checked_add(offset)?.checked_add(1)?;
        (position <= self.head.of(log).0).then_some((log, position))
    }

    /// Returns the newest position of the count that has the newer one.
    pub(super) fn newest(self) -> u64 {
        self.head.application.max(self.head.system).0
    }

    /// Returns the four positions as they stand in a file.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let positions =
            [self.before.application, self.head.application, self.before.system, self.head.system];
        for (place, position) in bytes.chunks_exact_mut(8).zip(positions) {
            place.copy_from_slice(&position.0.to_le_bytes());
        }
        bytes
    }

    /// Reads the four positions from a file.
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut positions = bytes.as_chunks().0.iter().map(|part| Position(u64::from_le_bytes(*part)));
        let mut next = || positions.next().unwrap_or_default();
        let (application, newest_application) = (next(), next());
        let (system, newest_system) = (next(), next());
        Self {
            before: Heads { application, system },
            head: Heads { application: newest_application, system: newest_system },
        }
    }

    fn application(self) -> u64 {
        self.head.application.0.saturating_sub(self.before.application.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers() -> Covers {
        let heads =
            |application, system| Heads { application: Position(application), system: Position(system) };
        Covers::between(heads(100, 4), heads(110, 7))
    }

    #[test]
    fn every_covered_position_has_a_slot_of_its_own() {
        let covers = covers();
        let application = (101..=110).map(|position| (LogKind::Application, position));
        let system = (5..=7).map(|position| (LogKind::System, position));
        for (slot, (log, position)) in application.chain(system).enumerate() {
            assert_eq!(covers.slot(log, position), Some(slot as u64));
            assert_eq!(covers.any_slot(position), Some(slot as u64));
            assert_eq!(covers.place(slot as u64), Some((log, position)));
        }
        assert_eq!(covers.place(13), None);
        for (log, position) in
            [(LogKind::Application, 100), (LogKind::Application, 111), (LogKind::System, 4)]
        {
            assert_eq!(covers.slot(log, position), None);
        }
    }

    #[test]
    fn covers_read_back_and_join_only_neighbours() {
        let covers = covers();
        assert_eq!(Covers::from_bytes(covers.to_bytes()), covers);
        let next = Covers::between(covers.head, covers.head);
        assert_eq!(covers.join(next), Some(covers));
        assert_eq!(covers.join(covers), None);
        assert!(covers.is_sound());
        assert!(!Covers::between(covers.head, covers.before).is_sound());
    }
}
