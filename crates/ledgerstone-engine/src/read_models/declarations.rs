//! The declarations in the log: system events that say which read models there shall be.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use ledgerstone_core::{
    Append, Batch, CollectionName, EventData, EventStore, EventStoreError, EventType, ExpectedRevision,
    IdSource, LogKind, Position, Refusal, Revision, Selection, StreamId, Tenant, TenantScope,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::read_models::error::ReadModelError;

/// The stream of declarations and of other things that happened to read models.
pub const STREAM: &str = "$read-models";
const DECLARED: &str = "$read_model_declared";
const UNDECLARED: &str = "$read_model_undeclared";
const PARKED_DISCARDED: &str = "$parked_discarded";

#[derive(Serialize, Deserialize)]
struct Declared {
    name: CollectionName,
    toml: String,
}

#[derive(Serialize, Deserialize)]
struct Undeclared {
    name: CollectionName,
}

/// What the log says about declarations.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    /// The text that stands for each name.
    pub current: BTreeMap<CollectionName, String>,
    /// Every text that ever stood, oldest first.
    pub history: Vec<(CollectionName, String)>,
    /// The system position up to which the log was read.
    pub read_to: Position,
    /// The newest event of the stream, by which a declaration is guarded.
    pub newest: Option<Revision>,
}

impl Declarations {
    /// Reads them from the log.
    pub(crate) async fn load(events: &dyn EventStore) -> Result<Self, ReadModelError> {
        let mut frames = events.read(selection()?);
        let mut declarations = Self::default();
        while let Some(frame) = frames.next().await.transpose()? {
            declarations.read_to = declarations.read_to.max(frame.read_to);
            for event in &frame.events {
                declarations.newest = event.revision();
                declarations.take(event.event_type(), event.payload());
            }
        }
        Ok(declarations)
    }

    /// Returns where the stream must stand for this to be all that it says.
    fn expected(&self) -> ExpectedRevision {
        self.newest.map_or(ExpectedRevision::NoStream, ExpectedRevision::At)
    }

    fn take(&mut self, event_type: &str, payload: &[u8]) {
        match event_type {
            DECLARED => {
                if let Ok(declared) = serde_json::from_slice::<Declared>(payload) {
                    self.history.push((declared.name.clone(), declared.toml.clone()));
                    self.current.insert(declared.name, declared.toml);
                }
            }
            UNDECLARED => {
                if let Ok(undeclared) = serde_json::from_slice::<Undeclared>(payload) {
                    self.current.remove(&undeclared.name);
                }
            }
            _ => {}
        }
    }
}

fn selection() -> Result<Selection, ReadModelError> {
    let selection = Selection::stream(StreamId::new(STREAM)?).log(LogKind::System);
    Ok(selection.of(TenantScope::One(Tenant::default())))
}

/// Tells whether anything was declared or taken away behind `after`, up to `up_to`.
pub(crate) async fn changed(
    events: &dyn EventStore,
    after: Position,
    up_to: Position,
) -> Result<bool, ReadModelError> {
    let mut frames = events.read(selection()?.after(after).up_to(up_to));
    while let Some(frame) = frames.next().await.transpose()? {
        if frame.events.iter().any(|event| matches!(event.event_type(), DECLARED | UNDECLARED)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records that a read model is declared, if the log still says no more than what is `known`.
///
/// False if somebody else was faster: read again, and decide again.
pub(crate) async fn declare(
    events: &dyn EventStore,
    ids: &dyn IdSource,
    known: &Declarations,
    name: &CollectionName,
    toml: &str,
) -> Result<bool, ReadModelError> {
    let declared = Declared { name: name.clone(), toml: toml.to_owned() };
    unless_moved(record(events, ids.next_id(), known.expected(), DECLARED, &declared).await)
}

/// Records that a read model is no longer declared, if the log still says no more than what is `known`.
///
/// False if somebody else was faster: read again, and decide again.
pub(crate) async fn undeclare(
    events: &dyn EventStore,
    ids: &dyn IdSource,
    known: &Declarations,
    name: &CollectionName,
) -> Result<bool, ReadModelError> {
    let undeclared = Undeclared { name: name.clone() };
    unless_moved(record(events, ids.next_id(), known.expected(), UNDECLARED, &undeclared).await)
}

fn unless_moved(recorded: Result<(), ReadModelError>) -> Result<bool, ReadModelError> {
    match recorded {
        Ok(()) => Ok(true),
        Err(ReadModelError::Events(EventStoreError::Refused(Refusal::WrongRevision { .. }))) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Records that a parked key was given up, and why; once, however often it is called with the same id.
pub(crate) async fn discarded(
    events: &dyn EventStore,
    id: Uuid,
    what: &impl Serialize,
) -> Result<(), ReadModelError> {
    record(events, id, ExpectedRevision::Any, PARKED_DISCARDED, what).await
}

async fn record(
    events: &dyn EventStore,
    id: Uuid,
    expected: ExpectedRevision,
    event_type: &str,
    payload: &impl Serialize,
) -> Result<(), ReadModelError> {
    let payload = serde_json::to_vec(payload).map_err(|error| ReadModelError::Invalid(error.to_string()))?;
    let event = EventData::json(id, EventType::new(event_type)?, payload);
    let append = Append::to(StreamId::new(STREAM)?, expected, vec![event]);
    events.append(Batch::of(append)).await?;
    Ok(())
}
