//! The index over one growing segment, in memory until it is written beside the closed one.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ledgerstone_core::{Heads, LogKind, Position};

/// The index over the events of one segment.
#[derive(Debug)]
pub struct Tail {
    before: Heads,
    head: Heads,
    lists: HashMap<u64, List, BuildHasherDefault<Spread>>,
    /// By the keys of event ids.
    ids: HashMap<u64, Slots, BuildHasherDefault<Spread>>,
}

/// What an event is found by.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Which count it belongs to.
    pub log: LogKind,
    /// Its position.
    pub position: Position,
    /// The key of its id.
    pub id_key: u64,
    /// The term of its stream, and its revision.
    pub stream: Option<(u64, u64)>,
    /// The terms of its type and its tags.
    pub terms: &'a [u64],
}

/// The positions of one term.
#[derive(Debug)]
pub(crate) struct List {
    /// The revision at the first position if all follow from it, else [`NO_REVISION`].
    first_revision: u64,
    slots: Slots,
}

const NO_REVISION: u64 = u64::MAX;
const SYSTEM: u32 = 1 << 31;

/// Distances from the position before the segment, rising; the highest bit says "system".
#[derive(Debug)]
enum Slots {
    One(u32),
    // Most terms have one position in a segment, so the table is kept narrow for those.
    #[expect(clippy::box_collection, reason = "a vector beside a number would make every entry larger")]
    Many(Box<Vec<u32>>),
}

impl Slots {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Many(slots) => slots,
        }
    }

    fn push(&mut self, slot: u32) {
        match self {
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, slot])),
            Self::Many(slots) => slots.push(slot),
        }
    }

    /// Drops what stands behind `most`; tells whether anything is left.
    fn cut(&mut self, keep: impl Fn(u32) -> bool) -> bool {
        match self {
            Self::One(slot) => keep(*slot),
            Self::Many(slots) => {
                slots.retain(|slot| keep(*slot));
                !slots.is_empty()
            }
        }
    }
}

impl Tail {
    /// Begins behind these positions.
    pub fn after(before: Heads) -> Self {
        Self { before, head: before, lists: HashMap::default(), ids: HashMap::default() }
    }

    /// Begins behind these positions, with room for about as much as another segment held.
    pub(crate) fn sized_like(before: Heads, other: &Self) -> Self {
        // Growing a table of this size moves all of it, while an append waits.
        let lists = HashMap::with_capacity_and_hasher(other.lists.len(), BuildHasherDefault::default());
        let ids = HashMap::with_capacity_and_hasher(other.ids.len(), BuildHasherDefault::default());
        Self { before, head: before, lists, ids }
    }

    /// Returns the positions before the segment.
    pub fn before(&self) -> Heads {
        self.before
    }

    /// Returns the newest positions that were added.
    pub fn head(&self) -> Heads {
        self.head
    }

    /// Adds the next event.
    pub fn add(&mut self, entry: Entry<'_>) {
        let distance = entry.position.0.saturating_sub(self.before.of(entry.log).0);
        // A segment never spans as many positions: its table of places would be too large before.
        let slot = u32::try_from(distance).unwrap_or(u32::MAX) & !SYSTEM;
        let slot = if entry.log == LogKind::System { slot | SYSTEM } else { slot };
        self.head.set(entry.log, entry.position);
        if let Some((term, revision)) = entry.stream {
            self.add_to_list(term, slot, Some(revision));
        }
        for term in entry.terms {
            self.add_to_list(*term, slot, None);
        }
        self.ids.entry(entry.id_key).and_modify(|slots| slots.push(slot)).or_insert(Slots::One(slot));
    }

    fn add_to_list(&mut self, term: u64, slot: u32, revision: Option<u64>) {
        let append = |list: &mut List| {
            let expected = list.first_revision.checked_add(list.slots.as_slice().len() as u64);
            if revision != expected {
                list.first_revision = NO_REVISION;
            }
            list.slots.push(slot);
        };
        let first = || List { first_revision: revision.unwrap_or(NO_REVISION), slots: Slots::One(slot) };
        self.lists.entry(term).and_modify(append).or_insert_with(first);
    }

    /// Forgets the events behind these positions.
    pub fn truncate(&mut self, heads: Heads) {
        let before = self.before;
        let keep = |slot| {
            let (log, position) = slot_position(before, slot);
            position <= heads.of(log).0
        };
        self.ids.retain(|_, slots| slots.cut(keep));
        self.lists.retain(|_, list| list.slots.cut(keep));
        self.head = heads;
    }

    /// Adds positions of a term between `low` and `high`, in order or from the end, at most `limit`;
    /// tells whether there were more.
    pub fn positions(
        &self,
        term: u64,
        (low, high): (u64, u64),
        forwards: bool,
        limit: usize,
        found: &mut Vec<u64>,
    ) -> bool {
        let Some(list) = self.lists.get(&term) else { return false };
        let slots = list.slots.as_slice();
        let position = |slot: &u32| slot_position(self.before, *slot).1;
        let from = slots.partition_point(|slot| position(slot) < low);
        let to = slots.partition_point(|slot| position(slot) <= high);
        let slots = slots.get(from..to).unwrap_or_default();
        if forwards {
            found.extend(slots.iter().take(limit).map(position));
        } else {
            found.extend(slots.iter().rev().take(limit).map(position));
        }
        slots.len() > limit
    }

    /// Returns the newest position of a term, and its revision where that is known.
    pub fn newest(&self, term: u64) -> Option<(u64, Option<u64>)> {
        let list = self.lists.get(&term)?;
        let slots = list.slots.as_slice();
        let newest = slot_position(self.before, *slots.last()?).1;
        let known = list.first_revision != NO_REVISION;
        Some((newest, known.then(|| list.first_revision + slots.len() as u64 - 1)))
    }

    /// Returns where a revision of a stream stands, if it is here.
    pub fn position_of(&self, term: u64, revision: u64) -> Option<u64> {
        let list = self.lists.get(&term).filter(|list| list.first_revision != NO_REVISION)?;
        let at = usize::try_from(revision.checked_sub(list.first_revision)?).ok()?;
        Some(slot_position(self.before, *list.slots.as_slice().get(at)?).1)
    }

    /// Adds the places of events whose ids have this key, newest first.
    pub fn ids(&self, key: u64, found: &mut Vec<(LogKind, u64)>) {
        let slots = self.ids.get(&key).map(Slots::as_slice).unwrap_or_default();
        found.extend(slots.iter().rev().map(|slot| slot_position(self.before, *slot)));
    }

    /// Returns every list in the order of its terms: the first revision where known, and the positions.
    pub(crate) fn lists(&self) -> impl Iterator<Item = (u64, Option<u64>, impl Iterator<Item = u64>)> {
        let mut terms: Vec<_> = self.lists.iter().collect();
        terms.sort_unstable_by_key(|(term, _)| **term);
        terms.into_iter().map(|(term, list)| {
            let revision = (list.first_revision != NO_REVISION).then_some(list.first_revision);
            (*term, revision, list.slots.as_slice().iter().map(|slot| slot_position(self.before, *slot).1))
        })
    }

    /// Returns every id's key and place, in the order of the keys.
    pub(crate) fn all_ids(&self) -> Vec<(u64, LogKind, u64)> {
        let places = self.ids.iter().flat_map(|(key, slots)| {
            slots.as_slice().iter().map(|slot| {
                let (log, position) = slot_position(self.before, *slot);
                (*key, log, position)
            })
        });
        let mut ids: Vec<_> = places.collect();
        ids.sort_unstable_by_key(|(key, log, position)| (*key, *log as u8, *position));
        ids
    }
}

/// Returns the count and the position that a slot stands for.
fn slot_position(before: Heads, slot: u32) -> (LogKind, u64) {
    let log = if slot & SYSTEM == 0 { LogKind::Application } else { LogKind::System };
    (log, before.of(log).0 + u64::from(slot & !SYSTEM))
}

/// Spreads keys that are hashes, or nearly so, already.
#[derive(Debug, Default)]
pub(crate) struct Spread(u64);

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
