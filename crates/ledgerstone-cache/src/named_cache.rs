//! A cache whose type of values is not known: what followers of the log, registries and the command line hold.

use std::fmt::Debug;

use async_trait::async_trait;
use ledgerstone_core::{BackendError, CacheTarget, LogPoint};

use crate::backplane::Body;
use crate::cache::Cache;
use crate::counts::CacheStats;
use crate::explain::Explanation;
use crate::health::CacheHealth;

/// A cache of any values.
#[async_trait]
pub trait NamedCache: Debug + Send + Sync + 'static {
    /// Returns the name.
    fn name(&self) -> &str;

    /// Returns what was counted.
    fn stats(&self) -> CacheStats;

    /// Returns how it is.
    fn health(&self) -> CacheHealth;

    /// Sets the metrics; called before they are exposed.
    fn publish_metrics(&self);

    /// Tells what is known of a key.
    async fn explain(&self, key: &str) -> Explanation;

    /// Invalidates everywhere, as [`Cache::invalidate`] does.
    async fn invalidate(&self, targets: &[CacheTarget], at: Option<LogPoint>) -> Result<(), BackendError>;

    /// Returns up to where the log's invalidations were told to the shared tier, or to memory without one.
    async fn reached(&self) -> Result<Option<LogPoint>, BackendError>;

    /// Lets every node compare its memory with the shared tier again: said by whoever begins to follow the log,
    /// since the one before may have ended between telling the tier and telling the nodes.
    async fn begin_following(&self) -> Result<(), BackendError>;

    /// Begins to prove that all events of the log up to now have arrived.
    fn begin_proof(&self) -> u64;

    /// Ends a proof that began at a time: it counts where no backplane has to prove more.
    fn end_proof(&self, began: u64);
}

#[async_trait]
impl<T: Send + Sync + 'static> NamedCache for Cache<T> {
    fn name(&self) -> &str {
        Self::name(self)
    }

    fn stats(&self) -> CacheStats {
        Self::stats(self)
    }

    fn health(&self) -> CacheHealth {
        Self::health(self)
    }

    fn publish_metrics(&self) {
        self.stats().publish(&self.inner.name);
    }

    async fn explain(&self, key: &str) -> Explanation {
        Self::explain(self, key).await
    }

    async fn invalidate(&self, targets: &[CacheTarget], at: Option<LogPoint>) -> Result<(), BackendError> {
        self.inner.invalidate(targets, at).await
    }

    async fn reached(&self) -> Result<Option<LogPoint>, BackendError> {
        let here = self.inner.memory.stamp().log;
        match &self.inner.shared {
            Some((shared, _)) => shared.reached().await,
            None => Ok(here),
        }
    }

    async fn begin_following(&self) -> Result<(), BackendError> {
        if self.inner.backplane.is_none() {
            return Ok(());
        }
        // This node hears its own, too.
        self.inner.say(Body::Suspect).await
    }

    fn begin_proof(&self) -> u64 {
        self.inner.memory.now()
    }

    fn end_proof(&self, began: u64) {
        // Invalidations without a position travel by the backplane only, or not at all.
        if self.inner.backplane.is_none() && self.inner.shared.is_none() {
            self.inner.memory.vouch(began);
        }
    }
}
