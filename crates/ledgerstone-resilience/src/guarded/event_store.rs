//! An event store with a policy around every call.

use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ledgerstone_core::{
    Appended, Batch, Capabilities, EventStore, EventStoreError, Frames, Heads, LogHead, Mark, Selection,
    TenantScope,
};

use super::Guarded;
use crate::call::{Idempotent, Once};

/// A batch with events is known by their ids, so it may be appended again; one without events runs once.
///
/// A reading is guarded until its first frame is there; if it breaks later, the error is told as it is, and the
/// `read_to` of the last frame says where to go on. Changes are passed on as they come.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: EventStore + ?Sized> EventStore for Guarded<S> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError> {
        if batch.events().next().is_none() {
            return self.policy.run(Once(|| self.inner.append(batch))).await;
        }
        self.policy.run(Idempotent(|_| self.inner.append(batch.clone()))).await
    }

    fn read(&self, selection: Selection) -> Frames {
        let (inner, policy) = (Arc::clone(&self.inner), self.policy.clone());
        let begin = async move {
            let first = Idempotent(|_| {
                let mut frames = inner.read(selection.clone());
                async move {
                    let first = frames.try_next().await?;
                    Ok::<_, EventStoreError>((first, frames))
                }
            });
            let (first, rest) = policy.run(first).await?;
            Ok::<_, EventStoreError>(stream::iter(first.map(Ok)).chain(rest))
        };
        stream::once(begin).try_flatten().boxed()
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        self.policy.run(Idempotent(|_| self.inner.head())).await
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        self.inner.changes()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.policy.run(Idempotent(|_| self.inner.marks(tenant.clone(), prefix))).await
    }
}
