//! Typed documents: a read model as a repository that can be queried.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use serde::de::DeserializeOwned;
use serde_json::Value;

use ledgerstone_core::{
    Code, CollectionName, CollectionRef, Document, DocumentKey, DocumentStore, DocumentStoreError, ErrorKind,
    InvalidName, LogPoint, OrderBy, Select, Tenant, TenantScope,
};

use crate::specification::Specification;

/// Reads the documents of one read model as values of a Rust type.
///
/// A cheap handle: clone it freely. It reads what the model has been filled with; wait for a position
/// first to read one's own writes.
#[doc(alias = "IQueryableRepository")]
pub struct Documents<T> {
    store: Arc<dyn DocumentStore>,
    collection: CollectionRef,
    tenant: Tenant,
    value: PhantomData<fn() -> T>,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// Its key.
    pub key: DocumentKey,
    /// What it holds.
    pub value: T,
}

/// A page of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPage<T> {
    /// The documents.
    pub documents: Vec<Found<T>>,
    /// Where the next page begins, if there may be one.
    pub next: Option<String>,
    /// How far the model had been filled.
    pub checkpoint: Option<LogPoint>,
}

/// Why documents were not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentsError {
    /// The document store failed or refused.
    #[error(transparent)]
    Store(#[from] DocumentStoreError),
    /// A key or a field's name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A document is not of the type.
    #[error("document {key} of {collection} is not what the service expects: {source}")]
    Undecodable {
        /// Which read model.
        collection: CollectionName,
        /// Which document.
        key: DocumentKey,
        /// What the decoder says.
        source: serde_json::Error,
    },
    /// Too many documents match to be returned at once.
    #[error("more than {limit} documents of {collection} match; read them by pages")]
    TooMany {
        /// Which read model.
        collection: CollectionName,
        /// The limit.
        limit: usize,
    },
}

impl DocumentsError {
    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Name(_) | Self::TooMany { .. } => ErrorKind::Invalid,
            Self::Undecodable { .. } => ErrorKind::Corrupt,
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::TooMany { .. } => Code::TooLarge,
            Self::Undecodable { .. } => Code::Corrupt,
        }
    }

    /// Tells whether the same call may succeed if it is simply made again.
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }
}

impl<T: DeserializeOwned + Send + 'static> Documents<T> {
    /// The largest number of documents that [`find`](Self::find) returns.
    pub const MAX_FOUND: usize = 10_000;

    /// Reads the live generation of a read model.
    pub fn new(store: Arc<dyn DocumentStore>, name: CollectionName) -> Self {
        Self { store, collection: name.into(), tenant: Tenant::default(), value: PhantomData }
    }

    /// Reads the documents of a tenant.
    #[must_use]
    pub fn of(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// Returns a document by its key.
    pub async fn get(&self, key: &str) -> Result<Option<T>, DocumentsError> {
        let keys = [DocumentKey::new(key)?];
        let found = self.store.get(&self.collection, &self.tenant, &keys).await?;
        let document = found.into_iter().next().flatten();
        document.map(|document| self.decode(document).map(|found| found.value)).transpose()
    }

    /// Tells whether any document satisfies a specification.
    pub async fn exists(&self, specification: &Specification) -> Result<bool, DocumentsError> {
        let page = self.store.query(self.select(specification)?.size(1)).await?;
        Ok(!page.documents.is_empty())
    }

    /// Counts the documents that satisfy a specification.
    pub async fn count(&self, specification: &Specification) -> Result<u64, DocumentsError> {
        let scope = TenantScope::One(self.tenant.clone());
        Ok(self.store.count(&self.collection, &scope, &specification.filter()?).await?)
    }

    /// Returns the first document by key that satisfies a specification.
    pub async fn first(&self, specification: &Specification) -> Result<Option<Found<T>>, DocumentsError> {
        let page = self.store.query(self.select(specification)?.size(1)).await?;
        page.documents.into_iter().next().map(|document| self.decode(document)).transpose()
    }

    /// Returns every document that satisfies a specification, by key.
    ///
    /// More than [`MAX_FOUND`](Self::MAX_FOUND) are an error: read them by [`pages`](Self::pages).
    pub async fn find(&self, specification: &Specification) -> Result<Vec<Found<T>>, DocumentsError> {
        let mut found = Vec::new();
        let mut pages = self.pages(specification);
        while let Some(page) = pages.next().await {
            found.extend(page?.documents);
            if found.len() > Self::MAX_FOUND {
                let collection = self.collection.name().clone();
                return Err(DocumentsError::TooMany { collection, limit: Self::MAX_FOUND });
            }
        }
        Ok(found)
    }

    /// Returns a page of at most `size` documents in an order, from where an earlier page ended.
    pub async fn page(
        &self,
        specification: &Specification,
        order: Vec<OrderBy>,
        size: usize,
        cursor: Option<String>,
    ) -> Result<FoundPage<T>, DocumentsError> {
        let select = Select { order, ..self.select(specification)? };
        self.read(select.size(size).cursor(cursor)).await
    }

    /// Yields every page of the documents that satisfy a specification, by key.
    pub fn pages(
        &self,
        specification: &Specification,
    ) -> BoxStream<'static, Result<FoundPage<T>, DocumentsError>> {
        let size = Select::DEFAULT_SIZE.max(self.store.capabilities().page_size.min(500));
        let first = self.select(specification).map(|select| select.size(size));
        let documents = self.clone();
        let begin = Some((documents, first));
        stream::unfold(begin, |state| async move {
            let (documents, select) = state?;
            let select = match select {
                Ok(select) => select,
                Err(error) => return Some((Err(error), None)),
            };
            match documents.read(select.clone()).await {
                Ok(page) => {
                    let next = page.next.clone();
                    let rest = next.map(|next| (documents, Ok(select.cursor(Some(next)))));
                    Some((Ok(page), rest))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    /// Yields every page of all documents, by key.
    #[doc(alias = "getAll")]
    pub fn all(&self) -> BoxStream<'static, Result<FoundPage<T>, DocumentsError>> {
        self.pages(&Specification::all())
    }

    async fn read(&self, select: Select) -> Result<FoundPage<T>, DocumentsError> {
        let page = self.store.query(select).await?;
        let documents = page.documents.into_iter().map(|document| self.decode(document));
        let documents = documents.collect::<Result<_, _>>()?;
        Ok(FoundPage { documents, next: page.next, checkpoint: page.checkpoint })
    }

    fn select(&self, specification: &Specification) -> Result<Select, DocumentsError> {
        let select = Select::from(self.collection.clone()).filter(specification.filter()?);
        Ok(select.of(TenantScope::One(self.tenant.clone())))
    }

    fn decode(&self, document: Document) -> Result<Found<T>, DocumentsError> {
        let Document { key, body, .. } = document;
        match serde_json::from_value(Value::Object(body)) {
            Ok(value) => Ok(Found { key, value }),
            Err(source) => {
                let collection = self.collection.name().clone();
                Err(DocumentsError::Undecodable { collection, key, source })
            }
        }
    }
}

impl<T> Clone for Documents<T> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            collection: self.collection.clone(),
            tenant: self.tenant.clone(),
            value: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Documents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents")
            .field("collection", &self.collection)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
