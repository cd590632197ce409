//! A document store to which something happens just before a call: what another process does meanwhile.

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use ledgerstone_core::{
    Alteration, Collection, CollectionRef, Commit, Document, DocumentCapabilities, DocumentStoreError,
    Filter, Page,
};
use parking_lot::Mutex;

use super::*;

/// Before which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Documents of a read model are read by key.
    Get,
    /// Something is committed.
    Commit,
}

/// Passes every call on, and lets something happen before one of them, once.
pub(super) struct Interrupted {
    store: Arc<dyn DocumentStore>,
    meanwhile: Mutex<Option<(Call, BoxFuture<'static, ()>)>>,
    alterations: AtomicUsize,
    commits: AtomicUsize,
}

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupted").finish_non_exhaustive()
    }
}

impl Interrupted {
    pub(super) fn new(store: &Arc<dyn DocumentStore>) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            meanwhile: Mutex::new(None),
            alterations: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
        })
    }

    /// Lets this happen before the next such call.
    pub(super) fn before(&self, call: Call, meanwhile: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock() = Some((call, Box::pin(meanwhile)));
    }

    /// Returns how often collections were altered or listed.
    pub(super) fn alterations(&self) -> usize {
        self.alterations.load(Ordering::SeqCst)
    }

    /// Returns how often a commit was tried.
    pub(super) fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    async fn reach(&self, call: Call) {
        let due = self.meanwhile.lock().take_if(|(before, _)| *before == call);
        if let Some((_, meanwhile)) = due {
            meanwhile.await;
        }
    }
}

#[async_trait]
impl DocumentStore for Interrupted {
    fn capabilities(&self) -> DocumentCapabilities {
        self.store.capabilities()
    }

    async fn alter(&self, alterations: Vec<Alteration>) -> Result<Vec<Collection>, DocumentStoreError> {
        self.alterations.fetch_add(1, Ordering::SeqCst);
        self.store.alter(alterations).await
    }

    async fn get(
        &self,
        collection: &CollectionRef,
        tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, DocumentStoreError> {
        if collection.name().as_str() != crate::parked::PARKED {
            self.reach(Call::Get).await;
        }
        self.store.get(collection, tenant, keys).await
    }

    async fn query(&self, select: Select) -> Result<Page, DocumentStoreError> {
        self.store.query(select).await
    }

    async fn count(
        &self,
        collection: &CollectionRef,
        tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, DocumentStoreError> {
        self.store.count(collection, tenant, filter).await
    }

    async fn checkpoint(&self, collection: &CollectionId) -> Result<Option<LogPoint>, DocumentStoreError> {
        self.store.checkpoint(collection).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), DocumentStoreError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.reach(Call::Commit).await;
        self.store.commit(commit).await
    }
}
