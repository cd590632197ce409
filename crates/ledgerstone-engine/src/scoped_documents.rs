//! Scoped documents: a document store bound to one tenant.

use std::sync::Arc;

use async_trait::async_trait;

use ledgerstone_core::{
    Alteration, BackendError, Code, Collection, CollectionId, CollectionRef, Commit, Document,
    DocumentCapabilities, DocumentKey, DocumentStore, DocumentStoreError, ErrorKind, Filter, LogPoint, Page,
    Select, Tenant, TenantScope,
};

/// A document store bound to one tenant: whatever is asked for, it is asked for that tenant.
///
/// What concerns every tenant is refused: promoting and dropping a collection, and moving a
/// checkpoint. Declaring a generation that exists changes nothing.
#[derive(Debug, Clone)]
pub struct ScopedDocuments {
    store: Arc<dyn DocumentStore>,
    tenant: Tenant,
}

impl ScopedDocuments {
    /// Binds a store to a tenant; one that is bound already stays bound to the first.
    pub fn new(store: Arc<dyn DocumentStore>, tenant: Tenant) -> Self {
        Self { store, tenant }
    }

    /// Returns the tenant.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    fn scope(&self) -> TenantScope {
        TenantScope::One(self.tenant.clone())
    }

    fn refused(&self, operation: &'static str) -> DocumentStoreError {
        let backend = self.store.capabilities().backend;
        let message = "it concerns every tenant; use a handle that is not bound to one";
        BackendError::new(ErrorKind::Denied, backend, operation, message).with_code(Code::Unsupported).into()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl DocumentStore for ScopedDocuments {
    fn capabilities(&self) -> DocumentCapabilities {
        self.store.capabilities()
    }

    async fn alter(&self, alterations: Vec<Alteration>) -> Result<Vec<Collection>, DocumentStoreError> {
        let mut there = self.store.alter(Vec::new()).await?;
        for alteration in alterations {
            match alteration {
                Alteration::Declare(definition) => {
                    if !there.iter().any(|collection| collection.definition.id == definition.id) {
                        there = self.store.alter(vec![Alteration::Declare(definition)]).await?;
                    }
                }
                Alteration::Promote(_) => return Err(self.refused("promote a collection")),
                Alteration::Drop(_) => return Err(self.refused("drop a collection")),
            }
        }
        Ok(there)
    }

    async fn get(
        &self,
        collection: &CollectionRef,
        _tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, DocumentStoreError> {
        self.store.get(collection, &self.tenant, keys).await
    }

    async fn query(&self, select: Select) -> Result<Page, DocumentStoreError> {
        self.store.query(select.of(self.scope())).await
    }

    async fn count(
        &self,
        collection: &CollectionRef,
        _tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, DocumentStoreError> {
        self.store.count(collection, &self.scope(), filter).await
    }

    async fn checkpoint(&self, collection: &CollectionId) -> Result<Option<LogPoint>, DocumentStoreError> {
        self.store.checkpoint(collection).await
    }

    async fn commit(&self, mut commit: Commit) -> Result<(), DocumentStoreError> {
        if commit.checkpoint.is_some() {
            return Err(self.refused("move a checkpoint"));
        }
        for write in &mut commit.writes {
            write.tenant = self.tenant.clone();
        }
        self.store.commit(commit).await
    }
}
