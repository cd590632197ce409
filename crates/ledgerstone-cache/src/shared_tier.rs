//! The shared tier as a node sees it: left alone for a while after a failure, and owed what it missed.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{
    BackendError, CacheEntry, CacheLease, CachePut, CacheRead, CacheStore, CacheTarget, LogPoint,
};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::counts::Counts;

/// The most invalidations that are owed one by one; more become one of everything.
const OWED: usize = 4_096;

#[derive(Debug)]
pub(crate) struct SharedTier {
    store: Arc<dyn CacheStore>,
    rest: Duration,
    state: Mutex<State>,
    paying: tokio::sync::Mutex<()>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct State {
    rests_until: Option<Instant>,
    last_error: Option<String>,
    /// Invalidations that the store was not told of: until it was, nothing it says is believed.
    owed: Vec<CacheTarget>,
    /// Rises with each invalidation that is owed, so that one which a list absorbs is not taken for paid.
    debts: u64,
}

/// How a tier is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedHealth {
    /// The technology.
    pub backend: &'static str,
    /// Whether the last call succeeded.
    pub is_up: bool,
    /// What the last failure was, if it has not succeeded since.
    pub last_error: Option<String>,
    /// How many invalidations it still has to be told.
    pub owed: usize,
}

impl SharedTier {
    pub(crate) fn new(store: Arc<dyn CacheStore>, rest: Duration, counts: Arc<Counts>) -> Self {
        Self { store, rest, state: Mutex::default(), paying: tokio::sync::Mutex::default(), counts }
    }

    /// Reads, or returns nothing if the tier is of no use now.
    pub(crate) async fn read(&self, keys: &[&str]) -> Option<CacheRead> {
        if !self.is_usable() {
            return None;
        }
        let answer = self.store.read(keys).await;
        // What it was not told meanwhile, it did not know when it answered.
        self.heard(answer).filter(|_| self.state.lock().owed.is_empty())
    }

    /// Puts entries, or returns nothing if the tier is of no use now.
    pub(crate) async fn put(&self, entries: Vec<(String, CacheEntry)>) -> Option<Vec<CachePut>> {
        if !self.is_usable() {
            return None;
        }
        let answer = self.store.put(entries).await;
        self.heard(answer)
    }

    /// Puts values that are newer than everything; what cannot be put is owed as an invalidation.
    pub(crate) async fn set(&self, entries: Vec<(String, CacheEntry)>) -> Result<(), BackendError> {
        let keys: Vec<_> = entries.iter().map(|(key, _)| CacheTarget::Key(key.clone())).collect();
        match self.store.put(entries).await {
            Ok(_) => {
                self.well();
                Ok(())
            }
            Err(error) => {
                self.ill(&error);
                self.owe(&keys);
                Err(error)
            }
        }
    }

    /// Invalidates; what cannot be told now is told as soon as it can, and nothing is believed before.
    pub(crate) async fn invalidate(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<(), BackendError> {
        match self.store.invalidate(targets, at).await {
            Ok(_) => {
                self.well();
                Ok(())
            }
            Err(error) => {
                self.ill(&error);
                self.owe(targets);
                Err(error)
            }
        }
    }

    /// Returns up to where the log's invalidations were told.
    pub(crate) async fn reached(&self) -> Result<Option<LogPoint>, BackendError> {
        match self.store.read(&[]).await {
            Ok(read) => Ok(read.stamp.log),
            Err(error) => {
                self.ill(&error);
                Err(error)
            }
        }
    }

    pub(crate) async fn lease(&self, key: &str, time: Duration) -> Option<Option<CacheLease>> {
        let answer = self.store.lease(key, time).await;
        self.heard(answer)
    }

    pub(crate) async fn release(&self, lease: CacheLease) {
        let answer = self.store.release(lease).await;
        self.heard(answer);
    }

    /// Tells the store what it is owed, if it is back; returns what it was told.
    pub(crate) async fn pay(&self) -> Option<Vec<CacheTarget>> {
        let Ok(_turn) = self.paying.try_lock() else { return None };
        let (owed, debts) = {
            let state = self.state.lock();
            if state.owed.is_empty() || state.rests_until.is_some_and(|until| Instant::now() < until) {
                return None;
            }
            (state.owed.clone(), state.debts)
        };
        match self.store.invalidate(&owed, None).await {
            Ok(_) => {
                self.well();
                let mut state = self.state.lock();
                // What was added meanwhile stays owed, and with it what was there before: paid twice does no harm.
                if state.debts == debts {
                    state.owed.clear();
                }
                Some(owed)
            }
            Err(error) => {
                self.ill(&error);
                None
            }
        }
    }

    pub(crate) fn health(&self) -> SharedHealth {
        let state = self.state.lock();
        SharedHealth {
            backend: self.store.capabilities().backend,
            is_up: state.last_error.is_none(),
            last_error: state.last_error.clone(),
            owed: state.owed.len(),
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        let state = self.state.lock();
        state.owed.is_empty() && state.rests_until.is_none_or(|until| Instant::now() >= until)
    }

    fn heard<R>(&self, answer: Result<R, BackendError>) -> Option<R> {
        match answer {
            Ok(answer) => {
                self.well();
                Some(answer)
            }
            Err(error) => {
                self.ill(&error);
                None
            }
        }
    }

    fn well(&self) {
        let mut state = self.state.lock();
        state.rests_until = None;
        state.last_error = None;
    }

    fn ill(&self, error: &BackendError) {
        self.counts.shared_failures.add();
        // A refusal of the input says nothing about the tier.
        if error.is_retryable() {
            let mut state = self.state.lock();
            state.rests_until = Some(Instant::now() + self.rest);
            state.last_error = Some(error.to_string());
        }
    }

    /// Keeps invalidations that the store may not know, to be told as soon as it can be.
    pub(crate) fn owe(&self, targets: &[CacheTarget]) {
        let mut state = self.state.lock();
        state.debts += 1;
        if state.owed.len() + targets.len() > OWED {
            state.owed = vec![CacheTarget::All];
        } else if state.owed != [CacheTarget::All] {
            state.owed.extend_from_slice(targets);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::nodes_tests::SharedStub;

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_while_everything_is_being_paid_stays_owed() {
        let (stub, second) = (SharedStub::new(), Duration::from_secs(1));
        let tier = SharedTier::new(Arc::clone(&stub) as _, second, Arc::new(Counts::new("numbers")));
        tier.owe(&[CacheTarget::All]);
        stub.millis.store(2_000, Ordering::SeqCst);
        let fails = async {
            tokio::time::sleep(second).await;
            stub.cut(true);
            tier.invalidate(&[CacheTarget::Key("k".into())], None).await.expect_err("it is cut off");
            stub.cut(false);
        };
        let (paid, ()) = tokio::join!(tier.pay(), fails);
        assert_eq!(paid, Some(vec![CacheTarget::All]));
        assert!(!tier.is_usable() && tier.health().owed == 1, "it came after the payment had begun");
        assert_eq!(tier.pay().await, Some(vec![CacheTarget::All]));
        assert!(tier.is_usable());
    }
}
