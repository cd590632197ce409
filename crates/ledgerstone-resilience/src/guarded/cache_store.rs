//! A cache store with a policy around every call.

use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, CacheCapabilities, CacheEntry, CacheLease, CachePut, CacheRead, CacheStamp, CacheStore,
    CacheTarget, LogPoint,
};

use super::Guarded;
use crate::call::{Idempotent, Once};

/// Stamps and fences make every call repeatable, but for asking for a lease: who gets it twice waits for itself.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: CacheStore + ?Sized> CacheStore for Guarded<S> {
    fn capabilities(&self) -> CacheCapabilities {
        self.inner.capabilities()
    }

    async fn read(&self, keys: &[&str]) -> Result<CacheRead, BackendError> {
        self.policy.run(Idempotent(|_| self.inner.read(keys))).await
    }

    async fn put(&self, entries: Vec<(String, CacheEntry)>) -> Result<Vec<CachePut>, BackendError> {
        self.policy.run(Idempotent(|_| self.inner.put(entries.clone()))).await
    }

    async fn invalidate(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<CacheStamp, BackendError> {
        self.policy.run(Idempotent(|_| self.inner.invalidate(targets, at))).await
    }

    async fn lease(&self, key: &str, time: Duration) -> Result<Option<CacheLease>, BackendError> {
        self.policy.run(Once(|| self.inner.lease(key, time))).await
    }

    async fn release(&self, lease: CacheLease) -> Result<(), BackendError> {
        self.policy.run(Idempotent(|_| self.inner.release(lease.clone()))).await
    }
}
