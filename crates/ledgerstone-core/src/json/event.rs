//! Events as JSON: the shape of imports, exports, the HTTP interface and `--json`.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::event::{ContentType, EventData, EventType, SubjectId};
use crate::json::sound::unsound;
use crate::metadata::Metadata;
use crate::position::{Heads, LogIdentity, LogKind, Position};
use crate::record::{EncodedEvent, RecordedEvent, Stamp};
use crate::stream::{Revision, StreamId};
use crate::tag::Tag;
use crate::tenant::Tenant;
use crate::text::InvalidName;
use crate::timestamp::{OffsetTime, Timestamp};

/// An event as JSON: what an application gives, and, once recorded, what the store added.
///
/// The payload stands in `data` as it is if it is JSON on one line, and else in `data_base64`, so
/// that it comes back byte for byte.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventJson {
    /// Its place in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Its count, if it is a system event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogKind>,
    /// Whose it is, if not the default tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Its place in its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Its own id; left out of an append, it gets a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The stable name of its shape.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The version of its shape, 1 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
    /// When it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<Timestamp>,
    /// When it happened, with its offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<OffsetTime>,
    /// What kind of bytes the payload is, if not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The payload, if it is JSON on one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// The payload otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// The texts by which it is found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What is known about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whether it carries the whole state of its stream.
    #[serde(skip_serializing_if = "is_false")]
    pub carries_state: bool,
    /// Where it stands in the batch that it was appended with, if that had several events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchPlace>,
    /// What the whole log held, on the last line of its export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<LogEnd>,
}

/// Where an event stands in its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchPlace {
    /// It is the first of several.
    First,
    /// It stands between the first and the last.
    Between,
    /// It is the last of several.
    Last,
}

/// What a whole log held when it was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// The log's id.
    #[serde(with = "uuid::serde::simple")]
    pub log: Uuid,
    /// Its epoch.
    pub epoch: u32,
    /// Its application events.
    pub application: CountEnd,
    /// Its system events.
    pub system: CountEnd,
    /// The digest of its records, in hexadecimal digits.
    pub digest: String,
}

/// What one count of a log held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountEnd {
    /// How many events there were.
    pub events: u64,
    /// The newest position, whether or not its event was removed.
    pub head: Position,
}

impl LogEnd {
    /// Returns which log it was.
    pub fn identity(&self) -> LogIdentity {
        LogIdentity { id: self.log, epoch: self.epoch }
    }

    /// Returns the heads of both counts.
    pub fn heads(&self) -> Heads {
        Heads { application: self.application.head, system: self.system.head }
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl EventJson {
    /// Describes a recorded event, with every field.
    pub fn recorded(event: &RecordedEvent) -> Self {
        let mut metadata = event.metadata();
        let occurred_at = metadata.occurred_at.take();
        let (data, data_base64) = payload_json(event.content_type(), event.payload());
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            position: Some(event.position()),
            log: (event.log() == LogKind::System).then_some(LogKind::System),
            tenant: text(event.tenant()),
            stream: event.stream().map(str::to_owned),
            revision: event.revision(),
            id: Some(event.id()),
            event_type: event.event_type().to_owned(),
            schema_version: Some(event.schema_version()),
            recorded_at: Some(event.recorded_at()),
            occurred_at,
            content_type: (event.content_type() != ContentType::JSON)
                .then(|| event.content_type().to_owned()),
            data,
            data_base64,
            tags: event.tags().map(str::to_owned).collect(),
            metadata: (metadata != Metadata::default()).then_some(metadata),
            subject: event.subject().map(str::to_owned),
            carries_state: event.carries_state(),
            batch: batch_place(event),
            end: None,
        }
    }

    /// Describes an event to append.
    pub fn from_data(event: &EventData) -> Self {
        let mut metadata = event.metadata.clone();
        let occurred_at = metadata.occurred_at.take();
        let (mut data, mut data_base64) = payload_json(event.content_type.as_str(), &event.payload);
        // What an append refuses as JSON it still takes as bytes.
        if data.as_ref().is_some_and(|data| unsound(data.get()).is_some()) {
            data = None;
            data_base64 = Some(STANDARD.encode(&event.payload));
        }
        Self {
            id: Some(event.id),
            event_type: event.event_type.as_str().to_owned(),
            schema_version: Some(event.schema_version),
            occurred_at,
            content_type: (!event.content_type.is_json()).then(|| event.content_type.as_str().to_owned()),
            data,
            data_base64,
            tags: event.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
            metadata: (metadata != Metadata::default()).then_some(metadata),
            subject: event.subject.as_ref().map(|subject| subject.as_str().to_owned()),
            carries_state: event.carries_state,
            ..Self::default()
        }
    }

    /// Makes the event to append; `new_id` is asked if it has no id of its own.
    ///
    /// Data that is JSON must read as a value: sound escapes, finite numbers, at most 127 levels.
    pub fn to_data(&self, new_id: impl FnOnce() -> Uuid) -> Result<EventData, InvalidName> {
        let event = self.as_data(new_id)?;
        let json = self.data.as_ref().filter(|_| is_json(event.content_type.as_str()));
        match json.and_then(|data| unsound(data.get())) {
            Some(reason) => {
                let reason = format!("its data cannot be read as JSON: {reason}");
                Err(InvalidName::new("an event", &self.event_type, reason))
            }
            None => Ok(event),
        }
    }

    /// Makes the event with whatever data it has, as a log may hold.
    fn as_data(&self, new_id: impl FnOnce() -> Uuid) -> Result<EventData, InvalidName> {
        let mut metadata = self.metadata.clone().unwrap_or_default();
        if self.occurred_at.is_some() {
            metadata.occurred_at = self.occurred_at;
        }
        Ok(EventData {
            id: self.id.unwrap_or_else(new_id),
            event_type: EventType::new(&self.event_type)?,
            schema_version: self.schema_version.unwrap_or(1),
            content_type: match &self.content_type {
                Some(content_type) => ContentType::new(content_type)?,
                None => ContentType::json(),
            },
            payload: self.payload()?,
            metadata,
            tags: self.tags.iter().map(Tag::new).collect::<Result<_, _>>()?,
            subject: self.subject.as_ref().map(SubjectId::new).transpose()?,
            carries_state: self.carries_state,
        })
    }

    /// Makes the recorded event again, with all that the store had added.
    pub fn to_recorded(&self) -> Result<RecordedEvent, InvalidName> {
        let missing =
            |what| InvalidName::new("a recorded event", &self.event_type, format!("it has no {what}"));
        let id = self.id.ok_or_else(|| missing("id"))?;
        let data = self.as_data(|| id)?;
        let stream = self.stream.as_ref().map(StreamId::new).transpose()?;
        if stream.is_some() && self.revision.is_none() {
            return Err(missing("revision"));
        }
        let tenant = Tenant::new(self.tenant.as_deref().unwrap_or_default())?;
        let (first, last) = match self.batch {
            None => (true, true),
            Some(BatchPlace::First) => (true, false),
            Some(BatchPlace::Between) => (false, false),
            Some(BatchPlace::Last) => (false, true),
        };
        let mut encoded = EncodedEvent::new(&tenant, stream.as_ref(), &data, first, last);
        encoded.stamp(Stamp {
            position: self.position.ok_or_else(|| missing("position"))?,
            revision: self.revision.unwrap_or_default(),
            recorded_at: self.recorded_at.ok_or_else(|| missing("recorded_at"))?,
        });
        Ok(encoded.into_recorded())
    }

    fn payload(&self) -> Result<Bytes, InvalidName> {
        match (&self.data, &self.data_base64) {
            (Some(data), None) => Ok(Bytes::copy_from_slice(data.get().as_bytes())),
            (None, Some(text)) => STANDARD
                .decode(text)
                .map(Bytes::from)
                .map_err(|error| InvalidName::new("data_base64", text, not_base64(error))),
            (None, None) => Ok(Bytes::from_static(b"null")),
            (Some(_), Some(_)) => {
                let reason = "give data or data_base64, not both";
                Err(InvalidName::new("an event", &self.event_type, reason))
            }
        }
    }
}

/// Says why a text is not base64.
pub(crate) fn not_base64(error: DecodeError) -> String {
    match error {
        DecodeError::InvalidByte(at, byte) => {
            format!("{:?}, its character {}, does not belong into base64", char::from(byte), at + 1)
        }
        _ => "it is not whole base64; write it with the letters of RFC 4648 and its padding".to_owned(),
    }
}

/// Tells whether a content type is JSON, or a format that is written in JSON.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == ContentType::JSON || essence.ends_with("+json")
}

fn batch_place(event: &RecordedEvent) -> Option<BatchPlace> {
    match (event.is_batch_first(), event.is_batch_last()) {
        (true, true) => None,
        (true, false) => Some(BatchPlace::First),
        (false, false) => Some(BatchPlace::Between),
        (false, true) => Some(BatchPlace::Last),
    }
}

/// Embeds a payload as it is only where reading the JSON back yields the same bytes.
fn payload_json(content_type: &str, payload: &[u8]) -> (Option<Box<RawValue>>, Option<String>) {
    let one_line = !payload.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    if content_type == ContentType::JSON && one_line {
        let raw = std::str::from_utf8(payload).ok().and_then(|text| {
            let raw: Box<RawValue> = serde_json::from_str(text).ok()?;
            (raw.get().len() == text.len()).then_some(raw)
        });
        // A bare null would read back as "no data at all".
        if let Some(raw) = raw.filter(|raw| raw.get() != "null") {
            return (Some(raw), None);
        }
    }
    if payload == b"null" {
        return (None, None);
    }
    (None, Some(STANDARD.encode(payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(content_type: &str, payload: &'static [u8]) -> EventData {
        let mut event = EventData::json(Uuid::from_u128(1), EventType::new("x").expect("type"), payload);
        event.content_type = ContentType::new(content_type).expect("content type");
        let text = serde_json::to_string(&EventJson::from_data(&event)).expect("json");
        assert!(!text.contains('\n'), "{text}");
        let read: EventJson = serde_json::from_str(&text).expect("reads back");
        let read = read.to_data(Uuid::nil).expect("valid");
        assert_eq!(read, event, "{text}");
        read
    }

    #[test]
    fn payloads_come_back_byte_for_byte() {
        for payload in [
            &b"{\"a\": 1.0,   \"a\": 2}"[..],
            b"{\n\"a\": 1}",
            b" {}",
            b"null",
            b"",
            b"\xff\xfe",
            b"not json",
            b"123456789012345678901234567890",
        ] {
            round_trip("application/json", payload);
            round_trip("text/plain", payload);
        }
    }

    #[test]
    fn data_that_nobody_can_read_is_refused_but_restored() {
        for data in ["1e999999", "\"\\ud800\""] {
            let text = format!(
                r#"{{"type":"x","id":"{}","position":1,"recorded_at":"2024-01-01T00:00:00Z","data":{data}}}"#,
                Uuid::from_u128(1)
            );
            let event: EventJson = serde_json::from_str(&text).expect("parses");
            let error = event.to_data(Uuid::nil).expect_err("unsound").to_string();
            assert!(error.contains("its data cannot be read as JSON"), "{error}");
            assert_eq!(event.to_recorded().expect("restored").payload(), data.as_bytes());
            let bytes = EventData::json(Uuid::nil(), EventType::new("x").expect("type"), data.to_owned());
            assert_eq!(EventJson::from_data(&bytes).to_data(Uuid::nil), Ok(bytes));
        }
    }

    #[test]
    fn data_twice_is_refused() {
        let event: EventJson =
            serde_json::from_str(r#"{"type":"x","data":1,"data_base64":"MQ=="}"#).expect("parses");
        assert!(event.to_data(Uuid::nil).is_err());
    }
}
