//! Scoped stores: handles bound to one tenant, which cannot reach another.

use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use ledgerstone_core::{
    Appended, Batch, Capabilities, EventStore, EventStoreError, Frames, Heads, LogHead, Mark, Selection,
    Tenant, TenantScope,
};

/// An event store bound to one tenant: whatever is asked for, it is asked for that tenant.
///
/// The heads are the whole log's, so positions tell how much others append, and nothing else.
#[derive(Debug, Clone)]
pub struct Scoped {
    store: Arc<dyn EventStore>,
    tenant: Tenant,
}

impl Scoped {
    /// Binds a store to a tenant; one that is bound already stays bound to the first.
    pub fn new(store: Arc<dyn EventStore>, tenant: Tenant) -> Self {
        Self { store, tenant }
    }

    /// Returns the tenant.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    fn scope(&self) -> TenantScope {
        TenantScope::One(self.tenant.clone())
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl EventStore for Scoped {
    fn capabilities(&self) -> Capabilities {
        Capabilities { all_tenants: false, ..self.store.capabilities() }
    }

    async fn append(&self, mut batch: Batch) -> Result<Appended, EventStoreError> {
        batch.tenant = self.tenant.clone();
        self.store.append(batch).await
    }

    fn read(&self, selection: Selection) -> Frames {
        self.store.read(selection.of(self.scope()))
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        self.store.head().await
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        self.store.changes()
    }

    async fn marks(&self, _tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.store.marks(self.scope(), prefix).await
    }
}

#[cfg(test)]
#[path = "scoped_tests.rs"]
mod tests;
