//! Removal: the system events by which a stream loses its older events, or all of them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{EventData, EventType};
use crate::stream::Revision;

/// The type of the event that removes a stream's older events: `{"before": 5}`.
pub const TRUNCATED: &str = "$truncated";
/// The type of the event that removes a whole stream for good: `{}`.
pub const TOMBSTONED: &str = "$tombstoned";
/// The type of the event by which a stream declares that it may be truncated anywhere: `{}`.
pub const TRANSIENT: &str = "$transient";

/// What has been removed of a stream's application events; system events are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removal {
    /// Everything below this revision is removed.
    pub before: Revision,
    /// Everything is removed, and nothing can be appended.
    pub tombstoned: bool,
}

#[derive(Serialize, Deserialize)]
struct Truncated {
    before: Revision,
}

impl Removal {
    /// Makes the event that removes everything below `before`.
    ///
    /// A store takes it anywhere within the stream. That the state must not be lost by it is seen to by
    /// the engine's `StreamAdmin`; whoever appends it otherwise has to.
    pub fn truncation(id: Uuid, before: Revision) -> EventData {
        let payload = serde_json::to_vec(&Truncated { before }).unwrap_or_default();
        system_event(id, TRUNCATED, payload.into())
    }

    /// Makes the event that removes the stream for good.
    pub fn tombstone(id: Uuid) -> EventData {
        system_event(id, TOMBSTONED, Bytes::from_static(b"{}"))
    }

    /// Makes the event that lets a stream be truncated anywhere.
    pub fn transient(id: Uuid) -> EventData {
        system_event(id, TRANSIENT, Bytes::from_static(b"{}"))
    }

    /// Tells whether events of this type remove something.
    pub fn is_removal(event_type: &str) -> bool {
        matches!(event_type, TRUNCATED | TOMBSTONED)
    }

    /// Returns what is removed after an event of the stream; a truncation never takes less than before.
    #[must_use]
    pub fn after(self, event_type: &str, payload: &[u8]) -> Self {
        match event_type {
            TOMBSTONED => Self { tombstoned: true, ..self },
            TRUNCATED => match serde_json::from_slice::<Truncated>(payload) {
                Ok(truncated) => Self { before: self.before.max(truncated.before), ..self },
                Err(_) => self,
            },
            _ => self,
        }
    }

    /// Tells whether an application event at this revision is removed.
    pub fn covers(self, revision: Revision) -> bool {
        self.tombstoned || revision < self.before
    }
}

fn system_event(id: Uuid, event_type: &'static str, payload: Bytes) -> EventData {
    let event_type =
        EventType::new(event_type).unwrap_or_else(|_| unreachable!("a constant within the limit"));
    EventData::json(id, event_type, payload)
}
