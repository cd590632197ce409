//! Recorded events as messages, written straight from their records: no text is copied on the way but once.
//!
//! The field numbers of `umadb.v1`: `ReadResponse` and `SubscribeResponse` 1 events, 2 head (the former only);
//! `SequencedEvent` 1 position, 2 event, 3 tracking; `Event` 1 type, 2 tags, 3 data, 4 uuid, 5 metadata;
//! `MetadataEntry` 1 key, 2 value; `TrackingInfo` 1 source, 2 position.

use std::marker::PhantomData;

use bytes::BufMut;
use ledgerstone::core::RecordedEvent;
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};

use super::tracking::Tracked;
use super::unnamed_id::is_unnamed;
use crate::protocols::grpc::prost_codec::ProstDecoder;

/// One message of an answer: events, and where the log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The events.
    pub(super) events: Vec<RecordedEvent>,
    /// Where the log ends, where the answer tells it.
    pub(super) head: Option<u64>,
}

/// Encodes pages, and decodes requests of one message.
#[derive(Debug)]
pub(super) struct EventsCodec<Request>(PhantomData<fn() -> Request>);

impl<Request> Default for EventsCodec<Request> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Request: Message + Default + 'static> Codec for EventsCodec<Request> {
    type Encode = Page;
    type Decode = Request;
    type Encoder = PageEncoder;
    type Decoder = ProstDecoder<Request>;

    fn encoder(&mut self) -> PageEncoder {
        PageEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

/// Encodes pages one after another.
#[derive(Debug, Default)]
pub(super) struct PageEncoder {
    /// The event that is being written, as its length stands before it.
    event: Vec<u8>,
    entry: Vec<u8>,
}

impl Encoder for PageEncoder {
    type Item = Page;
    type Error = Status;

    fn encode(&mut self, page: Page, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        /// What a message needs beside the bytes of a record, more or less.
        const BESIDE: usize = 32;
        let bytes: usize = page.events.iter().map(|event| event.as_bytes().len() + BESIDE).sum();
        into.reserve(bytes);
        for event in &page.events {
            self.put(event, into);
        }
        if let Some(head) = page.head {
            put_number(into, 2, head);
        }
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        /// What is buffered until it is sent: a message of usual size at once.
        const BUFFER: usize = 16 * 1024;
        BufferSettings::new(BUFFER, BUFFER)
    }
}

impl PageEncoder {
    fn put(&mut self, event: &RecordedEvent, into: &mut impl BufMut) {
        let tracked = Tracked::of(event);
        let told = tracked.as_ref().map_or([usize::MAX; 2], |tracked| tracked.texts);
        self.event.clear();
        self.put_event(event, told);
        let position = event.position().0;
        let tracking = tracked.map(|tracked| tracking_message(&tracked)).unwrap_or_default();

        let mut length = 1 + encoded_len_varint(position) + length_of(self.event.len());
        if !tracking.is_empty() {
            length += length_of(tracking.len());
        }
        put_key(into, 1, BYTES);
        encode_varint(length as u64, into);
        put_number(into, 1, position);
        put_bytes(into, 2, &self.event);
        if !tracking.is_empty() {
            put_bytes(into, 3, &tracking);
        }
    }

    /// Writes an event, leaving out the metadata that `told` numbers, as its tracking tells it.
    fn put_event(&mut self, event: &RecordedEvent, told: [usize; 2]) {
        let into = &mut self.event;
        put_bytes(into, 1, event.event_type().as_bytes());
        for tag in event.tags() {
            put_bytes(into, 2, tag.as_bytes());
        }
        let payload = event.payload();
        if !payload.is_empty() {
            put_bytes(into, 3, payload);
        }
        if !is_unnamed(event.id()) {
            let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
            put_bytes(into, 4, event.id().hyphenated().encode_lower(&mut text).as_bytes());
        }
        let mut put_entry = |name: &str, text: &str| {
            self.entry.clear();
            put_bytes(&mut self.entry, 1, name.as_bytes());
            put_bytes(&mut self.entry, 2, text.as_bytes());
            put_bytes(into, 5, &self.entry);
        };
        if let Some(occurred) = event.occurred_at() {
            put_entry("occurred_at", &occurred.to_string());
        }
        for (index, (name, text)) in event.metadata_texts().enumerate() {
            if !told.contains(&index) {
                put_entry(name, text);
            }
        }
    }
}

fn tracking_message(tracked: &Tracked<'_>) -> Vec<u8> {
    let mut message = Vec::with_capacity(tracked.source.len() + 16);
    put_bytes(&mut message, 1, tracked.source.as_bytes());
    put_number(&mut message, 2, tracked.position);
    message
}

/// The wire type of a number.
const NUMBER: u32 = 0;
/// The wire type of what has a length.
const BYTES: u32 = 2;

fn put_key(into: &mut impl BufMut, field: u32, wire_type: u32) {
    encode_varint(u64::from(field << 3 | wire_type), into);
}

fn put_number(into: &mut impl BufMut, field: u32, number: u64) {
    put_key(into, field, NUMBER);
    encode_varint(number, into);
}

fn put_bytes(into: &mut impl BufMut, field: u32, bytes: &[u8]) {
    put_key(into, field, BYTES);
    encode_varint(bytes.len() as u64, into);
    into.put_slice(bytes);
}

/// Returns the size of a field with so many bytes, its key and length included.
fn length_of(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}
