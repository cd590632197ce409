//! What the memory tier keeps under a key, and how old it may be for what.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledgerstone_core::{CacheStamp, Tag};
use serde::{Deserialize, Serialize};

/// Who made an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Origin {
    /// A loader did.
    Loader {
        /// The node on which it ran.
        node: String,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// It was set, not loaded.
    Set {
        /// The node on which.
        node: String,
    },
}

/// An entry in memory; times are nanoseconds of the cache's own clock.
///
/// In this order, since a hit needs only what comes first, and that fits on one cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slot<T> {
    /// The value, or that there is none.
    pub(crate) value: Option<Arc<T>>,
    pub(crate) eager_at: u64,
    /// How many invalidations had been heard when it was last compared with them.
    pub(crate) compared: AtomicU64,
    /// When it was known to be valid: when its load, or the reading of the shared tier, began.
    pub(crate) known_at: u64,
    /// When it was made; what came from the shared tier was made before it came.
    pub(crate) made_at: u64,
    /// Its place among the invalidations that this node has heard of.
    pub(crate) stamp: CacheStamp,
    pub(crate) stale_at: u64,
    pub(crate) gone_at: u64,
    /// Until when no load is begun for it, since one failed.
    pub(crate) rests_until: AtomicU64,
    pub(crate) tags: Vec<Tag>,
    pub(crate) origin: Origin,
    pub(crate) from_shared: bool,
}

/// The ages up to which a stale entry is served, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StaleAges {
    pub(crate) while_revalidate: u64,
    pub(crate) on_error: u64,
}

/// What an entry is good for at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// To be served.
    Fresh,
    /// To be served, and to be loaded ahead of its end.
    Eager,
    /// Stale, but to be served while it is loaded.
    Revalidating,
    /// Stale, and no load is to begin yet: to be served.
    Resting,
    /// Stale: to be served only if a load fails or is slow.
    Spare,
    /// Of no use.
    Gone,
}

impl<T> Slot<T> {
    /// Decides what the entry is good for, leaving invalidations aside.
    pub(crate) fn standing(&self, now: u64, ages: StaleAges) -> Standing {
        if now >= self.gone_at {
            return Standing::Gone;
        }
        if now < self.eager_at {
            return Standing::Fresh;
        }
        if now < self.stale_at {
            return if self.rests(now) { Standing::Fresh } else { Standing::Eager };
        }
        let age = self.age(now);
        // What is known to be absent is no help when it may be there by now.
        if self.value.is_none() {
            Standing::Gone
        } else if self.rests(now) && age < ages.on_error.max(ages.while_revalidate) {
            Standing::Resting
        } else if age < ages.while_revalidate {
            Standing::Revalidating
        } else if age < ages.on_error {
            Standing::Spare
        } else {
            Standing::Gone
        }
    }

    pub(crate) fn age(&self, now: u64) -> u64 {
        now.saturating_sub(self.made_at)
    }

    pub(crate) fn rest(&self, until: u64) {
        self.rests_until.store(until, Ordering::Relaxed);
    }

    pub(crate) fn rests(&self, now: u64) -> bool {
        now < self.rests_until.load(Ordering::Relaxed)
    }
}

/// Returns a span in nanoseconds.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(value: Option<u8>) -> Slot<u8> {
        Slot {
            value: value.map(Arc::new),
            tags: Vec::new(),
            stamp: CacheStamp::default(),
            made_at: 0,
            known_at: 0,
            eager_at: 80,
            stale_at: 100,
            gone_at: 300,
            origin: Origin::Set { node: "a".into() },
            from_shared: false,
            compared: AtomicU64::new(0),
            rests_until: AtomicU64::new(0),
        }
    }

    #[test]
    fn age_decides_what_an_entry_is_good_for() {
        let ages = StaleAges { while_revalidate: 200, on_error: 300 };
        let slot = slot(Some(1));
        let at = |now| slot.standing(now, ages);
        assert_eq!(
            [at(0), at(79), at(80), at(99)],
            [Standing::Fresh, Standing::Fresh, Standing::Eager, Standing::Eager]
        );
        assert_eq!(
            [at(100), at(199), at(200)],
            [Standing::Revalidating, Standing::Revalidating, Standing::Spare]
        );
        assert_eq!([at(299), at(300)], [Standing::Spare, Standing::Gone]);
    }

    #[test]
    fn after_a_failed_load_a_stale_entry_rests_and_an_absent_one_is_gone() {
        let ages = StaleAges { while_revalidate: 0, on_error: 300 };
        let (there, absent) = (slot(Some(1)), slot(None));
        there.rest(150);
        assert_eq!(
            [there.standing(140, ages), there.standing(150, ages)],
            [Standing::Resting, Standing::Spare]
        );
        assert_eq!(
            [absent.standing(99, ages), absent.standing(100, ages)],
            [Standing::Eager, Standing::Gone]
        );
    }
}
