//! Batches: what one append commits, whole or not at all, and how it is answered.

use crate::event::EventData;
use crate::mark::{Mark, MarkChange};
use crate::position::{Heads, LogIdentity, LogKind, LogPoint, Position};
use crate::query::Query;
use crate::stream::{ExpectedRevision, Revision, StreamId, StreamState};
use crate::tenant::Tenant;
use crate::text::InvalidName;
use crate::timestamp::Timestamp;

/// Events for one stream, or for none, with the guard of that stream.
///
/// All of them belong to the same count: either every type begins with `$` or none does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The stream; nothing puts the events into the log beside all streams.
    pub stream: Option<StreamId>,
    /// Where the stream must stand.
    pub expected: ExpectedRevision,
    /// The events, at least one.
    pub events: Vec<EventData>,
}

impl Append {
    /// Appends `events` to `stream` if it stands at `expected`.
    pub fn to(stream: StreamId, expected: ExpectedRevision, events: Vec<EventData>) -> Self {
        Self { stream: Some(stream), expected, events }
    }

    /// Appends events that belong to no stream.
    pub fn to_log(events: Vec<EventData>) -> Self {
        Self { stream: None, expected: ExpectedRevision::Any, events }
    }

    /// Returns the count that its events belong to.
    pub fn log(&self) -> LogKind {
        self.events.first().map_or(LogKind::Application, EventData::log)
    }
}

/// Fails a batch if events that match a query stand after a position: a dynamic consistency boundary.
///
/// It looks at application events of the batch's tenant, and does not see events that were removed,
/// except by a [`unique`](crate::tag::Tag::unique) tag, which holds until it is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendCondition {
    /// The events that must not be there.
    pub fail_if_match: Query,
    /// Only what stands after this position counts; beyond the head it is refused, not true of anything.
    pub after: Position,
}

/// What one append commits, whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Whose streams, tags and marks.
    pub tenant: Tenant,
    /// The events, a stream at most once in each count.
    pub appends: Vec<Append>,
    /// What must not have happened.
    pub condition: Option<AppendCondition>,
    /// Changes of marks, a mark at most once.
    pub marks: Vec<MarkChange>,
}

impl Batch {
    /// Makes a batch of one append.
    pub fn of(append: Append) -> Self {
        Self { appends: vec![append], ..Self::default() }
    }

    /// Returns every event in order.
    pub fn events(&self) -> impl Iterator<Item = &EventData> {
        self.appends.iter().flat_map(|append| &append.events)
    }
}

/// The sizes up to which a store takes batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest event in bytes: payload, metadata, type and tags together.
    pub event_bytes: usize,
    /// The largest batch in bytes.
    pub batch_bytes: usize,
    /// The largest number of events in a batch.
    pub batch_events: usize,
    /// The largest number of changed marks in a batch.
    pub batch_marks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes: 4 * 1024 * 1024,
            batch_bytes: 32 * 1024 * 1024,
            batch_events: 10_000,
            batch_marks: 1_000,
        }
    }
}

/// Why a batch cannot be appended anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBatch {
    /// Neither events nor marks.
    #[error("the batch is empty; give it an event or a mark")]
    Empty,
    /// An append without events.
    #[error("an append to stream {0:?} has no event")]
    EmptyAppend(String),
    /// Too large.
    #[error("{what} of {given} is above the limit of {limit}; split the batch or shrink the event")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        given: usize,
        /// The limit.
        limit: usize,
    },
    /// A stream, an id or a mark stands twice.
    #[error("{what} {name:?} stands twice in the batch; put it once")]
    Twice {
        /// What stands twice.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Application and system events in one append.
    #[error("an append mixes application events and system events; use two appends")]
    MixedCounts,
    /// A guard without a stream.
    #[error("events without a stream can only be expected at any revision")]
    GuardWithoutStream,
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A store at the other end of a connection found it invalid, in its own words.
    #[error("{0}")]
    Told(String),
}

impl Limits {
    /// Checks a batch against the limits and the rules that hold for every store.
    pub fn check(&self, batch: &Batch) -> Result<(), InvalidBatch> {
        if batch.appends.is_empty() && batch.marks.is_empty() {
            return Err(InvalidBatch::Empty);
        }
        at_most("a number of events", batch.events().count(), self.batch_events)?;
        at_most("a number of marks", batch.marks.len(), self.batch_marks)?;
        let mut bytes = 0;
        for append in &batch.appends {
            check_append(append)?;
            for event in &append.events {
                check_event(event)?;
                at_most("an event size", event.size(), self.event_bytes)?;
                bytes += event.size();
            }
        }
        at_most("a batch size", bytes, self.batch_bytes)?;
        batch.condition.as_ref().map_or(Ok(()), check_condition)?;
        for mark in &batch.marks {
            if let MarkChange::Swap { value: Some(value), .. } = mark {
                at_most("a mark size", value.len(), Mark::MAX_VALUE_BYTES)?;
            }
        }
        check_twice(batch)
    }
}

/// A condition is evaluated while others wait, so its query is bounded.
fn check_condition(condition: &AppendCondition) -> Result<(), InvalidBatch> {
    let items = condition.fail_if_match.items();
    at_most("a number of query items in a condition", items.len(), Query::MAX_ITEMS)?;
    let names = items.iter().map(|item| item.types.len() + item.tags.len()).sum();
    at_most("a number of types and tags in a condition", names, Query::MAX_NAMES)
}

fn at_most(what: &'static str, given: usize, limit: usize) -> Result<(), InvalidBatch> {
    if given > limit { Err(InvalidBatch::TooLarge { what, given, limit }) } else { Ok(()) }
}

fn check_append(append: &Append) -> Result<(), InvalidBatch> {
    let name = append.stream.as_ref().map_or("", StreamId::as_str);
    if append.events.is_empty() {
        return Err(InvalidBatch::EmptyAppend(name.to_owned()));
    }
    if append.stream.is_none() && append.expected != ExpectedRevision::Any {
        return Err(InvalidBatch::GuardWithoutStream);
    }
    let log = append.log();
    if append.events.iter().any(|event| event.log() != log) {
        return Err(InvalidBatch::MixedCounts);
    }
    if log == LogKind::Application && append.stream.as_ref().is_some_and(StreamId::is_system) {
        let reason = "a stream that begins with $ takes only events whose types begin with $";
        return Err(InvalidName::new("a stream id", name, reason).into());
    }
    Ok(())
}

fn check_event(event: &EventData) -> Result<(), InvalidBatch> {
    event.metadata.check()?;
    at_most("a number of tags", event.tags.len(), EventData::MAX_TAGS)?;
    event.tags.iter().try_for_each(|tag| tag.check_application())?;
    if event.schema_version == 0 {
        return Err(InvalidName::new("a schema version", "0", "versions count from 1").into());
    }
    Ok(())
}

fn check_twice(batch: &Batch) -> Result<(), InvalidBatch> {
    let streams = batch.appends.iter().filter_map(|append| {
        let stream = append.stream.as_ref()?;
        Some((append.log() as u8, stream.as_str()))
    });
    let twice = |what, name: String| Err(InvalidBatch::Twice { what, name });
    if let Some((_, name)) = first_double(streams) {
        return twice("the stream", name.to_owned());
    }
    if let Some(id) = first_double(batch.events().map(|event| event.id)) {
        return twice("the event id", id.to_string());
    }
    match first_double(batch.marks.iter().map(|mark| mark.name().as_str())) {
        Some(name) => twice("the mark", name.to_owned()),
        None => Ok(()),
    }
}

/// Returns something that stands twice; what stands once or rises already costs next to nothing.
fn first_double<T: Ord + Copy>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut items = items.peekable();
    let first = items.next()?;
    items.peek()?;
    let mut sorted: Vec<T> = std::iter::once(first).chain(items).collect();
    sorted.sort_unstable();
    sorted.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    })
}

/// Where the events of one append stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedRange {
    /// The position of its first event.
    pub first: Position,
    /// The position of its last event.
    pub last: Position,
    /// The revision of its last event, if it has a stream.
    pub revision: Option<Revision>,
}

/// What an append answers: where everything stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The log.
    pub log: LogIdentity,
    /// The last position of the batch in each count, 0 where it has none.
    pub last: Heads,
    /// Where the events of each append stand, in the order of the batch.
    pub ranges: Vec<AppendedRange>,
    /// When the batch was recorded.
    pub recorded_at: Timestamp,
    /// Whether the batch had been recorded before and this is the first answer again.
    pub repeated: bool,
}

impl Appended {
    /// Returns what to wait for in order to read one's own writes, if application events were appended.
    pub fn point(&self) -> Option<LogPoint> {
        let position = self.last.application;
        (position > Position::START).then_some(LogPoint { log: self.log, position })
    }
}

/// Why a batch was refused; it left no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The stream did not stand where the caller expected: read it, decide again, append again.
    #[error("stream {stream} was expected at {expected} and stands at {actual}")]
    WrongRevision {
        /// Which stream.
        stream: StreamId,
        /// Where it was expected.
        expected: ExpectedRevision,
        /// Where it stands.
        actual: StreamState,
    },
    /// Events match the condition: read them, decide again, append again.
    #[error("an event at position {position} matches the append condition")]
    ConditionFailed {
        /// The position of one such event.
        position: Position,
    },
    /// The condition's position stands beyond the head, where it would hold whatever is in the log: read
    /// from the start, decide again.
    #[error(
        "the append condition looks after position {position}, and the log ends at {head}: the position is of \
         another log, or of this one before it was restored; rewind, read and decide again"
    )]
    BeyondHead {
        /// The condition's position.
        position: Position,
        /// The newest application event.
        head: Position,
    },
    /// An id belongs to other events, or only a part of the batch was recorded before.
    #[error("event id {id} was recorded before in another batch; every event needs an id of its own")]
    IdReused {
        /// The id.
        id: uuid::Uuid,
    },
    /// The stream was deleted for good.
    #[error("stream {stream} was deleted and takes no more events")]
    Tombstoned {
        /// Which stream.
        stream: StreamId,
    },
    /// A stream would lose events that it must keep, or get back what is removed.
    #[error("of stream {stream} nothing was removed: {reason}")]
    NotRemovable {
        /// Which stream.
        stream: StreamId,
        /// Why, and what to do.
        reason: String,
    },
    /// A mark does not stand where the batch needs it.
    #[error("mark {name} does not stand where the batch needs it (version {version}, number {number})")]
    MarkNotMet {
        /// Which mark.
        name: crate::mark::MarkName,
        /// Its version now, 0 if absent.
        version: u64,
        /// Its number now.
        number: u64,
    },
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
