//! The memory tier: typed values, what was invalidated, and how long they are believed without news.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledgerstone_core::{CacheStamp, CacheTarget, LogPoint};
use moka::notification::RemovalCause;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::counts::Counts;
use crate::key_hasher::SeededKeys;
use crate::markers::Markers;
use crate::slot::{Slot, StaleAges, Standing};

/// How much a value weighs against the limit of a cache.
pub(crate) type Weigher<T> = Arc<dyn Fn(&str, Option<&T>) -> u32 + Send + Sync>;

pub(crate) struct MemoryTier<T> {
    slots: Cache<String, Arc<Slot<T>>, SeededKeys>,
    markers: Mutex<Markers>,
    /// How many invalidations were heard, so that a hit need not look at them if there was none since.
    heard: AtomicU64,
    /// What began before this generation may have missed news.
    suspect_below: AtomicU64,
    /// Up to when all news had arrived.
    vouched_until: AtomicU64,
    /// How long an entry is believed without news.
    bound: u64,
    ages: StaleAges,
    base: Instant,
    counts: Arc<Counts>,
}

/// The place of a load among the invalidations that this node has heard of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) stamp: CacheStamp,
    pub(crate) heard: u64,
    pub(crate) at: u64,
}

impl<T: Send + Sync + 'static> MemoryTier<T> {
    pub(crate) fn new(
        max_weight: u64,
        weigher: Option<Weigher<T>>,
        bound: Option<u64>,
        ages: StaleAges,
        counts: Arc<Counts>,
    ) -> Self {
        let evictions = Arc::clone(&counts);
        let evicted = move |_: Arc<String>, _: Arc<Slot<T>>, cause: RemovalCause| {
            if cause == RemovalCause::Size {
                evictions.evictions.add();
            }
        };
        let mut slots = Cache::builder().max_capacity(max_weight).eviction_listener(evicted);
        if let Some(weigh) = weigher {
            slots = slots.weigher(move |key: &String, slot: &Arc<Slot<T>>| weigh(key, slot.value.as_deref()));
        }
        Self {
            slots: slots.build_with_hasher(SeededKeys::drawn()),
            markers: Mutex::new(Markers::new(0, Markers::LIMIT)),
            heard: AtomicU64::new(0),
            suspect_below: AtomicU64::new(0),
            vouched_until: AtomicU64::new(0),
            bound: bound.unwrap_or(u64::MAX),
            ages,
            base: Instant::now(),
            counts,
        }
    }

    /// Returns the time by the cache's own clock, which only rises.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        let since = self.base.elapsed();
        // In 64 bits, since every hit asks; enough for five centuries.
        since.as_secs().saturating_mul(1_000_000_000).saturating_add(since.subsec_nanos().into())
    }

    /// Returns a value that may be served with nothing else to do; the path that nearly every call takes.
    #[inline]
    pub(crate) fn hit(&self, key: &str) -> Option<Arc<T>> {
        let slot = self.slots.get(key)?;
        let now = self.now();
        let is_compared = slot.compared.load(Ordering::Acquire) == self.heard.load(Ordering::Acquire);
        if now >= slot.eager_at || !is_compared || !self.is_trusted(&slot, now) {
            return None;
        }
        let value = slot.value.as_ref().map(Arc::clone)?;
        if self.counts.hits.add() & 63 == 0 {
            self.counts.age(slot.age(now));
        }
        Some(value)
    }

    /// Returns an entry that may still be served, and as what.
    pub(crate) fn look(&self, key: &str) -> Option<(Arc<Slot<T>>, Standing)> {
        let slot = self.slots.get(key)?;
        let now = self.now();
        let standing = slot.standing(now, self.ages);
        let is_served =
            standing != Standing::Gone && self.is_valid(key, &slot) && self.is_trusted(&slot, now);
        is_served.then_some((slot, standing))
    }

    /// Returns whatever is kept, for a report.
    pub(crate) fn kept(&self, key: &str) -> Option<Arc<Slot<T>>> {
        self.slots.get(key)
    }

    /// Tells whether no invalidation overtakes an entry.
    pub(crate) fn is_valid(&self, key: &str, slot: &Slot<T>) -> bool {
        if slot.compared.load(Ordering::Acquire) == self.heard.load(Ordering::Acquire) {
            return true;
        }
        let markers = self.markers.lock();
        if markers.overtakes(key, &slot.tags, slot.stamp) {
            return false;
        }
        slot.compared.store(self.heard.load(Ordering::Acquire), Ordering::Release);
        true
    }

    /// Tells whether all news up to a time not longer ago than the bound have arrived.
    #[inline]
    pub(crate) fn is_trusted(&self, slot: &Slot<T>, now: u64) -> bool {
        if self.bound == u64::MAX {
            return true;
        }
        if slot.stamp.generation < self.suspect_below.load(Ordering::Acquire) {
            return false;
        }
        let known = slot.known_at.max(self.vouched_until.load(Ordering::Acquire));
        now.saturating_sub(known) <= self.bound
    }

    /// Begins a load, or a reading of the shared tier.
    pub(crate) fn begin(&self) -> Begun {
        let markers = self.markers.lock();
        Begun { stamp: markers.stamp(), heard: self.heard.load(Ordering::Acquire), at: self.now() }
    }

    /// Keeps an entry, unless an invalidation has overtaken it.
    pub(crate) fn insert(&self, key: &str, slot: &Arc<Slot<T>>) -> bool {
        {
            let markers = self.markers.lock();
            if markers.overtakes(key, &slot.tags, slot.stamp) {
                return false;
            }
            slot.compared.store(self.heard.load(Ordering::Acquire), Ordering::Release);
        }
        // What is invalidated in between is found by the next look.
        self.slots.insert(key.to_owned(), Arc::clone(slot));
        true
    }

    /// Sets entries that are newer than whatever began before; `targets` are their keys.
    pub(crate) fn set(&self, targets: &[CacheTarget], slots: Vec<(String, Slot<T>)>) {
        let stamp = self.invalidate(targets, None);
        for (key, slot) in slots {
            let stamp = CacheStamp { log: slot.stamp.log, ..stamp };
            self.insert(&key, &Arc::new(Slot { stamp, known_at: self.now(), ..slot }));
        }
    }

    pub(crate) fn remove(&self, key: &str) {
        self.slots.invalidate(key);
    }

    /// Remembers an invalidation, and returns what begins after it.
    pub(crate) fn invalidate(&self, targets: &[CacheTarget], at: Option<LogPoint>) -> CacheStamp {
        let stamp = {
            let mut markers = self.markers.lock();
            let before = markers.stamp().log.map(|point| point.log);
            let stamp = markers.invalidate(targets, at);
            // A position alone overtakes nothing, so hits need not be compared again, unless the log is another.
            if !targets.is_empty() || before != stamp.log.map(|point| point.log) {
                self.heard.fetch_add(1, Ordering::AcqRel);
            }
            stamp
        };
        for target in targets {
            match target {
                // An entry that a position does not overtake stays.
                CacheTarget::Key(key) if at.is_none() => self.slots.invalidate(key),
                CacheTarget::All if at.is_none() => self.slots.invalidate_all(),
                _ => {}
            }
        }
        stamp
    }

    /// Learns from the shared tier which log there is, and how far its invalidations were told there.
    pub(crate) fn reach(&self, log: Option<LogPoint>) {
        let known = self.markers.lock().stamp().log;
        let is_other = |point: &LogPoint| known.is_none_or(|known| known.log != point.log);
        if let Some(point) = log.filter(is_other) {
            self.invalidate(&[], Some(point));
        }
    }

    /// Returns how many invalidations were heard.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Acquire)
    }

    /// Believes nothing that began before now: news may have been lost.
    pub(crate) fn suspect(&self) {
        let mut markers = self.markers.lock();
        self.suspect_below.store(markers.advance(), Ordering::Release);
        self.heard.fetch_add(1, Ordering::AcqRel);
    }

    /// Knows that all news up to a time of its clock have arrived.
    pub(crate) fn vouch(&self, until: u64) {
        self.vouched_until.fetch_max(until, Ordering::AcqRel);
    }

    pub(crate) fn vouched_until(&self) -> u64 {
        self.vouched_until.load(Ordering::Acquire)
    }

    pub(crate) fn stamp(&self) -> CacheStamp {
        self.markers.lock().stamp()
    }

    pub(crate) fn ages(&self) -> StaleAges {
        self.ages
    }

    pub(crate) fn entries(&self) -> u64 {
        self.slots.entry_count()
    }

    pub(crate) fn weight(&self) -> u64 {
        self.slots.weighted_size()
    }

    /// Settles what moka does in its own time, for counts that are exact.
    pub(crate) fn settle(&self) {
        self.slots.run_pending_tasks();
    }
}

impl<T> fmt::Debug for MemoryTier<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTier").finish_non_exhaustive()
    }
}
