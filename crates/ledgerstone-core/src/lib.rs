//! The words and ports of ledgerstone: what an event, a stream, a batch and a document are, and what a
//! store of them promises; without I/O and without a runtime.
//! ```
//! use ledgerstone_core::{Append, Batch, EventData, EventType, ExpectedRevision, StreamId};
//!
//! let opened = EventData::json(uuid::Uuid::now_v7(), EventType::new("AccountOpened")?, r#"{"owner":"Ada"}"#);
//! let batch = Batch::of(Append::to(StreamId::new("account-42")?, ExpectedRevision::NoStream, vec![opened]));
//! assert_eq!(batch.events().count(), 1);
//! # Ok::<(), ledgerstone_core::InvalidName>(())
//! ```

mod aggregate;
mod batch;
mod cache;
mod checked;
mod clock;
mod code;
mod document;
mod document_store;
mod error;
mod event;
mod event_store;
mod filter;
mod http_client;
mod json;
mod locator;
mod mark;
mod metadata;
mod nearest;
mod position;
mod problem;
mod projection;
mod query;
mod rate_limiter;
mod record;
mod removal;
mod retry;
mod selection;
mod stream;
mod tag;
mod tenant;
mod text;
mod timestamp;

pub use aggregate::{Aggregate, DomainEvent, EventSchema};
pub use batch::{Append, AppendCondition, Appended, AppendedRange, Batch, InvalidBatch, Limits, Refusal};
pub use cache::{
    CacheCapabilities, CacheEntry, CacheHit, CacheLease, CachePut, CacheRead, CacheStamp, CacheStore,
    CacheTarget,
};
pub use checked::filter::{CheckedFilter, words_of};
pub use checked::select::{CheckedOrder, CheckedSelect};
pub use clock::{Clock, IdSource, SystemClock, TimeOrderedIds};
pub use document::{
    Body, Collection, CollectionId, CollectionName, CollectionRef, CollectionState, Definition,
    DefinitionHash, Document, DocumentKey, Field, FieldKind, FieldName,
};
pub use document_store::{
    Alteration, CheckpointMove, Commit, DocumentCapabilities, DocumentStore, DocumentStoreError, Page,
    Select, Write,
};
pub use error::{BackendError, ErrorKind};
pub use event::{ContentType, EventData, EventType, SubjectId};
pub use event_store::{Capabilities, EventStore, EventStoreError, Frames, IdempotenceWindow, LogHead};
pub use filter::{Filter, OrderBy};
pub use http_client::{HttpBody, HttpClient, HttpRequest, HttpResponse};
pub use json::batch::{
    AppendJson, AppendedJson, BatchJson, ConditionJson, MarkChangeJson, MarkJson, RangeJson,
};
pub use json::event::{BatchPlace, CountEnd, EventJson, LogEnd};
pub use json::select::{DocumentCapabilitiesJson, DocumentPageJson, KeysJson, SelectJson};
pub use json::selection::{CapabilitiesJson, EventPageJson, LimitsJson, SelectionJson, WindowJson};
pub use mark::{Mark, MarkChange, MarkName, MarkNotMet};
pub use position::{Heads, LogIdentity, LogKind, LogPoint, Position};
pub use projection::{Projection, ProjectionError};
pub use rate_limiter::{RateAlgorithm, RateLimiter, RateOverride, RateRule, RateState, RateVerdict};
pub use record::{EncodedEvent, InvalidRecord, RecordLayout, RecordPlace, RecordedEvent, Stamp};
pub use removal::{RETENTION, Removal, Removing, Retention, TOMBSTONED, TRANSIENT, TRUNCATED};
pub use retry::{Retry, Retryable, Sleeper};
pub use selection::{Direction, Frame, Hole, Selection, TimeRange};
pub use stream::{ExpectedRevision, Revision, StreamId, StreamState, category_of};
pub use tenant::{Tenant, TenantScope};
pub use timestamp::{OffsetTime, Timestamp};
#[doc(hidden)]
pub use {aggregate::schema_version, serde_json};
pub use {
    checked::cursor::PageEnd, checked::field_value::FieldValue, checked::words::words, code::Code,
    json::object::ObjectJson, locator::Locator, metadata::Metadata, nearest::nearest, problem::Problem,
    query::Query, query::QueryItem, tag::Tag, text::InvalidName,
};
