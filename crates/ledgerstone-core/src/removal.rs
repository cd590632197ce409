//! Removal: the system events by which a stream loses its older events, or all of them.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{EventData, EventType};
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
    /// Tells whether this keeps more events by their number than `other` does.
    pub fn counts_more_than(self, other: Self) -> bool {
        match (self.max_count, other.max_count) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(count), Some(other)) => count > other,
        }
    }
}

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
    /// What was recorded before went by an earlier retention, and stays away whatever is kept now.
    pub recorded_before: Option<Timestamp>,
    /// The newest event of the stream, which no retention removes; needed where
    /// [`keeps_newest`](Self::keeps_newest) says so.
    pub newest: Option<Revision>,
}

#[derive(Serialize, Deserialize)]
struct Truncated {
    before: Revision,
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
    /// What is removed stays removed. So a store takes one that keeps more events by their number only
    /// behind a truncation of what the retention before had removed, which may be in the same append.
    pub fn retention(id: Uuid, retention: Retention) -> EventData {
        system_event(id, RETENTION, serde_json::to_vec(&retention).unwrap_or_default().into())
    }

    /// Tells whether events of this type change what is removed of their stream, or what may be.
    pub fn is_removal(event_type: &str) -> bool {
        Self::TYPES.contains(&event_type)
    }

    /// Returns what is removed after a system event of the stream; a truncation never takes less than before.
    #[must_use]
    pub fn after(self, event_type: &str, payload: &[u8], recorded_at: Timestamp) -> Self {
        match event_type {
            TOMBSTONED => Self { tombstoned: true, ..self },
            TRANSIENT => Self { transient: true, ..self },
            TRUNCATED => match serde_json::from_slice::<Truncated>(payload) {
                Ok(truncated) => Self { before: self.before.max(truncated.before), ..self },
                Err(_) => self,
            },
            RETENTION => match serde_json::from_slice(payload) {
                Ok(retention) => self.retained(retention, recorded_at),
                Err(_) => self,
            },
            _ => self,
        }
    }

    /// Returns what is removed once another retention holds from `now` on.
    #[must_use]
    pub fn retained(self, retention: Retention, now: Timestamp) -> Self {
        Self { retention, recorded_before: self.expired_before(now), ..self }
    }

    /// Tells whether [`newest`](Self::newest) is needed to say what is removed.
    pub fn keeps_newest(self) -> bool {
        self.retention != Retention::default() || self.recorded_before.is_some()
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
        self.tombstoned || revision <= self.before || self.keeps_newest()
    }

    /// Returns the time before which everything but the newest event is removed by its age.
    fn expired_before(self, now: Timestamp) -> Option<Timestamp> {
        let age = self.retention.max_age_seconds.map(|seconds| Duration::from_secs(seconds.get()));
        self.recorded_before.max(age.map(|age| now.minus(age)))
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

    fn after_event(removal: Removal, event: &EventData, at: Timestamp) -> Removal {
        removal.after(event.event_type.as_str(), &event.payload, at)
    }

    #[test]
    fn the_newest_event_outlives_every_retention() {
        let retention = Removal::retention(Uuid::nil(), keeping(1, 1));
        let removal = after_event(Removal::default(), &retention, NOW);
        let removal = Removal { newest: Some(Revision(4)), ..removal };
        let later = NOW.plus(Duration::from_secs(100));
        assert!(!removal.covers(Revision(4), NOW, later));
        assert!(removal.covers(Revision(3), later, later));
        let truncated = after_event(removal, &Removal::truncation(Uuid::nil(), Revision(5)), NOW);
        assert!(truncated.covers(Revision(4), NOW, later));
    }

    #[test]
    fn what_went_by_its_age_stays_away_when_more_is_kept() {
        let old = NOW.plus(Duration::from_secs(10));
        let changed = NOW.plus(Duration::from_secs(100));
        let removal = Removal { newest: Some(Revision(9)), ..Removal::default() };
        let removal = removal.retained(keeping(0, 60), NOW);
        assert!(!removal.covers(Revision(1), old, NOW.plus(Duration::from_secs(70))));
        let removal = after_event(removal, &Removal::retention(Uuid::nil(), Retention::default()), changed);
        assert!(removal.covers(Revision(1), old, changed));
        assert!(!removal.covers(Revision(2), NOW.plus(Duration::from_secs(41)), changed.plus(Duration::MAX)));
    }

    #[test]
    fn a_retention_that_is_not_understood_changes_nothing() {
        for payload in [r#"{"max_count":0}"#, r#"{"max_counts":3}"#, "[]", "{"] {
            assert_eq!(Removal::default().after(RETENTION, payload.as_bytes(), NOW), Removal::default());
        }
        let empty = Removal::default().after(RETENTION, b"{}", NOW);
        assert_eq!(empty, Removal::default());
    }
}
