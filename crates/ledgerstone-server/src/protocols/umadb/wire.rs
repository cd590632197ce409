//! The messages of `umadb.v1`, field by field.
//!
//! Events are answered by [`EventsCodec`](super::events_codec::EventsCodec), which writes them straight from
//! their records, so the messages that hold recorded events stand there.

use bytes::Bytes;

/// An event to append.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Event {
    #[prost(string, tag = "1")]
    pub(super) event_type: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) tags: Vec<String>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) data: Bytes,
    #[prost(string, tag = "4")]
    pub(super) uuid: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) metadata: Vec<MetadataEntry>,
}

/// Something known about an event.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct MetadataEntry {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// Any of the items; none means every event.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Query {
    #[prost(message, repeated, tag = "1")]
    pub(super) items: Vec<QueryItem>,
}

/// Any of the types and all of the tags.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct QueryItem {
    #[prost(string, repeated, tag = "1")]
    pub(super) types: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) tags: Vec<String>,
}

/// What must not have happened.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct AppendCondition {
    #[prost(message, optional, tag = "1")]
    pub(super) fail_if_events_match: Option<Query>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) after: Option<u64>,
}

/// How far a source has been followed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct TrackingInfo {
    #[prost(string, tag = "1")]
    pub(super) source: String,
    #[prost(uint64, tag = "2")]
    pub(super) position: u64,
}

/// Asks for recorded events, up to the head.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ReadRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) query: Option<Query>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) start: Option<u64>,
    #[prost(bool, optional, tag = "3")]
    pub(super) backwards: Option<bool>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) limit: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub(super) subscribe: Option<bool>,
    #[prost(uint32, optional, tag = "6")]
    pub(super) batch_size: Option<u32>,
}

/// Asks for recorded events, and for those to come.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct SubscribeRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) query: Option<Query>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) after: Option<u64>,
    #[prost(uint32, optional, tag = "3")]
    pub(super) batch_size: Option<u32>,
}

/// Asks for events to be recorded.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct AppendRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) events: Vec<Event>,
    #[prost(message, optional, tag = "2")]
    pub(super) condition: Option<AppendCondition>,
    #[prost(message, optional, tag = "3")]
    pub(super) tracking_info: Option<TrackingInfo>,
}

/// Says that they were.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct AppendResponse {
    #[prost(uint64, tag = "1")]
    pub(super) position: u64,
}

/// Asks for the newest position.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct HeadRequest {}

/// Tells it, unless nothing was ever recorded.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct HeadResponse {
    #[prost(uint64, optional, tag = "1")]
    pub(super) position: Option<u64>,
}

/// Asks how far a source has been followed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct TrackingRequest {
    #[prost(string, tag = "1")]
    pub(super) source: String,
}

/// Tells it, if it was followed at all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct TrackingResponse {
    #[prost(uint64, optional, tag = "1")]
    pub(super) position: Option<u64>,
}

/// What went wrong; it stands in the details of a status.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ErrorResponse {
    #[prost(string, tag = "1")]
    pub(super) message: String,
    #[prost(enumeration = "ErrorType", tag = "2")]
    pub(super) error_type: i32,
}

/// The kinds of what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum ErrorType {
    /// A disk or a network failed.
    Io = 0,
    /// Something could not be written as a message.
    Serialization = 1,
    /// A condition does not hold.
    Integrity = 2,
    /// Stored data is damaged.
    Corruption = 3,
    /// The server failed.
    Internal = 4,
    /// The caller is not let in.
    Authentication = 5,
    /// The request makes no sense.
    InvalidArgument = 6,
}
