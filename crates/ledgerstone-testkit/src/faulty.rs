//! Stores that fail as planned.

use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use ledgerstone_core::{
    Alteration, Appended, Batch, Capabilities, Collection, CollectionId, CollectionRef, Commit, Document,
    DocumentCapabilities, DocumentKey, DocumentStore, DocumentStoreError, EventStore, EventStoreError,
    Filter, Frames, Heads, LogHead, LogPoint, Mark, Page, Select, Selection, Tenant, TenantScope,
};

use crate::faults::{Call, Fault, Faults};

/// Fails as planned on the way to the store that it wraps, or on the way back.
///
/// An append whose answer is lost is [`EventStoreError::Indeterminate`]; every other failure is a
/// retryable backend error.
///
/// ```
/// # use std::sync::Arc;
/// # use ledgerstone_core::EventStore;
/// # use ledgerstone_testkit::{Call, Fault, Faults, Faulty};
/// # fn wrap(store: Arc<dyn EventStore>) {
/// let faults = Faults::none();
/// let store = Faulty::new(store, faults.clone());
/// faults.fail(Call::Append, Fault::After);
/// # let _ = store;
/// # }
/// ```
#[derive(Debug)]
pub struct Faulty<S: ?Sized> {
    inner: Arc<S>,
    faults: Faults,
}

impl<S: ?Sized> Faulty<S> {
    /// Wraps a store.
    pub fn new(inner: Arc<S>, faults: Faults) -> Self {
        Self { inner, faults }
    }

    /// Makes a call unless it is planned to fail before; loses its answer if it is planned to fail after.
    async fn call<T, E>(
        &self,
        call: Call,
        operation: &'static str,
        made: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E>
    where
        T: Send,
        E: From<ledgerstone_core::BackendError>,
    {
        match self.faults.next(call) {
            None => made.await,
            Some(Fault::Before) => Err(Faults::error(operation).into()),
            Some(Fault::After) => {
                made.await?;
                Err(Faults::error(operation).into())
            }
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl EventStore for Faulty<dyn EventStore> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError> {
        match self.faults.next(Call::Append) {
            None => self.inner.append(batch).await,
            Some(Fault::Before) => Err(Faults::error("append").into()),
            Some(Fault::After) => {
                self.inner.append(batch).await?;
                Err(EventStoreError::Indeterminate(Faults::error("append")))
            }
        }
    }

    fn read(&self, selection: Selection) -> Frames {
        let failed = || stream::once(async { Err(Faults::error("read").into()) });
        match self.faults.next(Call::Read) {
            None => self.inner.read(selection),
            Some(Fault::Before) => failed().boxed(),
            Some(Fault::After) => self.inner.read(selection).take(1).chain(failed()).boxed(),
        }
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        self.call(Call::Head, "head", self.inner.head()).await
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        self.inner.changes()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.call(Call::Marks, "marks", self.inner.marks(tenant, prefix)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl DocumentStore for Faulty<dyn DocumentStore> {
    fn capabilities(&self) -> DocumentCapabilities {
        self.inner.capabilities()
    }

    async fn alter(&self, alterations: Vec<Alteration>) -> Result<Vec<Collection>, DocumentStoreError> {
        self.call(Call::Alter, "alter", self.inner.alter(alterations)).await
    }

    async fn get(
        &self,
        collection: &CollectionRef,
        tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, DocumentStoreError> {
        self.call(Call::Get, "get", self.inner.get(collection, tenant, keys)).await
    }

    async fn query(&self, select: Select) -> Result<Page, DocumentStoreError> {
        self.call(Call::Query, "query", self.inner.query(select)).await
    }

    async fn count(
        &self,
        collection: &CollectionRef,
        tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, DocumentStoreError> {
        self.call(Call::Count, "count", self.inner.count(collection, tenant, filter)).await
    }

    async fn checkpoint(&self, collection: &CollectionId) -> Result<Option<LogPoint>, DocumentStoreError> {
        self.call(Call::Checkpoint, "checkpoint", self.inner.checkpoint(collection)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), DocumentStoreError> {
        self.call(Call::Commit, "commit", self.inner.commit(commit)).await
    }
}
