//! Markers: what was invalidated, and which entries that overtakes; pure, and the same for every tier in memory.

use std::collections::HashMap;

use ledgerstone_core::{CacheStamp, CacheTarget, LogPoint, Position, Tag};

/// Where an invalidation stands: among those without a position, and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Marker {
    generation: u64,
    position: Position,
}

impl Marker {
    fn raise(&mut self, other: Self) {
        self.generation = self.generation.max(other.generation);
        self.position = self.position.max(other.position);
    }

    fn overtakes(self, generation: u64, position: Position) -> bool {
        generation < self.generation || position < self.position
    }
}

/// The invalidations that a tier has heard of.
///
/// Their number is bounded: when there are too many, all become one that covers everything, which costs loads
/// and never serves an older state.
#[derive(Debug)]
pub(crate) struct Markers {
    stamp: CacheStamp,
    floor: Marker,
    keys: HashMap<String, Marker>,
    tags: HashMap<Tag, Marker>,
    prefixes: HashMap<String, Marker>,
    limit: usize,
}

impl Markers {
    /// The most markers of keys and tags that a tier remembers by default.
    pub(crate) const LIMIT: usize = 65_536;
    /// The most prefixes: each of them is compared with each key.
    const PREFIXES: usize = 64;

    pub(crate) fn new(incarnation: u64, limit: usize) -> Self {
        Self {
            stamp: CacheStamp { incarnation, ..CacheStamp::default() },
            floor: Marker::default(),
            keys: HashMap::new(),
            tags: HashMap::new(),
            prefixes: HashMap::new(),
            limit,
        }
    }

    /// Returns what a load that begins now is stamped with.
    pub(crate) fn stamp(&self) -> CacheStamp {
        self.stamp
    }

    /// Tells whether something that covers the entry was invalidated after its load had begun.
    pub(crate) fn overtakes(&self, key: &str, tags: &[Tag], stamp: CacheStamp) -> bool {
        if stamp.incarnation != self.stamp.incarnation {
            return true;
        }
        let position = match (stamp.log, self.stamp.log) {
            (Some(theirs), Some(ours)) if theirs.log != ours.log => return true,
            (Some(theirs), _) => theirs.position,
            (None, _) => Position::START,
        };
        let by = |marker: &Marker| marker.overtakes(stamp.generation, position);
        by(&self.floor)
            || self.keys.get(key).is_some_and(by)
            || tags.iter().any(|tag| self.tags.get(tag).is_some_and(by))
            || self.prefixes.iter().any(|(prefix, marker)| key.starts_with(prefix) && by(marker))
    }

    /// Remembers an invalidation, and returns the stamp after it.
    pub(crate) fn invalidate(&mut self, targets: &[CacheTarget], at: Option<LogPoint>) -> CacheStamp {
        let marker = match at.map(|point| self.reach(point)) {
            Some(true) => {
                let position = at.map(|point| point.position).unwrap_or_default();
                Marker { generation: 0, position }
            }
            // A life of the log that is over has no positions here; what it tells counts from now on.
            Some(false) | None if !targets.is_empty() => {
                Marker { generation: self.advance(), ..Marker::default() }
            }
            Some(false) | None => return self.stamp,
        };
        for target in targets {
            match target {
                CacheTarget::Key(key) => self.keys.entry(key.clone()).or_default().raise(marker),
                CacheTarget::Tag(tag) => self.tags.entry(tag.clone()).or_default().raise(marker),
                CacheTarget::Prefix(prefix) => {
                    self.prefixes.entry(prefix.clone()).or_default().raise(marker);
                }
                CacheTarget::All => self.floor.raise(marker),
            }
        }
        self.shrink();
        self.stamp
    }

    /// Counts on, so that everything that began before can be told from what begins after.
    pub(crate) fn advance(&mut self) -> u64 {
        self.stamp.generation += 1;
        self.stamp.generation
    }

    /// Moves to a point of the log; tells whether it is one of the log's present life.
    fn reach(&mut self, point: LogPoint) -> bool {
        let Some(reached) = &mut self.stamp.log else {
            self.stamp.log = Some(point);
            return true;
        };
        if reached.log == point.log {
            reached.position = reached.position.max(point.position);
            return true;
        }
        if reached.log.id == point.log.id && reached.log.epoch > point.log.epoch {
            return false;
        }
        *reached = point;
        let generation = self.advance();
        self.keys.clear();
        self.tags.clear();
        self.prefixes.clear();
        self.floor = Marker { generation, position: Position::START };
        true
    }

    /// Makes one marker of all when there are too many.
    fn shrink(&mut self) {
        if self.keys.len() + self.tags.len() <= self.limit && self.prefixes.len() <= Self::PREFIXES {
            return;
        }
        let generation = self.advance();
        self.floor.raise(Marker { generation, position: Position::START });
        self.keys.clear();
        self.tags.clear();
        self.prefixes.clear();
    }
}

#[cfg(test)]
mod tests {
    use ledgerstone_core::LogIdentity;
    use proptest::prelude::*;

    use super::*;

    fn log(epoch: u32) -> LogIdentity {
        format!("00000000000000000000000000000007.{epoch}").parse().expect("an identity")
    }

    fn at(epoch: u32, position: u64) -> LogPoint {
        LogPoint { log: log(epoch), position: Position(position) }
    }

    fn tag(text: &str) -> Tag {
        Tag::new(text).expect("a tag")
    }

    #[test]
    fn positions_order_invalidations_whenever_they_are_told() {
        let mut markers = Markers::new(1, 10);
        markers.invalidate(&[], Some(at(1, 5)));
        let begun = markers.stamp();
        markers.invalidate(&[CacheTarget::Tag(tag("a"))], Some(at(1, 4)));
        assert!(!markers.overtakes("k", &[tag("a")], begun), "told late, and older than the load");
        markers.invalidate(&[CacheTarget::Tag(tag("a"))], Some(at(1, 6)));
        assert!(markers.overtakes("k", &[tag("a")], begun));
        assert!(!markers.overtakes("k", &[tag("b")], begun));
        assert!(!markers.overtakes("k", &[tag("a")], markers.stamp()));
    }

    #[test]
    fn another_life_of_the_log_clears_everything_and_an_earlier_one_is_not_believed() {
        let mut markers = Markers::new(1, 10);
        markers.invalidate(&[], Some(at(1, 500)));
        let begun = markers.stamp();
        markers.invalidate(&[], Some(at(2, 3)));
        assert!(markers.overtakes("k", &[], begun));
        let begun = markers.stamp();
        markers.invalidate(&[CacheTarget::Key("k".into())], Some(at(1, 900)));
        assert_eq!(markers.stamp().log, Some(at(2, 3)));
        assert!(markers.overtakes("k", &[], begun), "it counts from now on");
        assert!(!markers.overtakes("k", &[], markers.stamp()));
    }

    proptest! {
        #[test]
        fn forgetting_markers_never_serves_what_was_invalidated(
            told in prop::collection::vec((0_usize..6, prop::option::of(1_u64..20)), 1..40),
            begins in 0_usize..40,
        ) {
            let (mut few, mut many) = (Markers::new(1, 2), Markers::new(1, 1_000));
            let targets = [
                CacheTarget::Key("ab".into()), CacheTarget::Tag(tag("x")), CacheTarget::Tag(tag("y")),
                CacheTarget::Prefix("a".into()), CacheTarget::Key("c".into()), CacheTarget::All,
            ];
            let mut begun = None;
            for (step, (which, position)) in told.iter().enumerate() {
                if step == begins {
                    begun = Some((few.stamp(), many.stamp()));
                }
                let point = position.map(|position| at(1, position));
                few.invalidate(&targets[*which..=*which], point);
                many.invalidate(&targets[*which..=*which], point);
            }
            if let Some((in_few, in_many)) = begun {
                for key in ["ab", "b", "c"] {
                    if many.overtakes(key, &[tag("x")], in_many) {
                        prop_assert!(few.overtakes(key, &[tag("x")], in_few));
                    }
                }
            }
        }
    }
}
