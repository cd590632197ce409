//! What a cache counts: plain numbers on the hot path, shown as metrics by the cache's name.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// A number that only rises.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Counts one, and returns how many there were before.
    #[inline]
    pub(crate) fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one cache.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) hits: Count,
    pub(crate) shared_hits: Count,
    pub(crate) misses: Count,
    pub(crate) stale_served: Count,
    pub(crate) loads: Count,
    pub(crate) load_failures: Count,
    pub(crate) overtaken: Count,
    pub(crate) invalidations: Count,
    pub(crate) undecodable: Count,
    pub(crate) shared_failures: Count,
    pub(crate) backplane_failures: Count,
    pub(crate) evictions: Count,
    ages: metrics::Histogram,
    loads_took: metrics::Histogram,
}

impl Counts {
    pub(crate) fn new(cache: &str) -> Self {
        let cache = cache.to_owned();
        Self {
            hits: Count::default(),
            shared_hits: Count::default(),
            misses: Count::default(),
            stale_served: Count::default(),
            loads: Count::default(),
            load_failures: Count::default(),
            overtaken: Count::default(),
            invalidations: Count::default(),
            undecodable: Count::default(),
            shared_failures: Count::default(),
            backplane_failures: Count::default(),
            evictions: Count::default(),
            ages: metrics::histogram!("ledgerstone_cache_age_seconds", "cache" => cache.clone()),
            loads_took: metrics::histogram!("ledgerstone_cache_load_seconds", "cache" => cache),
        }
    }

    /// Keeps the age of something that was served.
    pub(crate) fn age(&self, nanos: u64) {
        self.ages.record(Duration::from_nanos(nanos));
    }

    /// Keeps how long a load took.
    pub(crate) fn loaded_in(&self, took: Duration) {
        self.loads_took.record(took);
    }

    pub(crate) fn stats(&self, entries: u64, weight: u64) -> CacheStats {
        CacheStats {
            hits: self.hits.get(),
            shared_hits: self.shared_hits.get(),
            misses: self.misses.get(),
            stale_served: self.stale_served.get(),
            loads: self.loads.get(),
            load_failures: self.load_failures.get(),
            overtaken: self.overtaken.get(),
            invalidations: self.invalidations.get(),
            undecodable: self.undecodable.get(),
            shared_failures: self.shared_failures.get(),
            backplane_failures: self.backplane_failures.get(),
            evictions: self.evictions.get(),
            entries,
            weight,
        }
    }
}

/// What a cache has counted since it was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CacheStats {
    /// Answers from memory, stale ones included.
    pub hits: u64,
    /// Answers from the shared tier.
    pub shared_hits: u64,
    /// Questions that neither tier could answer.
    pub misses: u64,
    /// Answers that were stale.
    pub stale_served: u64,
    /// Loads that were begun.
    pub loads: u64,
    /// Loads that failed or took too long.
    pub load_failures: u64,
    /// Loads that an invalidation overtook, so that they were not kept.
    pub overtaken: u64,
    /// Invalidations, by this node or another.
    pub invalidations: u64,
    /// Entries of the shared tier that did not read back: of another version, or damaged.
    pub undecodable: u64,
    /// Calls of the shared tier that failed.
    pub shared_failures: u64,
    /// Messages to other nodes that could not be sent.
    pub backplane_failures: u64,
    /// Entries that made room for others.
    pub evictions: u64,
    /// Entries in memory, about.
    pub entries: u64,
    /// Their weight, about.
    pub weight: u64,
}

impl CacheStats {
    /// Returns the share of questions that a tier answered, or nothing if there was none.
    pub fn hit_ratio(&self) -> Option<f64> {
        let hits = self.hits + self.shared_hits;
        let asked = hits + self.misses;
        (asked > 0).then(|| hits as f64 / asked as f64)
    }

    /// Sets the metrics of this cache; called before they are exposed.
    pub(crate) fn publish(&self, cache: &str) {
        let count = |name: &'static str, what: &'static str, value: u64| {
            metrics::counter!(name, "cache" => cache.to_owned(), "of" => what).absolute(value);
        };
        let answers = "ledgerstone_cache_requests_total";
        count(answers, "hit", self.hits);
        count(answers, "shared_hit", self.shared_hits);
        count(answers, "miss", self.misses);
        let loads = "ledgerstone_cache_loads_total";
        count(loads, "begun", self.loads);
        count(loads, "failed", self.load_failures);
        count(loads, "overtaken", self.overtaken);
        let plain = |name: &'static str, value: u64| {
            metrics::counter!(name, "cache" => cache.to_owned()).absolute(value);
        };
        plain("ledgerstone_cache_stale_served_total", self.stale_served);
        plain("ledgerstone_cache_invalidations_total", self.invalidations);
        plain("ledgerstone_cache_undecodable_total", self.undecodable);
        plain("ledgerstone_cache_shared_failures_total", self.shared_failures);
        plain("ledgerstone_cache_backplane_failures_total", self.backplane_failures);
        plain("ledgerstone_cache_evictions_total", self.evictions);
        metrics::gauge!("ledgerstone_cache_entries", "cache" => cache.to_owned()).set(self.entries as f64);
        metrics::gauge!("ledgerstone_cache_weight", "cache" => cache.to_owned()).set(self.weight as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hit_ratio_counts_both_tiers_and_is_nothing_before_a_question() {
        assert_eq!(CacheStats::default().hit_ratio(), None);
        let stats = CacheStats { hits: 2, shared_hits: 1, misses: 1, ..CacheStats::default() };
        assert_eq!(stats.hit_ratio(), Some(0.75));
    }
}
