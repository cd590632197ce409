//! A store that is scavenged after appends and before readings all the time: no answer may change by it.

#![deny(clippy::missing_trait_methods)]
#![expect(clippy::expect_used, reason = "a panic in a test is its report")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{
    Appended, Batch, Capabilities, EventStore, EventStoreError, Frames, Heads, LogHead, Mark, Selection,
    TenantScope,
};
use ledgerstone_stores::{Backend, Upkeep, Work};

/// A store, and what scavenges it.
#[derive(Debug)]
struct Scavenged {
    inner: Arc<dyn EventStore>,
    upkeep: Upkeep,
    calls: AtomicU64,
}

impl Scavenged {
    /// Tells whether this call is one to scavenge at: of the first ones each, then one in eight.
    fn is_due(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        call < 40 || call.is_multiple_of(8)
    }
}

/// Returns the events of a backend, scavenged all the time.
pub(crate) fn events(backend: &Backend) -> Arc<dyn EventStore> {
    let upkeep = backend.upkeep.clone().expect("a store that can be scavenged");
    Arc::new(Scavenged { inner: Arc::clone(&backend.events), upkeep, calls: AtomicU64::new(0) })
}

async fn scavenge(upkeep: &Upkeep) {
    // Where another caller scavenges just now, that will do.
    let _ = upkeep.start(Work::Scavenge { least_percent: 0, dry_run: false }, None);
    let status = upkeep.finished(&|_| {}).await;
    assert_eq!(status.problem, None, "a scavenge failed");
}

#[async_trait]
impl EventStore for Scavenged {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError> {
        let answer = self.inner.append(batch).await;
        if self.is_due() {
            scavenge(&self.upkeep).await;
        }
        answer
    }

    fn read(&self, selection: Selection) -> Frames {
        let frames = self.inner.read(selection);
        if !self.is_due() {
            return frames;
        }
        let upkeep = self.upkeep.clone();
        let first = stream::once(async move {
            scavenge(&upkeep).await;
            stream::empty()
        });
        first.flatten().chain(frames).boxed()
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        self.inner.head().await
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        self.inner.changes()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.inner.marks(tenant, prefix).await
    }
}
