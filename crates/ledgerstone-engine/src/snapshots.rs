//! Snapshots: states of aggregates, kept so that a long stream need not be read from its beginning.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use ledgerstone_core::{
    Aggregate, Alteration, Collection, CollectionId, CollectionName, Commit, Definition, DefinitionHash,
    DocumentKey, DocumentStore, DocumentStoreError, DomainEvent, Field, FieldKind, FieldName, InvalidName,
    LogIdentity, Revision, Selection, StreamId, StreamState, Tenant, TimeRange, Timestamp, Write,
};

use crate::ledger::Ledger;
use crate::loaded::{Bounds, Loaded, Newest};
use crate::repository::first_of;

/// An aggregate whose state can be kept.
pub trait Snapshot: Aggregate {
    /// The version of the state's shape and meaning, to be raised with every change of either.
    ///
    /// A snapshot of another version is ignored, and so is one from before the aggregate's events
    /// got another type or version.
    const SCHEMA: u32;
}

/// Where snapshots are kept, and how often one is taken.
///
/// A snapshot is a view and never trusted: one that is damaged, of another log, of another version,
/// or whose event is not where it says, is ignored with a warning and replaced; one of another version
/// is dropped when it is met. So a failing document store makes loading slower, and nothing else.
///
/// A cheap handle: clone it freely.
#[derive(Debug, Clone)]
pub struct Snapshots {
    documents: Arc<dyn DocumentStore>,
    every: u64,
    declared: Arc<OnceCell<CollectionId>>,
}

impl Snapshots {
    /// The name of the collection.
    pub const COLLECTION: &'static str = "$snapshots";
    /// The number of events after which a snapshot is taken unless asked otherwise.
    pub const EVERY: u64 = 100;
    const LAYOUT: &'static [u8] = b"ledgerstone snapshots 1";

    /// Keeps snapshots here; bind the store to the tenant of the events before.
    pub fn new(documents: Arc<dyn DocumentStore>) -> Self {
        Self { documents, every: Self::EVERY, declared: Arc::default() }
    }

    /// Takes a snapshot after so many events, at least 1.
    #[must_use]
    pub fn every(mut self, events: u64) -> Self {
        self.every = events.max(1);
        self
    }

    /// Removes the snapshot of a stream.
    pub async fn delete(&self, stream: &StreamId) -> Result<(), DocumentStoreError> {
        self.write(stream, None).await
    }

    async fn read(&self, stream: &StreamId) -> Result<Option<Stored>, SnapshotError> {
        let collection = self.collection().await?;
        let key = key_of(stream)?;
        let found = self.documents.get(&collection.into(), &Tenant::default(), &[key]).await?;
        let Some(document) = found.into_iter().next().flatten() else { return Ok(None) };
        Ok(Some(serde_json::from_value(Value::Object(document.body))?))
    }

    async fn write(&self, stream: &StreamId, stored: Option<Stored>) -> Result<(), DocumentStoreError> {
        let collection = self.collection().await?;
        let invalid = |reason: String| DocumentStoreError::InvalidDocument {
            collection: collection.name.clone(),
            tenant: Tenant::default(),
            key: stream.to_string(),
            reason,
        };
        let key = key_of(stream).map_err(|error| invalid(error.to_string()))?;
        let body = match stored.map(serde_json::to_value).transpose() {
            Ok(Some(Value::Object(body))) => Some(body),
            Ok(_) => None,
            Err(error) => return Err(invalid(error.to_string())),
        };
        let write = Write { collection: collection.clone(), tenant: Tenant::default(), key, body };
        self.documents.commit(Commit { writes: vec![write], checkpoint: None }).await
    }

    /// Declares the collection on first use, and drops what an older layout left.
    async fn collection(&self) -> Result<CollectionId, DocumentStoreError> {
        let declare = || async {
            let definition = definition().map_err(|error| {
                DocumentStoreError::InvalidDefinition(format!("the collection of snapshots: {error}"))
            })?;
            let id = definition.id.clone();
            let there = self.documents.alter(vec![Alteration::Declare(definition)]).await?;
            if let Err(error) = self.drop_older(&id, &there).await {
                tracing::warn!(%error, "the snapshots of an older layout could not be dropped");
            }
            Ok(id)
        };
        self.declared.get_or_try_init(declare).await.cloned()
    }

    async fn drop_older(&self, id: &CollectionId, there: &[Collection]) -> Result<(), DocumentStoreError> {
        let older = there.iter().filter(|one| one.definition.id.name == id.name && one.definition.id != *id);
        let drops: Vec<_> = older.map(|one| Alteration::Drop(one.definition.id.clone())).collect();
        if drops.is_empty() {
            return Ok(());
        }
        // Queries by name find what is live, and that was one of those.
        let promoted = Alteration::Promote(id.clone());
        self.documents.alter(drops.into_iter().chain([promoted]).collect()).await.map(drop)
    }
}

fn definition() -> Result<Definition, InvalidName> {
    let field = |name, kind, indexed| {
        Ok(Field { name: FieldName::declared(name)?, kind, indexed, searchable: false })
    };
    Ok(Definition {
        id: CollectionId {
            name: CollectionName::new(Snapshots::COLLECTION)?,
            definition: DefinitionHash::of(Snapshots::LAYOUT),
        },
        fields: vec![
            field("category", FieldKind::Text, true)?,
            field("revision", FieldKind::Integer, false)?,
            field("recorded_at", FieldKind::Time, false)?,
        ],
    })
}

fn key_of(stream: &StreamId) -> Result<DocumentKey, InvalidName> {
    DocumentKey::new(stream.as_str())
}

/// A snapshot as it is stored; the state is text, so that its checksum holds byte for byte.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    category: String,
    revision: u64,
    event: Uuid,
    recorded_at: Timestamp,
    log: LogIdentity,
    schema: DefinitionHash,
    state: String,
    checksum: DefinitionHash,
}

impl Stored {
    fn sum(&self, stream: &StreamId) -> DefinitionHash {
        let Self { category, revision, event, recorded_at, log, schema, state, .. } = self;
        let at = recorded_at.as_micros();
        let text = format!("{stream}\n{category}\n{revision}\n{event}\n{at}\n{log}\n{schema}\n{state}");
        DefinitionHash::of(text.as_bytes())
    }
}

#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error(transparent)]
    Store(#[from] DocumentStoreError),
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("it does not decode: {0}")]
    Undecodable(#[from] serde_json::Error),
    #[error("its checksum does not match")]
    Damaged,
    #[error("it belongs to the log {0}")]
    OtherLog(LogIdentity),
    #[error("it is of another version of the state or of its events")]
    OtherSchema,
    #[error("its event is not at revision {0} of the stream")]
    NotInStream(u64),
    #[error("the event store failed: {0}")]
    Events(#[from] ledgerstone_core::EventStoreError),
}

/// Snapshots of one type of state.
#[derive(Debug, Clone)]
pub(crate) struct StateSnapshots<A> {
    snapshots: Snapshots,
    schema: DefinitionHash,
    encode: fn(&A) -> Result<String, serde_json::Error>,
    decode: fn(&str) -> Result<A, serde_json::Error>,
}

impl<A: Aggregate> StateSnapshots<A> {
    pub(crate) fn new(snapshots: Snapshots) -> Self
    where
        A: Snapshot + Serialize + DeserializeOwned,
    {
        let mut schema = format!("{} {}", A::CATEGORY, A::SCHEMA);
        for event in A::Event::SCHEMAS {
            schema.push_str(&format!("\n{} {}", event.event_type, event.version));
        }
        Self {
            snapshots,
            schema: DefinitionHash::of(schema.as_bytes()),
            encode: |state| serde_json::to_string(state),
            decode: |text| serde_json::from_str(text),
        }
    }

    /// Returns the snapshot of a stream, if it is sound and lies within the bounds.
    pub(crate) async fn find(
        &self,
        ledger: &Ledger,
        stream: &StreamId,
        log: LogIdentity,
        bounds: Bounds,
    ) -> Option<Loaded<A>> {
        if bounds.occurred != TimeRange::default() {
            return None;
        }
        match self.read_sound(ledger, stream, log, bounds).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot is ignored; the state is rebuilt from its events");
                if matches!(error, SnapshotError::OtherSchema) {
                    self.drop_outdated(stream).await;
                }
                None
            }
        }
    }

    /// Removes a snapshot that nobody of this version can use; it may be long until another is due.
    async fn drop_outdated(&self, stream: &StreamId) {
        if !self.snapshots.documents.capabilities().writable {
            return;
        }
        if let Err(error) = self.snapshots.delete(stream).await {
            tracing::warn!(%stream, %error, "a snapshot of another version could not be dropped");
        }
    }

    async fn read_sound(
        &self,
        ledger: &Ledger,
        stream: &StreamId,
        log: LogIdentity,
        bounds: Bounds,
    ) -> Result<Option<Loaded<A>>, SnapshotError> {
        let Some(stored) = self.snapshots.read(stream).await? else { return Ok(None) };
        if stored.sum(stream) != stored.checksum {
            return Err(SnapshotError::Damaged);
        }
        if stored.log != log {
            return Err(SnapshotError::OtherLog(stored.log));
        }
        if stored.schema != self.schema {
            return Err(SnapshotError::OtherSchema);
        }
        let revision = Revision(stored.revision);
        if bounds.to_revision.is_some_and(|to| to < revision) || !bounds.recorded.contains(stored.recorded_at)
        {
            return Ok(None);
        }
        let there = Selection::stream(stream.clone()).from_revision(revision).to_revision(revision);
        match first_of(ledger, there).await? {
            Some(event) if event.id() == stored.event => {}
            _ => return Err(SnapshotError::NotInStream(stored.revision)),
        }
        Ok(Some(Loaded {
            stream: stream.clone(),
            state: (self.decode)(&stored.state)?,
            revision: StreamState::At(revision),
            newest: Some(Newest { id: stored.event, recorded_at: stored.recorded_at }),
        }))
    }

    /// Takes a snapshot if enough events stand behind revision `saved`, and returns what is saved then.
    pub(crate) async fn save_if_due(&self, loaded: &Loaded<A>, log: LogIdentity, saved: u64) -> u64 {
        let (StreamState::At(revision), Some(newest)) = (loaded.revision, loaded.newest) else {
            return saved;
        };
        let next = revision.next().0;
        let writable = self.snapshots.documents.capabilities().writable;
        if next.saturating_sub(saved) < self.snapshots.every || !writable {
            return saved;
        }
        match self.save(loaded, revision, newest, log).await {
            Ok(()) => next,
            Err(error) => {
                tracing::warn!(stream = %loaded.stream, %error, "no snapshot was taken");
                saved
            }
        }
    }

    async fn save(
        &self,
        loaded: &Loaded<A>,
        revision: Revision,
        newest: Newest,
        log: LogIdentity,
    ) -> Result<(), SnapshotError> {
        let mut stored = Stored {
            category: A::CATEGORY.to_owned(),
            revision: revision.0,
            event: newest.id,
            recorded_at: newest.recorded_at,
            log,
            schema: self.schema,
            state: (self.encode)(&loaded.state)?,
            checksum: self.schema,
        };
        stored.checksum = stored.sum(&loaded.stream);
        Ok(self.snapshots.write(&loaded.stream, Some(stored)).await?)
    }
}

#[cfg(test)]
#[path = "snapshots_tests.rs"]
mod tests;
