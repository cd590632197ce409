//! What cases append and how they read it back.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use futures_util::TryStreamExt;
use ledgerstone_core::{
    Append, AppendCondition, Appended, Batch, Direction, EventData, EventStore, EventStoreError, EventType,
    ExpectedRevision, MarkName, Position, Query, QueryItem, RecordedEvent, Refusal, Removal, Retention,
    Revision, Selection, StreamId, Tag, Tenant,
};
use uuid::Uuid;

use crate::conformance::case::{Case, CaseError};
use crate::conformance::fresh::Fresh;

pub(super) type Events = Arc<dyn EventStore>;
pub(super) type FreshEvents = Fresh<Events>;
pub(super) type Cases = Vec<Case<Events>>;

/// Takes a name that a case knows to be valid.
#[expect(clippy::expect_used, reason = "the names of the cases are constants")]
fn named<T: for<'a> TryFrom<&'a str, Error = ledgerstone_core::InvalidName>>(text: &str) -> T {
    T::try_from(text).expect("a valid name")
}

pub(super) fn stream(name: &str) -> StreamId {
    named(name)
}

pub(super) fn tag(text: &str) -> Tag {
    named(text)
}

pub(super) fn mark_name(text: &str) -> MarkName {
    named(text)
}

pub(super) fn event_type(text: &str) -> EventType {
    named(text)
}

#[expect(clippy::expect_used, reason = "the names of the cases are constants")]
pub(super) fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a valid name")
}

/// An event of a type, with an id of its own.
pub(super) fn event(name: &str) -> EventData {
    EventData::json(Uuid::now_v7(), event_type(name), format!(r#"{{"of":"{name}"}}"#))
}

pub(super) fn tagged(name: &str, tags: &[&str]) -> EventData {
    EventData { tags: tags.iter().map(|text| tag(text)).collect(), ..event(name) }
}

pub(super) fn append(name: &str, expected: ExpectedRevision, types: &[&str]) -> Append {
    Append::to(stream(name), expected, types.iter().map(|name| event(name)).collect())
}

pub(super) fn batch(name: &str, expected: ExpectedRevision, types: &[&str]) -> Batch {
    Batch::of(append(name, expected, types))
}

/// A batch of one event, to a stream at any revision.
pub(super) fn one(name: &str, event: EventData) -> Batch {
    Batch::of(Append::to(stream(name), ExpectedRevision::Any, vec![event]))
}

/// Truncates a stream, which becomes transient by it, so that it may be truncated anywhere.
pub(super) fn truncation(name: &str, before: u64) -> Batch {
    let truncated = Removal::truncation(Uuid::now_v7(), Revision(before));
    removing(name, vec![Removal::transient(Uuid::now_v7()), truncated])
}

/// Keeps so much of a stream, which becomes transient by it.
pub(super) fn retention(name: &str, retention: Retention) -> Batch {
    let retained = Removal::retention(Uuid::now_v7(), retention);
    removing(name, vec![Removal::transient(Uuid::now_v7()), retained])
}

pub(super) fn removing(name: &str, events: Vec<EventData>) -> Batch {
    Batch::of(Append::to(stream(name), ExpectedRevision::Any, events))
}

pub(super) fn keeping(max_count: u64) -> Retention {
    Retention { max_count: NonZeroU64::new(max_count), ..Retention::default() }
}

pub(super) fn tombstone(name: &str) -> Batch {
    one(name, Removal::tombstone(Uuid::now_v7()))
}

pub(super) fn by_tag(text: &str) -> Query {
    Query::from(QueryItem::tags([tag(text)]))
}

pub(super) fn by_type(name: &str) -> Query {
    Query::from(QueryItem::types([event_type(name)]))
}

/// Fails the batch if events that match stand after a position.
pub(super) fn under(query: Query, after: Position, mut batch: Batch) -> Batch {
    batch.condition = Some(AppendCondition { fail_if_match: query, after });
    batch
}

/// Appends events of these types to a stream at any revision.
pub(super) async fn write(store: &Events, name: &str, types: &[&str]) -> Result<Appended, EventStoreError> {
    store.append(batch(name, ExpectedRevision::Any, types)).await
}

/// Appends a batch that must be refused.
pub(super) async fn refused(store: &Events, batch: Batch) -> Result<Refusal, CaseError> {
    match store.append(batch).await {
        Err(EventStoreError::Refused(refusal)) => Ok(refusal),
        other => Err(format!("the batch should have been refused; got {other:?}").into()),
    }
}

/// Everything that a selection yields.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) events: Vec<RecordedEvent>,
    pub(super) read_to: Option<Position>,
    /// Every position in a hole.
    pub(super) holes: BTreeSet<u64>,
}

impl Reading {
    pub(super) fn types(&self) -> Vec<&str> {
        self.events.iter().map(RecordedEvent::event_type).collect()
    }

    pub(super) fn positions(&self) -> Vec<u64> {
        self.events.iter().map(|event| event.position().0).collect()
    }

    pub(super) fn revisions(&self) -> Vec<u64> {
        self.events.iter().filter_map(RecordedEvent::revision).map(|revision| revision.0).collect()
    }
}

/// Reads a selection to its end; frames must follow each other in its direction.
pub(super) async fn read(store: &Events, selection: Selection) -> Result<Reading, CaseError> {
    let backwards = selection.direction == Direction::Backwards;
    let mut reading = Reading::default();
    let mut frames = store.read(selection);
    while let Some(frame) = frames.try_next().await? {
        let follows = |earlier: Position, later: Position| {
            if backwards { later <= earlier } else { later >= earlier }
        };
        if let Some(earlier) = reading.read_to {
            assert!(follows(earlier, frame.read_to), "read_to went from {earlier} to {}", frame.read_to);
        }
        for event in &frame.events {
            let at = event.position();
            assert!(follows(at, frame.read_to), "an event at {at} in a frame read to {}", frame.read_to);
        }
        reading.read_to = Some(frame.read_to);
        reading.holes.extend(frame.holes.iter().flat_map(|hole| hole.from.0..=hole.to.0));
        reading.events.extend(frame.events);
    }
    Ok(reading)
}

pub(super) async fn read_all(store: &Events) -> Result<Reading, CaseError> {
    read(store, Selection::all()).await
}

pub(super) async fn read_stream(store: &Events, name: &str) -> Result<Reading, CaseError> {
    read(store, Selection::stream(stream(name))).await
}
