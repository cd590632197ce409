//! Removal: the system events by which a stream loses its older events, or all of them.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{EventData, EventType};
use crate::json::object::ObjectJson;
use crate::stream::Revision;
use crate::timestamp::Timestamp;

/// The type of the event that removes a stream's older events: `{"before": 5}`.
pub const TRUNCATED: &str = "$truncated";
/// The type of the event that removes a whole stream for good: `{}`.
pub const TOMBSTONED: &str = "$tombstoned";
/// The type of the event by which a stream declares that it may be truncated anywhere: `{}`.
pub const TRANSIENT: &str = "$transient";

/// The type of the event that says how much of a transient stream is kept: `{"max_count": 100}`,
/// `{"max_age_seconds": 3600}`, both, or `{}` for everything.
pub const RETENTION: &str = "$retention";

/// How much of a stream is kept: its newest event always, of the others those within both bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// So many of the newest events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_count: Option<NonZeroU64>,
    /// What was recorded within the last so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<NonZeroU64>,
}

impl Retention {
    /// Tells whether this keeps events that `other` removes.
    pub fn keeps_more_than(self, other: Self) -> bool {
        let is_more = |bound: Option<NonZeroU64>, other: Option<NonZeroU64>| match (bound, other) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(bound), Some(other)) => bound > other,
        };
        is_more(self.max_count, other.max_count) || is_more(self.max_age_seconds, other.max_age_seconds)
    }
}

/// What a system event changes about what is removed of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removing {
    /// Everything below a revision goes.
    Below(Revision),
    /// Everything goes, for good.
    Everything,
    /// Nothing yet, but anything may go from now on.
    Anywhere,
    /// Whatever is not kept goes, now and later.
    Keeping(Retention),
}

impl Removing {
    /// Reads what an event of one of [`Removal::TYPES`] says, or why its data says nothing.
    pub fn read(event_type: &str, payload: &[u8]) -> Result<Self, String> {
        fn object<T: serde::de::DeserializeOwned>(payload: &[u8], shape: &str) -> Result<T, String> {
            let read = serde_json::from_slice::<ObjectJson<T>>(payload);
            read.map(|object| object.0).map_err(|error| format!("its data is not {shape}: {error}"))
        }
        match event_type {
            TRUNCATED => {
                let truncated: Truncated = object(payload, "{\"before\": revision}")?;
                Ok(Self::Below(truncated.before))
            }
            RETENTION => {
                let shape =
                    "{\"max_count\": number, \"max_age_seconds\": number}, each 1 or more and optional";
                object(payload, shape).map(Self::Keeping)
            }
            // An event without data says as much.
            TRANSIENT if payload == b"null" => Ok(Self::Anywhere),
            TOMBSTONED if payload == b"null" => Ok(Self::Everything),
            TRANSIENT => object::<Nothing>(payload, "{}").map(|_| Self::Anywhere),
            TOMBSTONED => object::<Nothing>(payload, "{}").map(|_| Self::Everything),
            other => Err(format!("{other:?} is no type of removal")),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Truncated {
    before: Revision,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What has been removed of a stream's application events; system events are never removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removal {
    /// Everything below this revision was removed by a truncation.
    pub before: Revision,
    /// Everything is removed, and nothing can be appended.
    pub tombstoned: bool,
    /// Whether the stream may be truncated anywhere.
    pub transient: bool,
    /// How much is kept from now on.
    pub retention: Retention,
    /// The newest event of the stream, which no retention removes; needed where
    /// [`keeps_newest`](Self::keeps_newest) says so.
    pub newest: Option<Revision>,
}

impl Removal {
    /// The types of the events that change what is removed of their stream, or what may be.
    pub const TYPES: [&str; 4] = [TRUNCATED, TOMBSTONED, TRANSIENT, RETENTION];

    /// Makes the event that removes everything below `before`.
    ///
    /// A store takes it if the event at `before` carries the stream's state, or if the stream is transient.
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

    /// Makes the event that says how much of a transient stream is kept from now on.
    ///
    /// What is removed stays removed. So a store takes one that keeps more only behind a truncation of what the
    /// retention before had removed, which may be in the same append.
    pub fn retention(id: Uuid, retention: Retention) -> EventData {
        system_event(id, RETENTION, serde_json::to_vec(&retention).unwrap_or_default().into())
    }

    /// Tells whether events of this type change what is removed of their stream, or what may be.
    pub fn is_removal(event_type: &str) -> bool {
        Self::TYPES.contains(&event_type)
    }

    /// Returns what is removed after a system event of the stream; a truncation never takes less than before.
    #[must_use]
    pub fn after(self, event_type: &str, payload: &[u8]) -> Self {
        match Removing::read(event_type, payload) {
            Ok(Removing::Everything) => Self { tombstoned: true, ..self },
            Ok(Removing::Anywhere) => Self { transient: true, ..self },
            Ok(Removing::Below(before)) => Self { before: self.before.max(before), ..self },
            Ok(Removing::Keeping(retention)) => Self { retention, ..self },
            Err(_) => self,
        }
    }

    /// Tells whether [`newest`](Self::newest) is needed to say what is removed.
    pub fn keeps_newest(self) -> bool {
        self.retention != Retention::default()
    }

    /// Returns the revision below which everything is removed, whenever it was recorded.
    pub fn floor(self) -> Revision {
        let count = self.retention.max_count.map_or(u64::MAX, NonZeroU64::get);
        let next = self.newest.map_or(0, |newest| newest.next().0);
        self.before.max(Revision(next.saturating_sub(count)))
    }

    /// Tells whether an application event is removed at the time `now`.
    pub fn covers(self, revision: Revision, recorded_at: Timestamp, now: Timestamp) -> bool {
        if self.tombstoned || revision < self.before {
            return true;
        }
        if self.newest == Some(revision) || !self.keeps_newest() {
            return false;
        }
        revision < self.floor() || self.expired_before(now).is_some_and(|time| recorded_at < time)
    }

    /// Tells whether it is right that the stream lacks the events before `revision`.
    pub fn explains_lack_of_what_is_before(self, revision: Revision) -> bool {
        self.tombstoned || revision <= self.floor() || self.retention.max_age_seconds.is_some()
    }

    /// Returns the time before which everything but the newest event is removed by its age.
    fn expired_before(self, now: Timestamp) -> Option<Timestamp> {
        let age = self.retention.max_age_seconds?;
        Some(now.minus(Duration::from_secs(age.get())))
    }
}

fn system_event(id: Uuid, event_type: &'static str, payload: Bytes) -> EventData {
    let event_type =
        EventType::new(event_type).unwrap_or_else(|_| unreachable!("a constant within the limit"));
    EventData::json(id, event_type, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn keeping(max_count: u64, max_age_seconds: u64) -> Retention {
        Retention { max_count: NonZeroU64::new(max_count), max_age_seconds: NonZeroU64::new(max_age_seconds) }
    }

    fn after_event(removal: Removal, event: &EventData) -> Removal {
        removal.after(event.event_type.as_str(), &event.payload)
    }

    #[test]
    fn the_newest_event_outlives_every_retention() {
        let retention = Removal::retention(Uuid::nil(), keeping(1, 1));
        let removal = after_event(Removal::default(), &retention);
        let removal = Removal { newest: Some(Revision(4)), ..removal };
        let later = NOW.plus(Duration::from_secs(100));
        assert!(!removal.covers(Revision(4), NOW, later));
        assert!(removal.covers(Revision(3), later, later));
        let truncated = after_event(removal, &Removal::truncation(Uuid::nil(), Revision(5)));
        assert!(truncated.covers(Revision(4), NOW, later));
    }

    #[test]
    fn a_retention_keeps_more_if_one_of_its_bounds_does() {
        assert!(!keeping(3, 60).keeps_more_than(keeping(3, 60)));
        assert!(!keeping(2, 0).keeps_more_than(keeping(0, 0)));
        assert!(keeping(4, 1).keeps_more_than(keeping(3, 60)));
        assert!(keeping(3, 0).keeps_more_than(keeping(3, 60)));
    }

    #[test]
    fn data_that_is_not_understood_is_refused_and_changes_nothing() {
        let wrong = [
            (RETENTION, r#"{"max_count":0}"#),
            (RETENTION, r#"{"max_counts":3}"#),
            (RETENTION, "[1]"),
            (RETENTION, "null"),
            (TRUNCATED, "[2]"),
            (TRUNCATED, r#"{"before":2,"and":1}"#),
            (TRANSIENT, "[]"),
            (TOMBSTONED, r#"{"why":"because"}"#),
            (TOMBSTONED, ""),
        ];
        for (event_type, payload) in wrong {
            assert!(Removing::read(event_type, payload.as_bytes()).is_err(), "{event_type} {payload}");
            assert_eq!(Removal::default().after(event_type, payload.as_bytes()), Removal::default());
        }
        assert_eq!(Removing::read(RETENTION, b"{}"), Ok(Removing::Keeping(Retention::default())));
    }
}
