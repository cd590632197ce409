//! Selections as JSON, and the pages that answer them: the shapes of the HTTP interface.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::batch::Limits;
use crate::event_store::{Capabilities, IdempotenceWindow};
use crate::json::event::EventJson;
use crate::json::object;
use crate::position::{Heads, LogIdentity, LogKind, Position};
use crate::query::{Query, QueryItem};
use crate::selection::{Direction, Hole, Selection, TimeRange};
use crate::stream::Revision;
use crate::tenant::TenantScope;
use crate::timestamp::Timestamp;

/// A selection as JSON; its tenant stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectionJson {
    /// Which count.
    pub log: LogKind,
    /// The items of the query; none match every event.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub query: Vec<QueryItem>,
    /// Only what stands after this position.
    pub after: Position,
    /// Only what stands at or before this position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<Position>,
    /// Only this revision and what follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_revision: Option<Revision>,
    /// Only this revision and what precedes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_revision: Option<Revision>,
    /// Recorded not before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_from: Option<Timestamp>,
    /// Recorded before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_to: Option<Timestamp>,
    /// Happened not before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_from: Option<Timestamp>,
    /// Happened before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_to: Option<Timestamp>,
    /// Which way.
    pub direction: Direction,
    /// At most so many events in the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

impl SelectionJson {
    /// Describes a selection.
    pub fn from_selection(selection: &Selection) -> Self {
        Self {
            log: selection.log,
            query: selection.query.items().to_vec(),
            after: selection.after,
            up_to: selection.up_to,
            from_revision: selection.from_revision,
            to_revision: selection.to_revision,
            recorded_from: selection.recorded.from,
            recorded_to: selection.recorded.to,
            occurred_from: selection.occurred.from,
            occurred_to: selection.occurred.to,
            direction: selection.direction,
            limit: selection.limit,
        }
    }

    /// Makes the selection for a tenant.
    pub fn into_selection(self, tenant: TenantScope) -> Selection {
        Selection {
            tenant,
            log: self.log,
            query: Query::any_of(self.query),
            after: self.after,
            up_to: self.up_to,
            from_revision: self.from_revision,
            to_revision: self.to_revision,
            recorded: TimeRange { from: self.recorded_from, to: self.recorded_to },
            occurred: TimeRange { from: self.occurred_from, to: self.occurred_to },
            direction: self.direction,
            limit: self.limit,
        }
    }
}

/// A page of events as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventPageJson {
    /// The events, in the order of the selection.
    pub events: Vec<EventJson>,
    /// How far the selection has been read: a next page goes on from here.
    pub read_to: Position,
    /// What was removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<Hole>,
    /// The log.
    pub log: LogIdentity,
    /// The heads when the page was read.
    pub head: Heads,
    /// Whether there may be more: forwards after `read_to`, backwards before it.
    pub more: bool,
}

/// What an event store can do, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitiesJson {
    /// The name of the technology.
    pub backend: String,
    /// Whether what is acknowledged outlives the machine's power.
    pub durable: bool,
    /// How far back ids of unguarded appends are known; nothing means the whole log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotence_window: Option<WindowJson>,
    /// The sizes up to which it takes batches.
    pub limits: LimitsJson,
}

/// A bounded idempotence window: the wider of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowJson {
    /// So many events.
    pub events: u64,
    /// So many seconds.
    pub seconds: u64,
}

/// The sizes up to which batches are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsJson {
    /// The largest event in bytes.
    pub event_bytes: usize,
    /// The largest batch in bytes.
    pub batch_bytes: usize,
    /// The largest number of events in a batch.
    pub batch_events: usize,
    /// The largest number of changed marks in a batch.
    pub batch_marks: usize,
}

impl CapabilitiesJson {
    /// Describes capabilities.
    pub fn from_capabilities(capabilities: &Capabilities) -> Self {
        let limits = capabilities.limits;
        Self {
            backend: capabilities.backend.to_owned(),
            durable: capabilities.durable,
            idempotence_window: match capabilities.idempotence_window {
                IdempotenceWindow::WholeLog => None,
                IdempotenceWindow::Recent { events, age } => {
                    Some(WindowJson { events, seconds: age.as_secs() })
                }
            },
            limits: LimitsJson {
                event_bytes: limits.event_bytes,
                batch_bytes: limits.batch_bytes,
                batch_events: limits.batch_events,
                batch_marks: limits.batch_marks,
            },
        }
    }

    /// Makes the capabilities of a client of the store, which sees one tenant at a time.
    pub fn to_capabilities(&self) -> Capabilities {
        let limits = self.limits;
        Capabilities {
            backend: "http",
            durable: self.durable,
            all_tenants: false,
            idempotence_window: match self.idempotence_window {
                None => IdempotenceWindow::WholeLog,
                Some(WindowJson { events, seconds }) => {
                    IdempotenceWindow::Recent { events, age: Duration::from_secs(seconds) }
                }
            },
            limits: Limits {
                event_bytes: limits.event_bytes,
                batch_bytes: limits.batch_bytes,
                batch_events: limits.batch_events,
                batch_marks: limits.batch_marks,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_reads_back_from_its_json() {
        let stream = crate::stream::StreamId::new("account-1").expect("a stream");
        let mut selection = Selection::stream(stream).from_revision(Revision(2)).backwards().limit(7);
        selection.recorded.from = Some(Timestamp::from_micros(1_000_001));
        let text = serde_json::to_string(&SelectionJson::from_selection(&selection)).expect("json");
        let read: SelectionJson = serde_json::from_str(&text).expect("reads back");
        assert_eq!(read.into_selection(TenantScope::default()), selection, "{text}");
    }
}
