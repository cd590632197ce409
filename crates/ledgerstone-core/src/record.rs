//! The bytes of a recorded event: a fixed header, the texts, the payload; read without copying.
//!
//! All integers are little-endian. The payload stands last, so that a store may keep it apart. There are two
//! layouts; what both have stands in the same places. The log engine writes the short one wherever its lengths
//! suffice:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length of the whole record |
//! | 4 | 1 | which layout: 2 |
//! | 5 | 1 | flags: 1 stream, 2 system, 4 subject, 8 occurred, 16 carries state, 32 first and 64 last of its batch, 128 stub |
//! | 6 | 2 | number of tags |
//! | 8 | 8 | position |
//! | 16 | 8 | revision |
//! | 24 | 8 | recorded at, microseconds |
//! | 32 | 16 | event id |
//! | 48 | 2 | schema version |
//! | 50 | 1 × 2 | lengths of tenant and type |
//! | 52 | 2 | length of stream |
//! | 54 | 1 × 2 | lengths of content type (0: JSON) and subject |
//! | 56 | 2 × 2 | lengths of tags and metadata |
//! | 60 | 8, 4 | only with flag 8: occurred at, microseconds, and its offset, seconds; the smallest integer if none was given |
//! | | | tenant, stream, type, content type, subject; tags (2-byte length each); metadata (kind, 2-byte length, text); payload |
//!
//! The long one:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 32 | as above; which layout: 1 |
//! | 32 | 8 | occurred at, microseconds |
//! | 40 | 4 | offset of occurred at, seconds; the smallest integer if none was given |
//! | 44 | 4 | schema version |
//! | 48 | 16 | event id |
//! | 64 | 2 × 5 | lengths of tenant, stream, type, content type, subject |
//! | 74 | 2 | zero |
//! | 76 | 4 × 3 | lengths of tags, metadata, payload |
//! | 88 | | the same parts; a text of the metadata has a 4-byte length |
//!
//! A stub is what scavenging leaves of a removed event (`record/stub.rs`): it has no payload and is never handed to a reader.

mod fields;
mod stub;

use bytes::Bytes;
use uuid::Uuid;

use crate::event::EventData;
use crate::metadata::Metadata;
use crate::position::{LogKind, Position};
use crate::stream::{Revision, StreamId};
use crate::tenant::Tenant;
use crate::timestamp::{OffsetTime, Timestamp};

use fields::{
    ACTOR, CAUSATION, CORRELATION, ENTRY_KEY, ENTRY_VALUE, SHORT_FIELD, SOURCE, VALIDATION, encode_metadata,
    metadata_is_sound, tags_are_sound, take_field, take_sized,
};

/// The size of the fixed part of the long layout.
pub(crate) const HEADER: usize = 88;
/// The size of what every short record has.
const SHORT_HEADER: usize = 60;
/// The size of when it occurred, in a short record that says so.
const OCCURRED_BYTES: usize = 12;
const LONG: u8 = 1;
const SHORT: u8 = 2;
const NO_OFFSET: i32 = i32::MIN;

const STREAM: u8 = 1;
const SYSTEM: u8 = 2;
const SUBJECT: u8 = 4;
const OCCURRED: u8 = 8;
const STATE: u8 = 16;
/// The first event of its batch within its count.
pub(crate) const BATCH_FIRST: u8 = 32;
/// The last event of its batch within its count.
pub(crate) const BATCH_LAST: u8 = 64;
/// What is left of an event that was removed.
const STUB: u8 = 128;

/// Why bytes are not the record of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no event record: {0}")]
pub struct InvalidRecord(pub(crate) &'static str);

/// What an event gets when it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its place in the log.
    pub position: Position,
    /// Its place in its stream, ignored without a stream.
    pub revision: Revision,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Stamp {
    /// Puts position, revision and time into the bytes of a record.
    pub fn put(self, record: &mut [u8]) {
        set(record, 8, &self.position.0.to_le_bytes());
        set(record, 16, &self.revision.0.to_le_bytes());
        set(record, 24, &self.recorded_at.as_micros().to_le_bytes());
    }
}

/// Which of the two layouts a store writes; both are read everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordLayout {
    /// The one of before, on which the schema of the SQLite store relies.
    #[default]
    Long,
    /// The short one, wherever its lengths suffice.
    Short,
}

/// An event encoded ahead of its commit: everything but its stamp.
#[derive(Debug, Clone)]
pub struct EncodedEvent {
    bytes: Vec<u8>,
    head: usize,
}

impl EncodedEvent {
    /// Encodes an event of `tenant` for `stream`, standing first or last in its batch or between.
    ///
    /// Sizes must have been checked (see [`Limits::check`](crate::batch::Limits::check)): a record with
    /// a part that is larger than the layout can say is one that [`RecordedEvent::parse`] refuses.
    pub fn new(
        tenant: &Tenant,
        stream: Option<&StreamId>,
        event: &EventData,
        first: bool,
        last: bool,
    ) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + 128 + event.size());
        let head = Self::put(&mut bytes, tenant, stream, event, (first, last), RecordLayout::Long);
        Self { bytes, head }
    }

    /// Appends the record of an event to a buffer of several; returns how many bytes stand before its payload.
    ///
    /// It is [`new`](Self::new) for those who keep many records together; [`Stamp::put`] stamps them there.
    pub fn put(
        bytes: &mut Vec<u8>,
        tenant: &Tenant,
        stream: Option<&StreamId>,
        event: &EventData,
        (first, last): (bool, bool),
        layout: RecordLayout,
    ) -> usize {
        let is_short = layout == RecordLayout::Short && fits_short(event);
        let content_type = if event.content_type.is_json() { "" } else { event.content_type.as_str() };
        let subject = event.subject.as_ref().map_or("", |subject| subject.as_str());
        let stream_text = stream.map_or("", StreamId::as_str);
        let texts = [tenant.as_str(), stream_text, event.event_type.as_str(), content_type, subject];

        let begin = bytes.len();
        let occurred = event.metadata.occurred_at;
        let header = match (is_short, occurred) {
            (false, _) => HEADER,
            (true, None) => SHORT_HEADER,
            (true, Some(_)) => SHORT_HEADER + OCCURRED_BYTES,
        };
        bytes.resize(begin + header, 0);
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
        }
        let tags_at = bytes.len();
        for tag in &event.tags {
            put_u16(bytes, tag.as_str().len());
            bytes.extend_from_slice(tag.as_str().as_bytes());
        }
        let metadata_at = bytes.len();
        encode_metadata(bytes, &event.metadata, is_short);
        let payload_at = bytes.len();
        bytes.extend_from_slice(&event.payload);

        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = flag(stream.is_some(), STREAM)
            | flag(event.log() == LogKind::System, SYSTEM)
            | flag(event.subject.is_some(), SUBJECT)
            | flag(occurred.is_some(), OCCURRED)
            | flag(event.carries_state, STATE)
            | flag(first, BATCH_FIRST)
            | flag(last, BATCH_LAST);
        let record = bytes.get_mut(begin..).unwrap_or_default();
        let total = record.len();
        set(record, 0, &len32(total));
        set(record, 4, &[if is_short { SHORT } else { LONG }, flags]);
        set(record, 6, &len16(event.tags.len()));
        let lengths = (metadata_at - tags_at, payload_at - metadata_at);
        let set_header = if is_short { set_short_header } else { set_long_header };
        set_header(record, event, texts, lengths);
        payload_at - begin
    }

    /// Puts position, revision and time into the record.
    pub fn stamp(&mut self, stamp: Stamp) {
        stamp.put(&mut self.bytes);
    }

    /// Returns everything before the payload, and the payload.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.head)
    }

    /// Returns the whole record.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Turns the record into a recorded event, as a reader would see it.
    pub fn into_recorded(self) -> RecordedEvent {
        RecordedEvent { bytes: self.bytes.into() }
    }
}

/// Tells whether the short layout can say everything about an event; what is checked already always fits.
fn fits_short(event: &EventData) -> bool {
    let most = usize::from(u16::MAX);
    let tags: usize = event.tags.iter().map(|tag| 2 + tag.as_str().len()).sum();
    let fields = 5 + 2 * event.metadata.entries.len();
    u16::try_from(event.schema_version).is_ok()
        && tags <= most
        && event.metadata.size() + fields * SHORT_FIELD <= most
}

fn set_short_header(
    record: &mut [u8],
    event: &EventData,
    texts: [&str; 5],
    (tags, metadata): (usize, usize),
) {
    let [tenant, stream, event_type, content_type, subject] = texts.map(|text| len16(text.len()));
    set(record, 32, event.id.as_bytes());
    set(record, 48, &u16::try_from(event.schema_version).unwrap_or(u16::MAX).to_le_bytes());
    // Names have at most 255 bytes, but for the stream's.
    set(record, 50, &[tenant[0], event_type[0]]);
    set(record, 52, &stream);
    set(record, 54, &[content_type[0], subject[0]]);
    set(record, 56, &len16(tags));
    set(record, 58, &len16(metadata));
    if let Some(occurred) = event.metadata.occurred_at {
        set(record, 60, &occurred.at.as_micros().to_le_bytes());
        set(record, 68, &occurred.offset.unwrap_or(NO_OFFSET).to_le_bytes());
    }
}

fn set_long_header(record: &mut [u8], event: &EventData, texts: [&str; 5], (tags, metadata): (usize, usize)) {
    let occurred = event.metadata.occurred_at;
    set(record, 32, &occurred.map_or(0, |time| time.at.as_micros()).to_le_bytes());
    set(record, 40, &occurred.and_then(|time| time.offset).unwrap_or(NO_OFFSET).to_le_bytes());
    set(record, 44, &event.schema_version.to_le_bytes());
    set(record, 48, event.id.as_bytes());
    for (index, text) in texts.into_iter().enumerate() {
        set(record, 64 + 2 * index, &len16(text.len()));
    }
    set(record, 76, &len32(tags));
    set(record, 80, &len32(metadata));
    set(record, 84, &len32(event.payload.len()));
}

/// Where the event of a record stands, read from the record's bytes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPlace {
    /// The count that it belongs to.
    pub log: LogKind,
    /// Its place in the log.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl RecordPlace {
    /// Reads the place from the bytes of a record; what is not there reads as zero.
    pub fn of(record: &[u8]) -> Self {
        let system = record.get(5).is_some_and(|flags| flags & SYSTEM != 0);
        let number = |at: usize| {
            let bytes = record.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        Self {
            log: if system { LogKind::System } else { LogKind::Application },
            position: Position(number(8)),
            recorded_at: Timestamp::from_micros(number(24).cast_signed()),
        }
    }
}

/// An event that was recorded: a view into shared bytes, decoded where it is looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    bytes: Bytes,
}

impl RecordedEvent {
    /// Takes the bytes of one record, and checks that every part of it lies inside and every text is UTF-8.
    pub fn parse(bytes: Bytes) -> Result<Self, InvalidRecord> {
        let event = Self { bytes };
        if !matches!(event.bytes.get(4), None | Some(&(LONG | SHORT))) {
            return Err(InvalidRecord("the version of the layout is not known"));
        }
        if event.bytes.len() < event.texts_at() {
            return Err(InvalidRecord("they are shorter than a header"));
        }
        if u32::from_le_bytes(array(&event.bytes, 0)) as usize != event.bytes.len() {
            return Err(InvalidRecord("the length does not match"));
        }
        let payload_at = event.payload_at();
        let fills = match event.is_short() {
            true => payload_at <= event.bytes.len(),
            false => payload_at.checked_add(event.len32_at(84)) == Some(event.bytes.len()),
        };
        if !fills {
            return Err(InvalidRecord("the parts do not fill it"));
        }
        let texts = event.bytes.get(event.texts_at()..event.tags_at()).unwrap_or_default();
        let whole =
            |text: &str| (1..5).all(|index| text.is_char_boundary(event.text_at(index) - event.texts_at()));
        if !std::str::from_utf8(texts).is_ok_and(whole) {
            return Err(InvalidRecord("a text is not UTF-8"));
        }
        let tags = event.bytes.get(event.tags_at()..event.metadata_at()).unwrap_or_default();
        if !tags_are_sound(tags, event.tag_count()) {
            return Err(InvalidRecord("the tags are not sound"));
        }
        let metadata = event.bytes.get(event.metadata_at()..payload_at).unwrap_or_default();
        if !metadata_is_sound(metadata, event.is_short()) {
            return Err(InvalidRecord("the metadata is not sound"));
        }
        Ok(event)
    }

    /// Takes the bytes of a record that this process or a checksum vouches for, without looking at them.
    ///
    /// Nothing panics on unsound bytes: a part that does not lie inside reads as empty.
    pub fn trusted(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// Returns the record's bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the record in the long layout, whichever this one has: the same bytes for the same event, by which
    /// digests of stores can be compared.
    pub fn to_long(&self) -> Bytes {
        if !self.is_short() {
            return self.bytes.clone();
        }
        let names = Tenant::new(self.tenant()).ok().zip(self.to_data().ok());
        let Some((tenant, data)) = names else { return self.bytes.clone() };
        let stream = self.stream().and_then(|stream| StreamId::new(stream).ok());
        let batch = (self.is_batch_first(), self.is_batch_last());
        let mut long = EncodedEvent::new(&tenant, stream.as_ref(), &data, batch.0, batch.1).bytes;
        set(&mut long, 8, self.bytes.get(8..32).unwrap_or_default());
        long.into()
    }

    /// Returns the event's own id.
    pub fn id(&self) -> Uuid {
        Uuid::from_bytes(array(&self.bytes, if self.is_short() { 32 } else { 48 }))
    }

    /// Returns its place in the log.
    pub fn position(&self) -> Position {
        Position(u64::from_le_bytes(array(&self.bytes, 8)))
    }

    /// Returns the count that it belongs to.
    pub fn log(&self) -> LogKind {
        if self.has(SYSTEM) { LogKind::System } else { LogKind::Application }
    }

    /// Returns its stream's name, if it has a stream.
    pub fn stream(&self) -> Option<&str> {
        self.has(STREAM).then(|| self.text(1))
    }

    /// Returns its place in its stream, if it has a stream.
    pub fn revision(&self) -> Option<Revision> {
        self.has(STREAM).then(|| Revision(u64::from_le_bytes(array(&self.bytes, 16))))
    }

    /// Returns the category of its stream.
    pub fn category(&self) -> Option<&str> {
        self.stream().and_then(crate::stream::category_of)
    }

    /// Returns whose it is.
    pub fn tenant(&self) -> &str {
        self.text(0)
    }

    /// Returns the stable name of its shape.
    pub fn event_type(&self) -> &str {
        self.text(2)
    }

    /// Returns the version of its shape.
    pub fn schema_version(&self) -> u32 {
        match self.is_short() {
            true => u16::from_le_bytes(array(&self.bytes, 48)).into(),
            false => u32::from_le_bytes(array(&self.bytes, 44)),
        }
    }

    /// Returns what kind of bytes the payload is.
    pub fn content_type(&self) -> &str {
        match self.text(3) {
            "" => crate::event::ContentType::JSON,
            text => text,
        }
    }

    /// Returns whom it is about.
    pub fn subject(&self) -> Option<&str> {
        self.has(SUBJECT).then(|| self.text(4))
    }

    /// Tells whether it carries the whole state of its stream.
    pub fn carries_state(&self) -> bool {
        self.has(STATE)
    }

    /// Tells whether it was the first of its batch within its count.
    pub fn is_batch_first(&self) -> bool {
        self.has(BATCH_FIRST)
    }

    /// Tells whether it was the last of its batch within its count.
    pub fn is_batch_last(&self) -> bool {
        self.has(BATCH_LAST)
    }

    /// Tells whether this is what scavenging left of a removed event: no reader may be handed it.
    pub fn is_stub(&self) -> bool {
        self.has(STUB)
    }

    /// Returns the payload.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.payload_at()..).unwrap_or_default()
    }

    /// Returns the payload, sharing its bytes.
    pub fn payload_bytes(&self) -> Bytes {
        let at = self.payload_at().min(self.bytes.len());
        self.bytes.slice(at..)
    }

    /// Returns when it was recorded.
    pub fn recorded_at(&self) -> Timestamp {
        Timestamp::from_micros(i64::from_le_bytes(array(&self.bytes, 24)))
    }

    /// Returns when it happened, if that is known.
    pub fn occurred_at(&self) -> Option<OffsetTime> {
        self.has(OCCURRED).then(|| {
            let place = if self.is_short() { SHORT_HEADER } else { 32 };
            let at = Timestamp::from_micros(i64::from_le_bytes(array(&self.bytes, place)));
            let offset = i32::from_le_bytes(array(&self.bytes, place + 8));
            OffsetTime { at, offset: (offset != NO_OFFSET).then_some(offset) }
        })
    }

    /// Returns the tags that the application set.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.bytes.get(self.tags_at()..self.metadata_at()).unwrap_or_default();
        std::iter::from_fn(move || {
            let (text, after) = take_sized(rest)?;
            rest = after;
            Some(text)
        })
    }

    /// Tells whether it carries a tag, the ones that the store derives included.
    pub fn has_tag(&self, tag: &str) -> bool {
        match tag.strip_prefix('$').and_then(|derived| derived.split_once(':')) {
            Some(("category", category)) => self.category() == Some(category),
            Some(("source", source)) => self.metadata_field(SOURCE) == Some(source),
            Some(("correlation", correlation)) => self.metadata_field(CORRELATION) == Some(correlation),
            _ => self.tags().any(|own| own == tag),
        }
    }

    /// Returns its source, without decoding the rest of the metadata.
    pub fn source(&self) -> Option<&str> {
        self.metadata_field(SOURCE)
    }

    /// Returns its correlation, without decoding the rest of the metadata.
    pub fn correlation(&self) -> Option<&str> {
        self.metadata_field(CORRELATION)
    }

    /// Returns the texts of its metadata one after another, with the names that JSON gives them, without
    /// building a [`Metadata`] of them; the time at which it happened is told by [`occurred_at`](Self::occurred_at).
    ///
    /// A free entry has the name of its key.
    pub fn metadata_texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut key = "";
        self.metadata_fields().filter_map(move |(field, text)| {
            let name = match field {
                CORRELATION => "correlation",
                CAUSATION => "causation",
                ACTOR => "actor",
                SOURCE => "source",
                VALIDATION => "validation",
                ENTRY_VALUE => key,
                ENTRY_KEY => {
                    key = text;
                    return None;
                }
                _ => return None,
            };
            Some((name, text))
        })
    }

    /// Decodes what is known about it.
    pub fn metadata(&self) -> Metadata {
        let mut metadata = Metadata { occurred_at: self.occurred_at(), ..Metadata::default() };
        for (field, text) in self.metadata_fields() {
            match field {
                CORRELATION => metadata.correlation = Some(text.to_owned()),
                CAUSATION => metadata.causation = Some(text.to_owned()),
                ACTOR => metadata.actor = Some(text.to_owned()),
                SOURCE => metadata.source = Some(text.to_owned()),
                VALIDATION => metadata.validation = serde_json::from_str(text).ok(),
                ENTRY_KEY => metadata.entries.push((text.to_owned(), String::new())),
                ENTRY_VALUE => {
                    if let Some(entry) = metadata.entries.last_mut() {
                        text.clone_into(&mut entry.1);
                    }
                }
                _ => {}
            }
        }
        metadata
    }

    /// Takes the event apart again, as it was appended.
    pub fn to_data(&self) -> Result<EventData, crate::text::InvalidName> {
        Ok(EventData {
            id: self.id(),
            event_type: self.event_type().try_into()?,
            schema_version: self.schema_version(),
            content_type: self.content_type().try_into()?,
            payload: self.payload_bytes(),
            metadata: self.metadata(),
            tags: self.tags().map(crate::tag::Tag::new).collect::<Result<_, _>>()?,
            subject: self.subject().map(crate::event::SubjectId::new).transpose()?,
            carries_state: self.carries_state(),
        })
    }

    fn metadata_field(&self, wanted: u8) -> Option<&str> {
        self.metadata_fields().find(|(field, _)| *field == wanted).map(|(_, text)| text)
    }

    fn metadata_fields(&self) -> impl Iterator<Item = (u8, &str)> {
        let is_short = self.is_short();
        let mut rest = self.bytes.get(self.metadata_at()..self.payload_at()).unwrap_or_default();
        std::iter::from_fn(move || {
            let (field, text, after) = take_field(rest, is_short)?;
            rest = after;
            Some((field, text))
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.bytes.get(5).is_some_and(|flags| flags & flag != 0)
    }

    fn tag_count(&self) -> usize {
        u16::from_le_bytes(array(&self.bytes, 6)).into()
    }

    fn len16_at(&self, at: usize) -> usize {
        u16::from_le_bytes(array(&self.bytes, at)).into()
    }

    fn len32_at(&self, at: usize) -> usize {
        u32::from_le_bytes(array(&self.bytes, at)) as usize
    }

    fn is_short(&self) -> bool {
        self.bytes.get(4) == Some(&SHORT)
    }

    fn len8_at(&self, at: usize) -> usize {
        self.bytes.get(at).copied().unwrap_or_default().into()
    }

    /// Returns where the texts begin.
    fn texts_at(&self) -> usize {
        match (self.is_short(), self.has(OCCURRED)) {
            (false, _) => HEADER,
            (true, false) => SHORT_HEADER,
            (true, true) => SHORT_HEADER + OCCURRED_BYTES,
        }
    }

    fn text_len(&self, index: usize) -> usize {
        match (self.is_short(), index) {
            (false, _) => self.len16_at(64 + 2 * index),
            (true, 0) => self.len8_at(50),
            (true, 1) => self.len16_at(52),
            (true, 2) => self.len8_at(51),
            (true, _) => self.len8_at(51 + index),
        }
    }

    fn text_at(&self, index: usize) -> usize {
        (0..index).fold(self.texts_at(), |at, text| at + self.text_len(text))
    }

    fn text(&self, index: usize) -> &str {
        let at = self.text_at(index);
        let bytes = self.bytes.get(at..at + self.text_len(index)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn tags_at(&self) -> usize {
        self.text_at(5)
    }

    fn metadata_at(&self) -> usize {
        self.tags_at() + if self.is_short() { self.len16_at(56) } else { self.len32_at(76) }
    }

    fn payload_at(&self) -> usize {
        self.metadata_at() + if self.is_short() { self.len16_at(58) } else { self.len32_at(80) }
    }
}

impl std::fmt::Debug for RecordedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordedEvent")
            .field("position", &self.position())
            .field("stream", &self.stream())
            .field("revision", &self.revision())
            .field("event_type", &self.event_type())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).unwrap_or([0; N])
}

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(slot) = bytes.get_mut(at..at + value.len()) {
        slot.copy_from_slice(value);
    }
}

fn len16(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes()
}

fn len32(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

fn put_u16(bytes: &mut Vec<u8>, len: usize) {
    bytes.extend_from_slice(&len16(len));
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
