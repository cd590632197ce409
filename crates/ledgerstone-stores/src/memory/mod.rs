//! The `memory` store: the reference that every other store is compared with, and the one for tests.

mod documents;
mod events;

use std::sync::Arc;

use async_trait::async_trait;
use futures_core::future::BoxFuture;
use ledgerstone_core::{BackendError, Locator};

pub use documents::MemoryDocuments;
pub use events::MemoryEvents;

use crate::backend::{Adapter, Backend, Closing, Resources, check_parameters, misplaced};
use crate::group_commit::GroupCommit;

/// The row of this backend in the table of adapters.
pub(crate) const ADAPTER: Adapter = Adapter {
    scheme: "memory",
    about: "memory: gone when the process ends; for tests",
    example: "memory:",
    open,
    owner: |_| None,
    restore: None,
    inspect: None,
    backups: None,
    open_read_only: None,
};

fn open(locator: Locator, resources: Resources) -> BoxFuture<'static, Result<Backend, BackendError>> {
    Box::pin(async move {
        check_parameters("memory", &locator, &[])?;
        if !locator.place().is_empty() {
            return Err(misplaced("memory", "memory has no places; write the locator as memory:"));
        }
        let events = Arc::new(MemoryEvents::open(resources.clock, &*resources.ids)?);
        let documents = Arc::new(MemoryDocuments::default());
        Ok(Backend::new(Arc::clone(&events) as _, documents).closed_by(events, None))
    })
}

#[async_trait]
impl Closing for GroupCommit<MemoryEvents> {
    async fn close(&self) {
        self.close().await;
    }
}
