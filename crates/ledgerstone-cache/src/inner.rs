//! What the clones of a cache share: its tiers, its flights, and how an entry gets from one tier to another.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use ledgerstone_core::serde_json;
use ledgerstone_core::{
    BackendError, CacheEntry, CacheHit, CacheStamp, CacheTarget, ErrorKind, LogPoint, Tag,
};
use parking_lot::Mutex;

use crate::backplane::{Backplane, Body, Message};
use crate::cache_error::CacheError;
use crate::counts::{CacheStats, Counts};
use crate::envelope::Codec;
use crate::flights::Flights;
use crate::landed::{Landed, Load};
use crate::loaded::Loaded;
use crate::memory_tier::{Begun, MemoryTier};
use crate::settings::CacheSettings;
use crate::shared_tier::SharedTier;
use crate::slot::{Origin, Slot, nanos};
use crate::unfinished::Unfinished;

/// Makes the load of a key, for a cache that reads through.
pub(crate) type KeyLoader<T> = Arc<dyn Fn(&str) -> Load<T> + Send + Sync>;
/// Writes a value under a key, for a cache that writes through.
pub(crate) type KeyWriter<T> =
    Arc<dyn Fn(&str, Arc<T>) -> BoxFuture<'static, Result<(), CacheError>> + Send + Sync>;

pub(crate) struct Inner<T: Send + Sync + 'static> {
    pub(crate) name: Arc<str>,
    pub(crate) node: String,
    pub(crate) settings: CacheSettings,
    pub(crate) memory: MemoryTier<T>,
    pub(crate) shared: Option<(SharedTier, Codec<T>)>,
    pub(crate) backplane: Option<Arc<dyn Backplane>>,
    pub(crate) backplane_is_up: AtomicBool,
    /// Invalidations that the other nodes were not told of yet.
    pub(crate) unsaid: Mutex<Vec<CacheTarget>>,
    pub(crate) flights: Flights<Landed<T>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) loader: Option<KeyLoader<T>>,
    pub(crate) writer: Option<KeyWriter<T>>,
    pub(crate) random: fn() -> u64,
}

/// The most invalidations that are kept to be said one by one; more become one of everything.
const UNSAID: usize = 4_096;

/// What is known of an entry besides its value.
pub(crate) struct Facts {
    pub(crate) tags: Vec<Tag>,
    pub(crate) stamp: CacheStamp,
    pub(crate) known_at: u64,
    pub(crate) age: Duration,
    pub(crate) fresh_for: Duration,
    pub(crate) expires_after: Duration,
    pub(crate) origin: Origin,
    pub(crate) from_shared: bool,
}

impl<T: Send + Sync + 'static> Inner<T> {
    /// Makes the entry of the memory tier.
    pub(crate) fn slot(&self, value: Option<Arc<T>>, facts: Facts) -> Slot<T> {
        let made_at = self.memory.now().saturating_sub(nanos(facts.age));
        let stale_at = made_at.saturating_add(nanos(facts.fresh_for));
        let eager = self.settings.eager_refresh.filter(|_| value.is_some());
        let eager_at =
            eager.map_or(stale_at, |share| made_at.saturating_add(nanos(facts.fresh_for.mul_f64(share))));
        Slot {
            value,
            tags: facts.tags,
            stamp: facts.stamp,
            made_at,
            known_at: facts.known_at,
            eager_at,
            stale_at,
            gone_at: made_at.saturating_add(nanos(facts.expires_after)),
            origin: facts.origin,
            from_shared: facts.from_shared,
            compared: AtomicU64::new(0),
            rests_until: AtomicU64::new(0),
        }
    }

    /// Decides for how long what was loaded is fresh, and for how long it is kept.
    pub(crate) fn spans<V>(&self, loaded: &Loaded<V>) -> (Duration, Duration) {
        let common = if loaded.value.is_some() { self.settings.ttl } else { self.settings.negative_ttl };
        let ttl = loaded.ttl.unwrap_or(common).min(CacheEntry::MAX_LIFE);
        // The highest 53 bits are what a float can hold.
        let drawn = ((self.random)() >> 11) as f64 / (1_u64 << 53) as f64;
        let fresh_for = ttl.mul_f64(1.0 - self.settings.jitter * drawn).max(Duration::from_nanos(1));
        let life = if loaded.value.is_some() { self.settings.life(ttl) } else { ttl };
        (fresh_for, life.min(CacheEntry::MAX_LIFE).max(Duration::from_millis(1)))
    }

    /// Takes an entry of the shared tier into memory, or nothing if it does not read back.
    pub(crate) fn adopt(&self, key: &str, hit: CacheHit, begun: Begun) -> Option<Arc<Slot<T>>> {
        let (_, codec) = self.shared.as_ref()?;
        let Some(envelope) = (codec.decode)(self.settings.version, &hit.entry.value) else {
            self.counts.undecodable.add();
            return None;
        };
        let log = hit.entry.stamp.and_then(|stamp| stamp.log);
        let facts = Facts {
            tags: hit.entry.tags,
            stamp: CacheStamp { log, ..begun.stamp },
            known_at: begun.at,
            age: hit.age,
            fresh_for: hit.entry.fresh_for,
            expires_after: hit.entry.expires_after,
            origin: envelope.origin,
            from_shared: true,
        };
        let slot = Arc::new(self.slot(envelope.value.map(Arc::new), facts));
        self.memory.insert(key, &slot).then_some(slot)
    }

    /// Makes the entry of the shared tier.
    pub(crate) fn entry(
        &self,
        slot: &Slot<T>,
        spans: (Duration, Duration),
        stamp: Option<CacheStamp>,
        fence: Option<u64>,
    ) -> Result<CacheEntry, CacheError> {
        let (_, codec) = self.shared.as_ref().ok_or_else(|| self.misused("there is no shared tier"))?;
        let value = (codec.encode)(self.settings.version, &slot.origin, slot.value.as_deref());
        let value = value.map_err(|error| self.unwritable(error))?;
        let (fresh_for, expires_after) = spans;
        Ok(CacheEntry {
            value: Bytes::from(value),
            tags: slot.tags.clone(),
            fresh_for,
            expires_after,
            stamp,
            fence,
        })
    }

    fn unwritable(&self, error: serde_json::Error) -> CacheError {
        let message = format!("a value of the cache {} cannot be written as JSON: {error}", self.name);
        BackendError::new(ErrorKind::Invalid, "cache", "encode", message).with_source(error).into()
    }

    fn misused(&self, message: &str) -> CacheError {
        BackendError::new(ErrorKind::Internal, "cache", "encode", message).into()
    }

    /// Invalidates everywhere: the shared tier first, so that what is read from it afterwards is newer, then
    /// this node, then the others.
    pub(crate) async fn invalidate(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<(), BackendError> {
        targets.iter().try_for_each(|target| target.check("cache"))?;
        let mut unfinished = Unfinished::new(self, targets);
        let answer = match &self.shared {
            Some((shared, _)) => shared.invalidate(targets, at).await,
            None => Ok(()),
        };
        self.memory.invalidate(targets, at);
        unfinished.is_here();
        // A position alone makes nothing untrue: the others need not hear of it.
        if targets.is_empty() {
            return answer;
        }
        self.counts.invalidations.add();
        let said = self.tell(targets, at).await;
        unfinished.is_done();
        answer.and(said)
    }

    /// Tells the other nodes what was invalidated; what cannot be said now is said as soon as it can be.
    pub(crate) async fn tell(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<(), BackendError> {
        let said = self.say(Body::Invalidated { targets: targets.to_vec(), at }).await;
        if said.is_err() {
            self.keep_unsaid(targets);
        }
        said
    }

    /// Keeps what the other nodes have to be told as soon as they can be.
    pub(crate) fn keep_unsaid(&self, targets: &[CacheTarget]) {
        let mut unsaid = self.unsaid.lock();
        unsaid.extend_from_slice(targets);
        if unsaid.len() > UNSAID {
            *unsaid = vec![CacheTarget::All];
        }
    }

    /// Says something to the other nodes, if there is a way to.
    pub(crate) async fn say(&self, body: Body) -> Result<(), BackendError> {
        let Some(backplane) = &self.backplane else { return Ok(()) };
        let message = Message { cache: self.name.to_string(), node: self.node.clone(), body };
        let bytes = serde_json::to_vec(&message).map_err(|error| {
            let message = format!("a message cannot be written: {error}");
            BackendError::new(ErrorKind::Internal, "cache", "tell the other nodes", message)
        })?;
        backplane.publish(Bytes::from(bytes)).await.inspect_err(|error| {
            self.counts.backplane_failures.add();
            tracing::debug!(cache = %self.name, %error, "the backplane did not take a message");
        })
    }

    /// Says what could not be said before.
    pub(crate) async fn say_the_unsaid(&self) {
        let unsaid = std::mem::take(&mut *self.unsaid.lock());
        if !unsaid.is_empty() {
            // What fails again is kept again.
            let _ = self.tell(&unsaid, None).await;
        }
    }

    /// Pays what the shared tier is owed, if it is back, so that it can be believed again.
    pub(crate) async fn settle(&self) {
        let Some((shared, _)) = &self.shared else { return };
        if let Some(told) = shared.pay().await {
            // Other nodes may have read what was out of date meanwhile.
            self.memory.invalidate(&told, None);
            let _ = self.tell(&told, None).await;
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.counts.stats(self.memory.entries(), self.memory.weight())
    }

    pub(crate) fn is_backplane_up(&self) -> bool {
        self.backplane_is_up.load(Ordering::Relaxed)
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Inner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
