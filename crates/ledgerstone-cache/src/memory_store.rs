//! A cache store in memory, bounded by weight: the reference for the port, and what simulated nodes share.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, CacheCapabilities, CacheEntry, CacheHit, CacheLease, CachePut, CacheRead, CacheStamp,
    CacheStore, CacheTarget, Clock, LogPoint,
};
use moka::sync::Cache;
use parking_lot::Mutex;

use crate::markers::Markers;

/// Keeps entries in this process, up to a weight in bytes.
pub struct MemoryCacheStore {
    clock: Arc<dyn Clock>,
    entries: Cache<String, Kept>,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
struct Kept {
    entry: Arc<CacheEntry>,
    stamp: CacheStamp,
    put_at: Duration,
}

#[derive(Debug)]
struct State {
    markers: Markers,
    leases: HashMap<String, (u64, Duration)>,
    fence: u64,
}

const CAPABILITIES: CacheCapabilities =
    CacheCapabilities { backend: "memory", is_shared: false, max_value_bytes: 16 * 1024 * 1024 };

impl MemoryCacheStore {
    /// Creates a store that holds up to `max_bytes` of keys and values.
    pub fn new(clock: Arc<dyn Clock>, max_bytes: u64) -> Self {
        let weigh = |key: &String, kept: &Kept| {
            u32::try_from(key.len() + kept.entry.value.len()).unwrap_or(u32::MAX).max(1)
        };
        let entries = Cache::builder().max_capacity(max_bytes).weigher(weigh).build();
        let markers = Markers::new(1, Markers::LIMIT);
        Self { clock, entries, state: Mutex::new(State { markers, leases: HashMap::new(), fence: 0 }) }
    }

    fn find(&self, state: &State, key: &str) -> Option<CacheHit> {
        let kept = self.entries.get(key)?;
        let age = self.clock.monotonic().saturating_sub(kept.put_at);
        let is_over = age >= kept.entry.expires_after;
        if is_over || state.markers.overtakes(key, &kept.entry.tags, kept.stamp) {
            self.entries.invalidate(key);
            return None;
        }
        let entry = CacheEntry { stamp: Some(kept.stamp), ..CacheEntry::clone(&kept.entry) };
        Some(CacheHit { entry, age })
    }

    fn put_one(&self, state: &mut State, key: String, entry: CacheEntry) -> CachePut {
        let stamp = entry.stamp.unwrap_or_else(|| {
            // Whatever began before is overtaken by it.
            state.markers.invalidate(&[CacheTarget::Key(key.clone())], None)
        });
        if state.markers.overtakes(&key, &entry.tags, stamp) {
            return CachePut::Overtaken;
        }
        let held = entry.fence.and_then(|_| self.find(state, &key)).and_then(|hit| hit.entry.fence);
        if held > entry.fence {
            return CachePut::Overtaken;
        }
        self.entries.insert(key, Kept { entry: Arc::new(entry), stamp, put_at: self.clock.monotonic() });
        CachePut::Stored
    }
}

impl fmt::Debug for MemoryCacheStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCacheStore")
            .field("entries", &self.entries.entry_count())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl CacheStore for MemoryCacheStore {
    fn capabilities(&self) -> CacheCapabilities {
        CAPABILITIES
    }

    async fn read(&self, keys: &[&str]) -> Result<CacheRead, BackendError> {
        let state = self.state.lock();
        let found = keys.iter().map(|key| self.find(&state, key)).collect();
        Ok(CacheRead { stamp: state.markers.stamp(), found })
    }

    async fn put(&self, entries: Vec<(String, CacheEntry)>) -> Result<Vec<CachePut>, BackendError> {
        for (key, entry) in &entries {
            entry.check(key, &CAPABILITIES)?;
        }
        let mut state = self.state.lock();
        Ok(entries.into_iter().map(|(key, entry)| self.put_one(&mut state, key, entry)).collect())
    }

    async fn invalidate(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<CacheStamp, BackendError> {
        targets.iter().try_for_each(|target| target.check(CAPABILITIES.backend))?;
        Ok(self.state.lock().markers.invalidate(targets, at))
    }

    async fn lease(&self, key: &str, time: Duration) -> Result<Option<CacheLease>, BackendError> {
        CacheTarget::Key(key.to_owned()).check(CAPABILITIES.backend)?;
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        state.leases.retain(|_, (_, until)| *until > now);
        if state.leases.contains_key(key) {
            return Ok(None);
        }
        state.fence += 1;
        let fence = state.fence;
        state.leases.insert(key.to_owned(), (fence, now.saturating_add(time)));
        Ok(Some(CacheLease { key: key.to_owned(), fence }))
    }

    async fn release(&self, lease: CacheLease) -> Result<(), BackendError> {
        let mut state = self.state.lock();
        if state.leases.get(&lease.key).is_some_and(|(fence, _)| *fence == lease.fence) {
            state.leases.remove(&lease.key);
        }
        Ok(())
    }
}
