//! Selections: which events to read, from where, in which direction, how many; and what comes back.

use serde::{Deserialize, Serialize};

use crate::position::{LogKind, Position};
use crate::query::Query;
use crate::record::RecordedEvent;
use crate::stream::{Revision, StreamId};
use crate::tenant::TenantScope;
use crate::timestamp::Timestamp;

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Oldest first.
    #[default]
    Forwards,
    /// Newest first.
    Backwards,
}

/// A span of time, its beginning included and its end not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// Not before this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub to: Option<Timestamp>,
}

impl TimeRange {
    /// Tells whether every time lies inside.
    pub fn is_all(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Tells whether a time lies inside.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time >= from) && self.to.is_none_or(|to| time < to)
    }
}

/// Which events to read: a query, bounds, a direction and a limit.
///
/// A selection reads one of the log's two counts, and ends at the head that it found when it began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Whose events.
    pub tenant: TenantScope,
    /// Which count.
    pub log: LogKind,
    /// Which events match.
    pub query: Query,
    /// Only what stands after this position.
    pub after: Position,
    /// Only what stands at or before this position.
    pub up_to: Option<Position>,
    /// Only this revision and what follows it; the query must be exactly one stream.
    pub from_revision: Option<Revision>,
    /// Only this revision and what precedes it; the query must be exactly one stream.
    pub to_revision: Option<Revision>,
    /// Only what was recorded in this span, which the store maps to positions.
    pub recorded: TimeRange,
    /// Only what happened in this span; an event without a time of its own happened when it was recorded.
    pub occurred: TimeRange,
    /// Which way.
    pub direction: Direction,
    /// At most so many events.
    pub limit: Option<u64>,
}

impl Selection {
    /// Selects every application event.
    pub fn all() -> Self {
        Self::default()
    }

    /// Selects the application events that match.
    pub fn query(query: impl Into<Query>) -> Self {
        Self { query: query.into(), ..Self::default() }
    }

    /// Selects one stream.
    pub fn stream(stream: StreamId) -> Self {
        Self::query(Query::stream(stream))
    }

    /// Begins after a position.
    #[must_use]
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Ends at a position.
    #[must_use]
    pub fn up_to(mut self, position: Position) -> Self {
        self.up_to = Some(position);
        self
    }

    /// Begins at a revision of the stream.
    #[must_use]
    pub fn from_revision(mut self, revision: Revision) -> Self {
        self.from_revision = Some(revision);
        self
    }

    /// Ends at a revision of the stream.
    #[must_use]
    pub fn to_revision(mut self, revision: Revision) -> Self {
        self.to_revision = Some(revision);
        self
    }

    /// Reads newest first.
    #[must_use]
    pub fn backwards(mut self) -> Self {
        self.direction = Direction::Backwards;
        self
    }

    /// Reads at most so many events.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Reads for these tenants.
    #[must_use]
    pub fn of(mut self, tenant: TenantScope) -> Self {
        self.tenant = tenant;
        self
    }

    /// Reads this count.
    #[must_use]
    pub fn log(mut self, log: LogKind) -> Self {
        self.log = log;
        self
    }

    /// Checks that revisions are asked for only of one stream, and that the query is not too wide.
    pub fn check(&self) -> Result<(), crate::text::InvalidName> {
        let by_revision = self.from_revision.is_some() || self.to_revision.is_some();
        if by_revision && self.query.as_stream().is_none() {
            let reason = "revisions count within one stream; select exactly one";
            return Err(crate::text::InvalidName::new("a selection", "revisions", reason));
        }
        if self.query.items().len() > Query::MAX_ITEMS {
            let reason = format!("it has more than {} items", Query::MAX_ITEMS);
            return Err(crate::text::InvalidName::new("a query", "items", reason));
        }
        Ok(())
    }

    /// Tells whether an event is selected, leaving removal, direction and limit aside.
    pub fn matches(&self, event: &RecordedEvent) -> bool {
        let position = event.position();
        position > self.after
            && self.up_to.is_none_or(|last| position <= last)
            && event.log() == self.log
            && self.tenant.covers(event.tenant())
            && self.query.matches(event)
            && self.matches_revision(event)
            && self.recorded.contains(event.recorded_at())
            && self.matches_occurred(event)
    }

    fn matches_revision(&self, event: &RecordedEvent) -> bool {
        self.from_revision.is_none_or(|from| event.revision().is_some_and(|revision| revision >= from))
            && self.to_revision.is_none_or(|to| event.revision().is_some_and(|revision| revision <= to))
    }

    fn matches_occurred(&self, event: &RecordedEvent) -> bool {
        self.occurred.is_all()
            || self.occurred.contains(event.occurred_at().map_or(event.recorded_at(), |time| time.at))
    }
}

/// A run of positions whose events were removed, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The first position.
    pub from: Position,
    /// The last position.
    pub to: Position,
}

/// A part of what a selection reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The events, in the order of the selection.
    pub events: Vec<RecordedEvent>,
    /// How far the selection has been read: everything between its beginning and this position that
    /// matches has been yielded, in this frame or an earlier one. Checkpoints follow it.
    pub read_to: Position,
    /// What was removed, where the selection is everything or one stream.
    pub holes: Vec<Hole>,
}
