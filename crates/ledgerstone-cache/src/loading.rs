//! How a value that memory does not have is had: from the shared tier, from another node's load, or from ours.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{CacheLease, CachePut, CacheStamp};
use tokio::time::Instant;

use crate::cache_error::CacheError;
use crate::flights::{Joined, Ticket};
use crate::inner::{Facts, Inner};
use crate::landed::{Landed, Load, Wants};
use crate::loaded::Loaded;
use crate::memory_tier::Begun;
use crate::shared_tier::SharedTier;
use crate::slot::{Origin, Slot, Standing, nanos};

/// What the shared tier knows at the beginning of a load.
#[derive(Default)]
struct Shared<T> {
    /// An entry that may be served.
    found: Option<Arc<Slot<T>>>,
    /// What the load is to be put with; nothing if the tier is of no use now.
    stamp: Option<CacheStamp>,
}

impl<T: Send + Sync + 'static> Inner<T> {
    /// Returns what is under a key, loading it if need be: by one load at a time, in a task of its own.
    pub(crate) async fn obtain(
        self: &Arc<Self>,
        key: &str,
        wants: Wants,
        load: Load<T>,
    ) -> Result<Option<Arc<T>>, CacheError> {
        let looked = self.memory.look(key).filter(|(slot, _)| wants.accepts(slot));
        let has_spare = match looked {
            Some((slot, Standing::Fresh)) => return Ok(self.serve(&slot)),
            Some((slot, Standing::Eager | Standing::Revalidating)) => {
                let value = self.serve(&slot);
                self.refresh(key, wants, load);
                return Ok(value);
            }
            Some((slot, Standing::Resting)) => return Ok(self.serve(&slot)),
            Some((_, standing)) => standing == Standing::Spare,
            None => false,
        };
        ledgerstone_core::CacheTarget::Key(key.to_owned()).check("cache")?;
        self.wait(key, wants, load, has_spare).await
    }

    /// Waits for a flight, our own if nobody else's is new enough.
    async fn wait(
        self: &Arc<Self>,
        key: &str,
        wants: Wants,
        load: Load<T>,
        has_spare: bool,
    ) -> Result<Option<Arc<T>>, CacheError> {
        let heard = self.memory.heard();
        let mut load = Some(load);
        loop {
            let landing = match self.flights.join(key, self.lost()) {
                Joined::Later(landing) => landing,
                Joined::First(ticket, landing) => {
                    let Some(load) = load.take() else { return Err(self.lost_error()) };
                    tokio::spawn(Arc::clone(self).fly(ticket, wants, load));
                    landing
                }
            };
            let mut landing = pin!(landing);
            let soft = self.settings.soft_timeout.filter(|_| has_spare);
            let landed = match soft {
                None => landing.await,
                Some(soft) => match tokio::time::timeout(soft, &mut landing).await {
                    Ok(landed) => landed,
                    Err(_) => match self.spare(key, wants) {
                        Some(slot) => return Ok(self.serve(&slot)),
                        None => landing.await,
                    },
                },
            };
            match landed.result {
                Ok(slot) => {
                    // A flight that began before an invalidation which its caller could know of is too old.
                    let is_overtaken = landed.is_overtaken || !self.memory.is_valid(key, &slot);
                    let is_late = is_overtaken && landed.begun < heard;
                    if wants.accepts(&slot) && (!is_late || load.is_none()) {
                        return Ok(slot.value.clone());
                    }
                    if load.is_none() {
                        return Err(self.lost_error());
                    }
                }
                Err(error) => {
                    return self.spare(key, wants).map(|slot| self.serve(&slot)).ok_or(error);
                }
            }
        }
    }

    /// Begins a load that nobody waits for, if none is under way.
    fn refresh(self: &Arc<Self>, key: &str, wants: Wants, load: Load<T>) {
        if let Joined::First(ticket, _) = self.flights.join(key, self.lost()) {
            tokio::spawn(Arc::clone(self).fly(ticket, wants, load));
        }
    }

    /// Flies: this is the task of its own, which no caller's end disturbs.
    async fn fly(self: Arc<Self>, ticket: Ticket<Landed<T>>, wants: Wants, load: Load<T>) {
        let key = Arc::clone(ticket.key());
        let landed = self.bring(&key, wants, load).await;
        ticket.land(landed);
    }

    async fn bring(&self, key: &str, wants: Wants, load: Load<T>) -> Landed<T> {
        let begun = self.memory.begin();
        // A flight may have landed between the look and the joining.
        if let Some((slot, Standing::Fresh)) = self.memory.look(key)
            && wants.accepts(&slot)
        {
            self.counts.hits.add();
            return Landed::kept(slot, begun.heard);
        }
        let Shared { found, stamp } = self.ask_shared(key, wants, begun).await;
        if let Some(slot) = found {
            return Landed::kept(slot, begun.heard);
        }
        let mut lease = None;
        if let (Some(time), Some(_), Some((shared, _))) = (self.settings.lease, stamp, &self.shared) {
            match self.take_lease(shared, key, wants, time).await {
                Ok(taken) => lease = taken,
                Err(slot) => return Landed::kept(slot, begun.heard),
            }
        }
        self.counts.misses.add();
        let landed = self.load(key, load, begun, stamp, lease.as_ref()).await;
        if let (Some(lease), Some((shared, _))) = (lease, &self.shared) {
            shared.release(lease).await;
        }
        landed
    }

    /// Reads the shared tier; a stale entry goes to memory too, as a spare.
    async fn ask_shared(&self, key: &str, wants: Wants, begun: Begun) -> Shared<T> {
        let Some((shared, _)) = &self.shared else { return Shared { found: None, stamp: None } };
        self.settle().await;
        let Some(read) = shared.read(&[key]).await else { return Shared { found: None, stamp: None } };
        self.memory.reach(read.stamp.log);
        let hit = read.found.into_iter().next().flatten();
        let slot = hit.and_then(|hit| self.adopt(key, hit, begun));
        let is_fresh = |slot: &Arc<Slot<T>>| {
            wants.accepts(slot) && slot.standing(self.memory.now(), self.memory.ages()) == Standing::Fresh
        };
        let found = slot.filter(is_fresh);
        if found.is_some() {
            self.counts.shared_hits.add();
        }
        Shared { found, stamp: Some(read.stamp) }
    }

    /// Takes the lease of a key, or what another node has loaded meanwhile; waits no longer than it may.
    async fn take_lease(
        &self,
        shared: &SharedTier,
        key: &str,
        wants: Wants,
        time: Duration,
    ) -> Result<Option<CacheLease>, Arc<Slot<T>>> {
        let until = Instant::now() + self.settings.lease_wait;
        let mut pause = Duration::from_millis(10);
        loop {
            match shared.lease(key, time).await {
                Some(Some(lease)) => {
                    // Another node's load may have landed between our reading and our lease.
                    match self.ask_shared(key, wants, self.memory.begin()).await.found {
                        Some(slot) => {
                            shared.release(lease).await;
                            return Err(slot);
                        }
                        None => return Ok(Some(lease)),
                    }
                }
                Some(None) => {}
                None => return Ok(None),
            }
            if Instant::now() + pause > until {
                return Ok(None);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
            if let Some(slot) = self.ask_shared(key, wants, self.memory.begin()).await.found {
                return Err(slot);
            }
        }
    }

    async fn load(
        &self,
        key: &str,
        load: Load<T>,
        begun: Begun,
        stamp: Option<CacheStamp>,
        lease: Option<&CacheLease>,
    ) -> Landed<T> {
        self.counts.loads.add();
        let (started, hard) = (Instant::now(), self.settings.hard_timeout);
        let answer = match tokio::time::timeout(hard, load()).await {
            Ok(answer) => answer,
            Err(_) => Err(CacheError::TimedOut { cache: Arc::clone(&self.name), timeout: hard }),
        };
        let took = started.elapsed();
        self.counts.loaded_in(took);
        match answer {
            Ok(loaded) => self.keep(key, loaded, begun, stamp, took, lease).await,
            Err(error) => {
                self.counts.load_failures.add();
                if let Some(slot) = self.memory.kept(key) {
                    slot.rest(self.memory.now().saturating_add(nanos(self.settings.error_throttle)));
                }
                tracing::debug!(cache = %self.name, %error, "a load failed");
                Landed::failed(error, begun.heard)
            }
        }
    }

    /// Keeps what was loaded in both tiers, unless an invalidation has overtaken it.
    async fn keep(
        &self,
        key: &str,
        loaded: Loaded<T>,
        begun: Begun,
        stamp: Option<CacheStamp>,
        took: Duration,
        lease: Option<&CacheLease>,
    ) -> Landed<T> {
        let spans = self.spans(&loaded);
        let log = loaded.as_of.or(stamp.and_then(|stamp| stamp.log)).or(begun.stamp.log);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let facts = Facts {
            tags: loaded.tags,
            stamp: CacheStamp { log, ..begun.stamp },
            known_at: begun.at,
            age: Duration::ZERO,
            fresh_for: spans.0,
            expires_after: spans.1,
            origin: Origin::Loader { node: self.node.clone(), took_ms },
            from_shared: false,
        };
        let slot = Arc::new(self.slot(loaded.value.map(Arc::new), facts));
        let mut is_overtaken = !self.memory.insert(key, &slot);
        if let (false, Some(stamp), Some((shared, _))) = (is_overtaken, stamp, &self.shared) {
            let stamp = CacheStamp { log: loaded.as_of.or(stamp.log), ..stamp };
            match self.entry(&slot, spans, Some(stamp), lease.map(|lease| lease.fence)) {
                Ok(entry) => {
                    let put = shared.put(vec![(key.to_owned(), entry)]).await;
                    // Another node's invalidation, which this one has not heard of yet.
                    if put.is_some_and(|put| put.contains(&CachePut::Overtaken)) {
                        self.memory.remove(key);
                        is_overtaken = true;
                    }
                }
                Err(error) => tracing::warn!(cache = %self.name, %error, "an entry stays in memory only"),
            }
        }
        if is_overtaken {
            self.counts.overtaken.add();
        }
        Landed { result: Ok(slot), begun: begun.heard, is_overtaken }
    }

    /// Returns a stale entry that may be served because a load fails or is slow.
    fn spare(&self, key: &str, wants: Wants) -> Option<Arc<Slot<T>>> {
        self.memory.look(key).map(|(slot, _)| slot).filter(|slot| wants.accepts(slot))
    }

    /// Counts an answer from memory.
    pub(crate) fn serve(&self, slot: &Slot<T>) -> Option<Arc<T>> {
        let now = self.memory.now();
        self.counts.hits.add();
        self.counts.age(slot.age(now));
        if now >= slot.stale_at {
            self.counts.stale_served.add();
        }
        slot.value.clone()
    }

    fn lost(&self) -> Landed<T> {
        Landed::failed(self.lost_error(), 0)
    }

    fn lost_error(&self) -> CacheError {
        CacheError::Lost { cache: Arc::clone(&self.name) }
    }
}
