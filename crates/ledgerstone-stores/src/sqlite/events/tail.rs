//! The tail: the index over the newest events, in memory until it is merged into the tables.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use crate::plan::Key;

/// How many positions one run covers. A run always covers the same stretch, so that merging it again
/// after a crash writes the same rows again. Tests use short ones, so that they see many.
pub(crate) const RUN: u64 = if cfg!(test) { 64 } else { 32 * 1024 };

/// The index over the newest events of one count.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// Up to here the tables know everything.
    indexed: u64,
    /// The newest position that was added.
    newest: u64,
    /// What comes after, each run a stretch of [`RUN`] positions.
    runs: VecDeque<Run>,
}

/// The index over one stretch of positions.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) streams: HashMap<u64, StreamSlots, Mixed>,
    pub(crate) terms: HashMap<u64, Slots, Mixed>,
    /// By the keys of event ids.
    pub(crate) ids: HashMap<u64, Slots, Mixed>,
}

/// Places in a run, rising; the position less the run's beginning.
#[derive(Debug)]
pub(crate) enum Slots {
    One(u16),
    Many(Vec<u16>),
}

/// The places of a stream in a run.
#[derive(Debug)]
pub(crate) struct StreamSlots {
    /// The first revision; nothing if the hash stands for several streams.
    pub(crate) first_revision: Option<u64>,
    pub(crate) slots: Slots,
}

impl Slots {
    pub(crate) fn as_slice(&self) -> &[u16] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Many(slots) => slots,
        }
    }

    fn push(&mut self, slot: u16) {
        match self {
            Self::One(first) => *self = Self::Many(vec![*first, slot]),
            Self::Many(slots) => slots.push(slot),
        }
    }
}

impl StreamSlots {
    fn push(&mut self, slot: u16, revision: u64) {
        let expected = self.first_revision.map(|first| first + self.slots.as_slice().len() as u64);
        if expected != Some(revision) {
            self.first_revision = None;
        }
        self.slots.push(slot);
    }
}

/// What an event is found by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) position: u64,
    pub(crate) id_key: u64,
    pub(crate) stream: Option<(u64, u64)>,
    pub(crate) terms: &'a [u64],
}

impl Tail {
    /// Begins a tail after what the tables know.
    pub(crate) fn after(indexed: u64) -> Self {
        Self { indexed, newest: indexed, runs: VecDeque::new() }
    }

    /// Returns up to where the tables know everything.
    pub(crate) fn indexed(&self) -> u64 {
        self.indexed
    }

    /// Returns the newest position that was added, or up to where the tables know everything.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Returns how many runs there are, the one that still takes events included.
    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Adds the next event.
    pub(crate) fn add(&mut self, entry: Entry<'_>) {
        self.newest = entry.position;
        let offset = entry.position.saturating_sub(self.indexed + 1);
        let (run, slot) = (offset / RUN, (offset % RUN) as u16);
        while self.runs.len() as u64 <= run {
            self.runs.push_back(Run::default());
        }
        let Some(run) = self.runs.back_mut() else { return };
        if let Some((stream, revision)) = entry.stream {
            let first = || StreamSlots { first_revision: Some(revision), slots: Slots::One(slot) };
            run.streams.entry(stream).and_modify(|slots| slots.push(slot, revision)).or_insert_with(first);
        }
        for term in entry.terms {
            run.terms.entry(*term).and_modify(|slots| slots.push(slot)).or_insert(Slots::One(slot));
        }
        run.ids.entry(entry.id_key).and_modify(|slots| slots.push(slot)).or_insert(Slots::One(slot));
    }

    /// Returns the oldest run once it takes no more events, and the position before its first.
    pub(crate) fn oldest_full(&self) -> Option<(u64, &Run)> {
        if self.runs.len() < 2 { None } else { self.runs.front().map(|run| (self.indexed, run)) }
    }

    /// Forgets the oldest run, which the tables know now.
    pub(crate) fn drop_oldest(&mut self) {
        if self.runs.pop_front().is_some() {
            self.indexed += RUN;
        }
    }

    /// Returns positions of a list between `low` and `high`, in order or from the end, at most `limit`,
    /// and whether there were more.
    pub(crate) fn positions(
        &self,
        key: Key,
        (low, high): (u64, u64),
        forwards: bool,
        limit: usize,
    ) -> (Vec<u64>, bool) {
        let mut found = Vec::new();
        let numbers = 0..self.runs.len();
        let numbers: &mut dyn Iterator<Item = usize> =
            if forwards { &mut numbers.into_iter() } else { &mut numbers.rev() };
        for number in numbers {
            let base = self.indexed + 1 + number as u64 * RUN;
            if high < base || low >= base + RUN {
                continue;
            }
            let slots = self.runs.get(number).and_then(|run| run.slots(key)).unwrap_or_default();
            let from = slots.partition_point(|slot| base + u64::from(*slot) < low);
            let to = slots.partition_point(|slot| base + u64::from(*slot) <= high);
            let slots = slots.get(from..to).unwrap_or_default();
            let room = limit - found.len();
            let more = slots.len() > room;
            let position = |slot: &u16| base + u64::from(*slot);
            if forwards {
                found.extend(slots.iter().take(room).map(position));
            } else {
                found.extend(slots.iter().rev().take(room).map(position));
            }
            if more {
                return (found, true);
            }
        }
        (found, false)
    }

    /// Returns the positions of events whose ids have this key, newest first.
    pub(crate) fn by_id(&self, key: u64) -> impl Iterator<Item = u64> {
        let runs = self.runs.iter().enumerate().rev();
        runs.flat_map(move |(number, run)| {
            let base = self.indexed + 1 + number as u64 * RUN;
            let slots = run.ids.get(&key).map(Slots::as_slice).unwrap_or_default();
            slots.iter().rev().map(move |slot| base + u64::from(*slot))
        })
    }

    /// Returns where a revision of a stream stands, if the tail knows.
    pub(crate) fn position_of(&self, stream: u64, revision: u64) -> Option<u64> {
        self.runs.iter().enumerate().find_map(|(number, run)| {
            let slots = run.streams.get(&stream)?;
            let at = usize::try_from(revision.checked_sub(slots.first_revision?)?).ok()?;
            let slot = slots.slots.as_slice().get(at)?;
            Some(self.indexed + 1 + number as u64 * RUN + u64::from(*slot))
        })
    }
}

impl Run {
    fn slots(&self, key: Key) -> Option<&[u16]> {
        match key {
            Key::Stream(term) => self.streams.get(&term).map(|stream| stream.slots.as_slice()),
            Key::Term(term) => self.terms.get(&term).map(Slots::as_slice),
        }
    }
}

/// Spreads keys that are hashes, or nearly so, already.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

pub(crate) type Mixed = BuildHasherDefault<Spread>;

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        // The odd number nearest to 2^64 divided by the golden ratio (Knuth, vol. 3, 6.4).
        self.0 = (self.0 ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}
