//! The document store port: the rows of read models, with the checkpoint that they have reached.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::code::Code;
use crate::document::{
    Body, Collection, CollectionId, CollectionName, CollectionRef, Definition, Document, DocumentKey,
    FieldName,
};
use crate::error::{BackendError, ErrorKind};
use crate::filter::{Filter, OrderBy};
use crate::position::LogPoint;
use crate::tenant::{Tenant, TenantScope};

/// Keeps the documents of read models, and how far each model has been filled.
///
/// An adapter makes these promises, and the conformance suite holds it to each:
///
/// 1. *One commit.* [`commit`](Self::commit) applies all its writes, in whatever collections, and moves
///    the checkpoint, or does nothing.
/// 2. *Guarded.* A commit whose checkpoint does not begin where the stored one stands changes nothing
///    and answers [`DocumentStoreError::CheckpointMoved`]; so of two projectors one wins.
/// 3. *Faithful.* A body comes back equal to what was put; [`get`](Self::get) answers in the order of
///    the keys, with `None` for what is not there.
/// 4. *One meaning.* A [`Filter`] selects the same documents as [`Filter`]'s own evaluation in memory.
/// 5. *Ordered.* Documents come in the order asked for, ties broken by key (tenant first), and pages
///    follow each other without losing or repeating a document that does not change meanwhile.
/// 6. *Cursors are checked.* A cursor of another filter, order or generation, or a damaged one, is refused.
/// 7. *Side by side.* Another definition is another generation, invisible to queries by name until it
///    is promoted by one swap; it is promoted only when it stands at or beyond the live one's
///    checkpoint. The first generation of a name is live at once. Declaring the same definition again
///    keeps its rows and brings its indexes in line.
/// 8. *Typed.* A declared field holds its type or nothing: a commit with another type in it is refused
///    whole, and so are filters and orders over unknown fields or with values of another type.
/// 9. *Apart.* One tenant's documents are never another's.
/// 10. *Counted.* [`count`](Self::count) equals the number of documents that all pages yield.
/// 11. *Durable.* If it says so, what was committed is there after the store was opened again.
#[doc(alias = "IReadModel")]
#[async_trait]
pub trait DocumentStore: Debug + Send + Sync + 'static {
    /// Returns what this store can do beyond the promises, and its limits.
    fn capabilities(&self) -> DocumentCapabilities;

    /// Changes collections, one after another, and returns all of them as they stand afterwards, by name.
    async fn alter(&self, alterations: Vec<Alteration>) -> Result<Vec<Collection>, DocumentStoreError>;

    /// Reads documents by key.
    async fn get(
        &self,
        collection: &CollectionRef,
        tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, DocumentStoreError>;

    /// Reads a page of the documents that match.
    async fn query(&self, select: Select) -> Result<Page, DocumentStoreError>;

    /// Counts the documents that match.
    async fn count(
        &self,
        collection: &CollectionRef,
        tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, DocumentStoreError>;

    /// Returns how far a generation has been filled.
    async fn checkpoint(&self, collection: &CollectionId) -> Result<Option<LogPoint>, DocumentStoreError>;

    /// Writes documents and moves a checkpoint, together.
    async fn commit(&self, commit: Commit) -> Result<(), DocumentStoreError>;
}

/// What a document store can do beyond its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentCapabilities {
    /// The name of the technology: the scheme of its locator.
    pub backend: &'static str,
    /// Whether what is committed outlives the process and the machine's power.
    pub durable: bool,
    /// Whether it takes writes and alterations.
    pub writable: bool,
    /// Whether it searches words.
    pub search: bool,
    /// The largest page.
    pub page_size: usize,
    /// The largest document in bytes of JSON.
    pub document_bytes: usize,
    /// The largest number of writes in a commit.
    pub commit_writes: usize,
}

/// A change of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    /// Creates a generation, or brings the indexes of an existing one in line.
    Declare(Definition),
    /// Makes a generation live and drops the one that was.
    Promote(CollectionId),
    /// Drops a generation with its rows and its checkpoint.
    Drop(CollectionId),
}

/// A document to put or to delete.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Where.
    pub collection: CollectionId,
    /// Whose.
    pub tenant: Tenant,
    /// Its key.
    pub key: DocumentKey,
    /// What to put in place of whatever is there; nothing deletes it.
    pub body: Option<Body>,
}

/// A checkpoint's move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointMove {
    /// Whose checkpoint.
    pub collection: CollectionId,
    /// Where it must stand now; nothing means that there is none yet.
    pub from: Option<LogPoint>,
    /// Where it stands afterwards.
    pub to: LogPoint,
}

/// Writes and a checkpoint's move, applied together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Commit {
    /// The writes, in order; the last one for a key wins.
    pub writes: Vec<Write>,
    /// The checkpoint that they bring forward.
    pub checkpoint: Option<CheckpointMove>,
}

/// Which documents to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// Where.
    pub collection: CollectionRef,
    /// Whose.
    pub tenant: TenantScope,
    /// Which.
    pub filter: Filter,
    /// In which order; the key breaks ties.
    pub order: Vec<OrderBy>,
    /// At most so many, at least 1.
    pub size: usize,
    /// Where an earlier page ended.
    pub cursor: Option<String>,
}

impl Select {
    /// The number of documents in a page unless asked otherwise.
    pub const DEFAULT_SIZE: usize = 50;

    /// Selects every document of the default tenant, by key.
    pub fn from(collection: impl Into<CollectionRef>) -> Self {
        Self {
            collection: collection.into(),
            tenant: TenantScope::default(),
            filter: Filter::All,
            order: Vec::new(),
            size: Self::DEFAULT_SIZE,
            cursor: None,
        }
    }

    /// Selects the documents that match.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Orders by a field, after the fields named before.
    #[must_use]
    pub fn order_by(mut self, field: FieldName, descending: bool) -> Self {
        self.order.push(OrderBy { field, descending });
        self
    }

    /// Sets the size of the page.
    #[must_use]
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// Continues where a page ended.
    #[must_use]
    pub fn cursor(mut self, cursor: Option<String>) -> Self {
        self.cursor = cursor;
        self
    }

    /// Selects for these tenants.
    #[must_use]
    pub fn of(mut self, tenant: TenantScope) -> Self {
        self.tenant = tenant;
        self
    }
}

/// A page of documents.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The documents.
    pub documents: Vec<Document>,
    /// Where the next page begins, if there may be one.
    pub next: Option<String>,
    /// How far the collection had been filled when the page was read.
    pub checkpoint: Option<LogPoint>,
}

/// Why a document store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentStoreError {
    /// No collection has the name, or the generation is gone.
    #[error("there is no collection {name}{}", nearest_hint(.nearest))]
    UnknownCollection {
        /// What was asked for.
        name: String,
        /// The collection with the most similar name.
        nearest: Option<CollectionName>,
    },
    /// A filter or an order is not valid for the collection.
    #[error("{0}")]
    InvalidSelect(String),
    /// A page holds no document, or more than the store gives at once.
    #[error("a page holds 1 to {limit} documents, and {given} were asked for")]
    InvalidPage {
        /// How many were asked for.
        given: usize,
        /// The limit.
        limit: usize,
    },
    /// A cursor does not belong to the query.
    #[error("the cursor cannot be used: {0}; ask for the first page again")]
    InvalidCursor(String),
    /// A definition or an alteration is not valid.
    #[error("{0}")]
    InvalidDefinition(String),
    /// A document is not valid for its collection.
    #[error("document {key} of {collection}: {reason}")]
    InvalidDocument {
        /// Which collection.
        collection: CollectionName,
        /// Whose document.
        tenant: Tenant,
        /// Which document.
        key: String,
        /// Why.
        reason: String,
    },
    /// The checkpoint does not stand where the commit begins: another projector moved it.
    #[error("the checkpoint of {collection} was expected at {} and stands at {}", point(.expected), point(.actual))]
    CheckpointMoved {
        /// Whose checkpoint.
        collection: CollectionId,
        /// Where it was expected.
        expected: Option<LogPoint>,
        /// Where it stands.
        actual: Option<LogPoint>,
    },
    /// What lies beneath the port failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

fn nearest_hint(nearest: &Option<CollectionName>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn point(point: &Option<LogPoint>) -> String {
    point.map_or_else(|| "the beginning".to_owned(), |point| point.position.to_string())
}

impl DocumentStoreError {
    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownCollection { .. } => ErrorKind::NotFound,
            Self::InvalidSelect(_)
            | Self::InvalidPage { .. }
            | Self::InvalidCursor(_)
            | Self::InvalidDefinition(_)
            | Self::InvalidDocument { .. } => ErrorKind::Invalid,
            Self::CheckpointMoved { .. } => ErrorKind::Conflict,
            Self::Backend(error) => error.kind(),
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::UnknownCollection { .. } => Code::UnknownReadModel,
            Self::InvalidSelect(_) => Code::InvalidFilter,
            Self::InvalidPage { given: 0, .. } => Code::InvalidInput,
            Self::InvalidPage { .. } => Code::TooLarge,
            Self::InvalidCursor(_) => Code::ForeignCursor,
            Self::InvalidDefinition(_) => Code::InvalidDeclaration,
            Self::InvalidDocument { .. } => Code::InvalidInput,
            Self::CheckpointMoved { .. } => Code::CheckpointMoved,
            Self::Backend(error) => error.code(),
        }
    }

    /// Tells whether the same call may succeed if it is simply made again.
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }
}
