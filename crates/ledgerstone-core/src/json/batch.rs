//! Batches as JSON, and what an append answers: the shapes of the HTTP interface.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::batch::{Append, AppendCondition, Appended, AppendedRange, Batch};
use crate::json::event::{EventJson, not_base64};
use crate::json::object;
use crate::mark::{Mark, MarkChange, MarkName};
use crate::position::{Heads, LogIdentity, LogPoint, Position};
use crate::query::{Query, QueryItem};
use crate::stream::{ExpectedRevision, Revision, StreamId};
use crate::tenant::Tenant;
use crate::text::InvalidName;
use crate::timestamp::Timestamp;

/// A batch as JSON; its tenant stands beside it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchJson {
    /// The events, a stream at most once in each count.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub appends: Vec<AppendJson>,
    /// What must not have happened.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "object::option")]
    pub condition: Option<ConditionJson>,
    /// Changes of marks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<MarkChangeJson>,
}

/// Events for one stream, or for none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppendJson {
    /// The stream; nothing puts the events into the log beside all streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Where the stream must stand: `"any"`, `"no_stream"`, `"stream_exists"` or a revision.
    #[serde(with = "expected_json", skip_serializing_if = "is_any")]
    pub expected: ExpectedRevision,
    /// The events.
    #[serde(deserialize_with = "object::list")]
    pub events: Vec<EventJson>,
}

fn is_any(expected: &ExpectedRevision) -> bool {
    *expected == ExpectedRevision::Any
}

/// An append condition as JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConditionJson {
    /// The items of the query that must match nothing.
    #[serde(deserialize_with = "object::list")]
    pub query: Vec<QueryItem>,
    /// Only what stands after this position counts.
    pub after: Position,
}

/// A change of a mark as JSON; values are base64.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum MarkChangeJson {
    /// The number must rise.
    Rises {
        /// Which mark.
        name: MarkName,
        /// The new number.
        to: u64,
    },
    /// The mark must have this version; it gets this value, or goes away.
    Swap {
        /// Which mark.
        name: MarkName,
        /// The version that it must have, 0 if it must be absent.
        version: u64,
        /// The new value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        /// How long it lives, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep_for_ms: Option<u64>,
    },
    /// The mark must be absent.
    Once {
        /// Which mark.
        name: MarkName,
        /// How long it guards, in milliseconds.
        keep_for_ms: u64,
    },
}

impl BatchJson {
    /// Describes a batch.
    pub fn from_batch(batch: &Batch) -> Self {
        Self {
            appends: batch.appends.iter().map(AppendJson::from_append).collect(),
            condition: batch.condition.as_ref().map(|condition| ConditionJson {
                query: condition.fail_if_match.items().to_vec(),
                after: condition.after,
            }),
            marks: batch.marks.iter().map(MarkChangeJson::from_change).collect(),
        }
    }

    /// Makes the batch; `new_id` gives an id to each event without one.
    pub fn to_batch(&self, tenant: Tenant, mut new_id: impl FnMut() -> Uuid) -> Result<Batch, InvalidName> {
        let appends = self.appends.iter().zip(1..).map(|(append, number)| {
            let append = append.to_append(&mut new_id);
            append.map_err(|error| error.within(format_args!("append {number}")))
        });
        Ok(Batch {
            tenant,
            appends: appends.collect::<Result<_, _>>()?,
            condition: self.condition.as_ref().map(|condition| AppendCondition {
                fail_if_match: Query::any_of(condition.query.iter().cloned()),
                after: condition.after,
            }),
            marks: self.marks.iter().map(MarkChangeJson::to_change).collect::<Result<_, _>>()?,
        })
    }
}

impl AppendJson {
    fn from_append(append: &Append) -> Self {
        Self {
            stream: append.stream.as_ref().map(|stream| stream.as_str().to_owned()),
            expected: append.expected,
            events: append.events.iter().map(EventJson::from_data).collect(),
        }
    }

    /// Makes the append; what only the store gives must not be in its events.
    pub fn to_append(&self, new_id: &mut impl FnMut() -> Uuid) -> Result<Append, InvalidName> {
        let stream = self.stream.as_ref().map(StreamId::new).transpose()?;
        let events = self.events.iter().zip(1..).map(|(event, number)| {
            let data = check_is_new(event, stream.as_ref()).and_then(|()| event.to_data(&mut *new_id));
            data.map_err(|error| error.within(format_args!("event {number}")))
        });
        let events = events.collect::<Result<_, _>>()?;
        Ok(Append { stream, expected: self.expected, events })
    }
}

/// Refuses what only the store can give, lest a caller believe that it was kept.
fn check_is_new(event: &EventJson, stream: Option<&StreamId>) -> Result<(), InvalidName> {
    let given = [
        ("position", event.position.is_some()),
        ("revision", event.revision.is_some()),
        ("recorded_at", event.recorded_at.is_some()),
        ("batch", event.batch.is_some()),
        ("log", event.log.is_some()),
        ("tenant", event.tenant.is_some()),
        ("end", event.end.is_some()),
    ];
    let invalid = |reason: String| Err(InvalidName::new("an event to append", &event.event_type, reason));
    if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
        return invalid(format!("the store itself decides {name}; leave it out"));
    }
    match &event.stream {
        Some(name) if stream.is_none_or(|stream| stream.as_str() != name) => {
            invalid("it names another stream than its append; leave it out".to_owned())
        }
        _ => Ok(()),
    }
}

impl MarkChangeJson {
    fn from_change(change: &MarkChange) -> Self {
        match change {
            MarkChange::Rises { name, to } => Self::Rises { name: name.clone(), to: *to },
            MarkChange::Swap { name, version, value, keep_for } => Self::Swap {
                name: name.clone(),
                version: *version,
                value: value.as_ref().map(|value| STANDARD.encode(value)),
                keep_for_ms: keep_for.map(millis),
            },
            MarkChange::Once { name, keep_for } => {
                Self::Once { name: name.clone(), keep_for_ms: millis(*keep_for) }
            }
        }
    }

    fn to_change(&self) -> Result<MarkChange, InvalidName> {
        Ok(match self {
            Self::Rises { name, to } => MarkChange::Rises { name: name.clone(), to: *to },
            Self::Swap { name, version, value, keep_for_ms } => MarkChange::Swap {
                name: name.clone(),
                version: *version,
                value: value.as_deref().map(decode).transpose()?,
                keep_for: keep_for_ms.map(Duration::from_millis),
            },
            Self::Once { name, keep_for_ms } => {
                MarkChange::Once { name: name.clone(), keep_for: Duration::from_millis(*keep_for_ms) }
            }
        })
    }
}

/// Rounds up, so that nothing is kept shorter than asked.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}

fn decode(text: &str) -> Result<Bytes, InvalidName> {
    let invalid = |error| InvalidName::new("a base64 value", text, not_base64(error));
    STANDARD.decode(text).map(Bytes::from).map_err(invalid)
}

/// A mark as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkJson {
    /// Its name.
    pub name: MarkName,
    /// Rises with every change and never comes back.
    pub version: u64,
    /// The number that it has risen to.
    #[serde(default)]
    pub number: u64,
    /// Its value as base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// When it goes away by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl MarkJson {
    /// Describes a mark.
    pub fn from_mark(mark: &Mark) -> Self {
        Self {
            name: mark.name.clone(),
            version: mark.version,
            number: mark.number,
            value: STANDARD.encode(&mark.value),
            expires_at: mark.expires_at,
        }
    }

    /// Makes the mark of a tenant.
    pub fn to_mark(&self, tenant: Tenant) -> Result<Mark, InvalidName> {
        Ok(Mark {
            tenant,
            name: self.name.clone(),
            version: self.version,
            number: self.number,
            value: decode(&self.value)?,
            expires_at: self.expires_at,
        })
    }
}

/// What an append answers, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendedJson {
    /// The log.
    pub log: LogIdentity,
    /// The last position of the batch in each count, 0 where it has none.
    pub last: Heads,
    /// Where the events of each append stand, in the order of the batch.
    pub ranges: Vec<RangeJson>,
    /// When the batch was recorded.
    pub recorded_at: Timestamp,
    /// Whether it had been recorded before and this is the first answer again.
    #[serde(default)]
    pub repeated: bool,
    /// What `at_least` takes to read one's own writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<LogPoint>,
}

/// Where the events of one append stand, as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeJson {
    /// The position of its first event.
    pub first: Position,
    /// The position of its last event.
    pub last: Position,
    /// The revision of its last event, if it has a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

impl AppendedJson {
    /// Describes an answer.
    pub fn from_appended(appended: &Appended) -> Self {
        let ranges = appended.ranges.iter();
        Self {
            log: appended.log,
            last: appended.last,
            ranges: ranges
                .map(|range| RangeJson { first: range.first, last: range.last, revision: range.revision })
                .collect(),
            recorded_at: appended.recorded_at,
            repeated: appended.repeated,
            point: appended.point(),
        }
    }

    /// Makes the answer again.
    pub fn to_appended(&self) -> Appended {
        let ranges = self.ranges.iter();
        Appended {
            log: self.log,
            last: self.last,
            ranges: ranges
                .map(|range| AppendedRange { first: range.first, last: range.last, revision: range.revision })
                .collect(),
            recorded_at: self.recorded_at,
            repeated: self.repeated,
        }
    }
}

/// Writes an expected revision as a word or a number, and reads both.
mod expected_json {
    use std::fmt;

    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    use crate::stream::{ExpectedRevision, Revision};

    pub(super) fn serialize<S: Serializer>(
        expected: &ExpectedRevision,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match expected {
            ExpectedRevision::At(revision) => serializer.serialize_u64(revision.0),
            word => serializer.collect_str(word),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ExpectedRevision, D::Error> {
        deserializer.deserialize_any(ExpectedVisitor)
    }

    struct ExpectedVisitor;

    impl Visitor<'_> for ExpectedVisitor {
        type Value = ExpectedRevision;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any, no_stream, stream_exists or a revision")
        }

        fn visit_u64<E: Error>(self, revision: u64) -> Result<ExpectedRevision, E> {
            Ok(ExpectedRevision::At(Revision(revision)))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<ExpectedRevision, E> {
            text.parse().map_err(E::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventData, EventType};

    #[test]
    fn a_batch_reads_back_from_its_json() {
        let event = EventData::json(Uuid::from_u128(1), EventType::new("Opened").expect("a type"), "{}");
        let stream = StreamId::new("account-1").expect("a stream");
        let mark = |name: &str| MarkName::new(name).expect("a name");
        let keep_for = Duration::from_millis(1_500);
        let batch = Batch {
            tenant: Tenant::new("acme").expect("a tenant"),
            appends: vec![Append::to(stream.clone(), ExpectedRevision::At(Revision(3)), vec![event])],
            condition: Some(AppendCondition { fail_if_match: Query::stream(stream), after: Position(9) }),
            marks: vec![
                MarkChange::Rises { name: mark("a"), to: 7 },
                MarkChange::Swap {
                    name: mark("b"),
                    version: 2,
                    value: Some(Bytes::from_static(b"\xff")),
                    keep_for: Some(keep_for),
                },
                MarkChange::Once { name: mark("c"), keep_for },
            ],
        };
        let text = serde_json::to_string(&BatchJson::from_batch(&batch)).expect("json");
        let read: BatchJson = serde_json::from_str(&text).expect("reads back");
        assert_eq!(read.to_batch(batch.tenant.clone(), Uuid::nil), Ok(batch), "{text}");
    }

    #[test]
    fn what_only_the_store_gives_is_refused() {
        for event in [r#"{"type":"x","position":1}"#, r#"{"type":"x","stream":"other"}"#] {
            let text = format!(r#"{{"appends":[{{"stream":"s","events":[{event}]}}]}}"#);
            let batch: BatchJson = serde_json::from_str(&text).expect("parses");
            assert!(batch.to_batch(Tenant::default(), Uuid::nil).is_err(), "{event}");
        }
    }
}
