//! Projections: the pure rules by which events become the documents of a read model.

use std::fmt::Debug;

use crate::document::{Body, Definition, DocumentKey};
use crate::query::Query;
use crate::record::RecordedEvent;

/// Why an event cannot be projected onto a document; the document's key is parked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProjectionError(pub String);

/// The rules of one read model: which events it reads, which documents each concerns, what becomes of them.
///
/// All of it is pure, so a rebuild yields the same documents.
pub trait Projection: Debug + Send + Sync + 'static {
    /// Returns the collection that it fills; the hash changes whenever the rules do.
    fn definition(&self) -> Definition;

    /// Returns which events it reads.
    fn query(&self) -> Query;

    /// Returns the keys of the documents that an event concerns, each once; none means that it concerns none.
    fn keys(&self, event: &RecordedEvent) -> Result<Vec<DocumentKey>, ProjectionError>;

    /// Returns what becomes of a document by an event; nothing means that it is deleted.
    fn project(
        &self,
        event: &RecordedEvent,
        key: &DocumentKey,
        body: Option<Body>,
    ) -> Result<Option<Body>, ProjectionError>;
}
