//! A document store with a policy around every call.

use async_trait::async_trait;
use ledgerstone_core::{
    Alteration, Collection, CollectionId, CollectionRef, Commit, Document, DocumentCapabilities, DocumentKey,
    DocumentStore, DocumentStoreError, Filter, LogPoint, Page, Select, Tenant, TenantScope,
};

use super::Guarded;
use crate::call::{Idempotent, Once};

/// What reads may be repeated; alterations and commits run once, since a commit whose answer was lost is refused
/// the second time, and only its projector can tell that refusal from another's work.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: DocumentStore + ?Sized> DocumentStore for Guarded<S> {
    fn capabilities(&self) -> DocumentCapabilities {
        self.inner.capabilities()
    }

    async fn alter(&self, alterations: Vec<Alteration>) -> Result<Vec<Collection>, DocumentStoreError> {
        self.policy.run(Once(|| self.inner.alter(alterations))).await
    }

    async fn get(
        &self,
        collection: &CollectionRef,
        tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, DocumentStoreError> {
        self.policy.run(Idempotent(|_| self.inner.get(collection, tenant, keys))).await
    }

    async fn query(&self, select: Select) -> Result<Page, DocumentStoreError> {
        self.policy.run(Idempotent(|_| self.inner.query(select.clone()))).await
    }

    async fn count(
        &self,
        collection: &CollectionRef,
        tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, DocumentStoreError> {
        self.policy.run(Idempotent(|_| self.inner.count(collection, tenant, filter))).await
    }

    async fn checkpoint(&self, collection: &CollectionId) -> Result<Option<LogPoint>, DocumentStoreError> {
        self.policy.run(Idempotent(|_| self.inner.checkpoint(collection))).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), DocumentStoreError> {
        self.policy.run(Once(|| self.inner.commit(commit))).await
    }
}
