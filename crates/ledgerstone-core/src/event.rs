//! An event as an application hands it over: a fact, its type, its payload, and what is known about it.

use std::sync::LazyLock;

use bytes::Bytes;
use uuid::Uuid;

use crate::metadata::Metadata;
use crate::position::LogKind;
use crate::tag::Tag;
use crate::text::name_type;

name_type! {
    /// The stable name of an event's shape, such as `ClientCreated`: printable text up to 255 bytes.
    ///
    /// Types that begin with `$` belong to the system and are counted apart.
    EventType, "an event type", 255
}

impl EventType {
    /// Returns the count that events of this type belong to.
    pub fn log(&self) -> LogKind {
        if self.as_str().starts_with('$') { LogKind::System } else { LogKind::Application }
    }
}

name_type! {
    /// Whom an event is about, opaquely; it chooses the key that encrypts the payload.
    SubjectId, "a subject", 255
}

name_type! {
    /// What kind of bytes a payload is, such as `application/json`.
    ContentType, "a content type", 255
}

impl ContentType {
    /// The default content type.
    pub const JSON: &'static str = "application/json";

    /// Makes the default content type.
    pub fn json() -> Self {
        // Nearly every event has it, so all of them share one.
        static JSON: LazyLock<ContentType> = LazyLock::new(|| {
            ContentType::new(ContentType::JSON)
                .unwrap_or_else(|_| unreachable!("a constant within the limit"))
        });
        JSON.clone()
    }

    /// Tells whether this is JSON.
    pub fn is_json(&self) -> bool {
        self.as_str() == Self::JSON
    }
}

/// An event to append.
///
/// The payload comes back byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventData {
    /// The event's own id: the same event handed over twice is recorded once.
    pub id: Uuid,
    /// The stable name of its shape.
    pub event_type: EventType,
    /// The version of its shape, from 1.
    pub schema_version: u32,
    /// What kind of bytes the payload is.
    pub content_type: ContentType,
    /// The data.
    pub payload: Bytes,
    /// What is known about it.
    pub metadata: Metadata,
    /// The texts by which it is found across streams.
    pub tags: Vec<Tag>,
    /// Whom it is about.
    pub subject: Option<SubjectId>,
    /// Whether it carries the whole state of its stream, so that what stands before it may be removed.
    pub carries_state: bool,
}

impl EventData {
    /// The largest number of tags.
    pub const MAX_TAGS: usize = 64;

    /// Makes an event with a JSON payload, version 1, and no metadata.
    pub fn json(id: Uuid, event_type: EventType, payload: impl Into<Bytes>) -> Self {
        Self {
            id,
            event_type,
            schema_version: 1,
            content_type: ContentType::json(),
            payload: payload.into(),
            metadata: Metadata::default(),
            tags: Vec::new(),
            subject: None,
            carries_state: false,
        }
    }

    /// Returns the count that the event belongs to.
    pub fn log(&self) -> LogKind {
        self.event_type.log()
    }

    /// Returns the bytes that count against the size limit of an event.
    pub fn size(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| tag.as_str().len()).sum();
        self.payload.len() + self.metadata.size() + self.event_type.as_str().len() + tags
    }
}
