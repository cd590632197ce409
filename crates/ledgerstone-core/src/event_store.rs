//! The event store port: append facts, read them back in order.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use crate::batch::{Appended, Batch, InvalidBatch, Limits, Refusal};
use crate::code::Code;
use crate::error::{BackendError, ErrorKind};
use crate::mark::Mark;
use crate::position::{Heads, LogIdentity};
use crate::selection::{Frame, Selection};
use crate::tenant::TenantScope;
use crate::text::InvalidName;

/// Keeps the events of every stream, in order, for good.
///
/// An adapter makes these promises, and the conformance suite holds it to each:
///
/// 1. *All or nothing.* [`append`](Self::append) records the whole batch, events and marks, or none of
///    it; a refused batch leaves no trace and does not fail the batches beside it.
/// 2. *Guarded.* An append whose expected revision does not hold is refused.
/// 3. *Conditional.* A batch is refused if events of its tenant that match its condition stand after
///    the condition's position, those of batches committed a moment before included; and if that position
///    is beyond the head, where it would hold by mistake.
/// 4. *Repeatable.* The same batch appended again is recorded once, and both calls answer alike; so a
///    caller that heard no answer asks again. An id that belongs to another batch is refused. A batch
///    without events has no ids to be known by: its caller reads the marks to find out.
/// 5. *Gapless.* Positions count the events of the log from 1, revisions those of a stream from 0, in
///    commit order; no number is skipped or used twice. Application and system events count apart.
/// 6. *Settled.* A reader sees only what is durable, and one that has passed a position never meets a
///    smaller one later; so a checkpoint at that position misses nothing.
/// 7. *Faithful.* An event comes back as it was appended: payload byte for byte, every field.
/// 8. *Selective.* [`read`](Self::read) yields exactly what the selection says, in its order, in either
///    direction; `read_to` moves on even where nothing matches, up to the head found at the beginning.
/// 9. *Awake.* [`changes`](Self::changes) yields the heads at once, and again after a head has moved.
/// 10. *Removed is gone.* Events that a truncation, a tombstone or the retention of their stream covers are
///     not read, and are reported as holes; conditions do not see them, except by a unique tag, which holds
///     its value until it is released. A stream is truncated only behind an event that carries its state, or
///     if it was declared transient; only a transient one has a retention. Heads and revisions never go back,
///     and a tombstoned stream takes no more events.
/// 11. *Marked.* Marks change only as the batch says, with it or not at all; they take no position. The
///     version of a mark never comes back, not even after the mark went away and was made anew.
/// 12. *Apart.* One tenant's streams, tags, ids of streams and marks are never another's.
/// 13. *Bounded.* What is above [`Capabilities::limits`] is refused before anything is written.
/// 14. *Timed.* `recorded_at` never falls along positions, and a span of it is read as such.
/// 15. *Durable.* If it says so, what was acknowledged is there after the store was opened again.
///
/// The trait is object-safe and knows no event type: a payload is bytes. Typed events, upcasting and
/// retries stand above it, in the engine and in the wrappers.
#[doc(alias = "IEventStore")]
#[async_trait]
pub trait EventStore: Debug + Send + Sync + 'static {
    /// Returns what this store can do beyond the promises, and its limits.
    fn capabilities(&self) -> Capabilities;

    /// Appends a batch; when it answers, the batch is durable (if the store is).
    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError>;

    /// Reads a selection, frame by frame.
    fn read(&self, selection: Selection) -> Frames;

    /// Returns the log's identity and the newest durable position of each count.
    async fn head(&self) -> Result<LogHead, EventStoreError>;

    /// Yields the heads now, and again whenever one has moved; what moves meanwhile is told once.
    fn changes(&self) -> BoxStream<'static, Heads>;

    /// Returns the marks whose names begin with `prefix`, by tenant and name, those that expired left out.
    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError>;
}

/// Frames as they are read.
pub type Frames = BoxStream<'static, Result<Frame, EventStoreError>>;

/// A log and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogHead {
    /// Which log.
    pub log: LogIdentity,
    /// The newest position of each count.
    pub heads: Heads,
}

/// What an event store can do beyond its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The name of the technology: the scheme of its locator.
    pub backend: &'static str,
    /// Whether what is acknowledged outlives the process and the machine's power.
    pub durable: bool,
    /// Whether a selection may cover every tenant.
    pub all_tenants: bool,
    /// How far back ids of unguarded appends are known.
    pub idempotence_window: IdempotenceWindow,
    /// The sizes up to which it takes batches.
    pub limits: Limits,
}

/// How far back a store knows the ids of unguarded appends: the wider of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdempotenceWindow {
    /// All of them.
    WholeLog,
    /// The newest ones.
    Recent {
        /// So many events.
        events: u64,
        /// So long.
        age: Duration,
    },
}

/// Why an event store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventStoreError {
    /// The batch cannot be appended to any store.
    #[error(transparent)]
    InvalidBatch(#[from] InvalidBatch),
    /// The selection makes no sense.
    #[error(transparent)]
    InvalidSelection(#[from] InvalidName),
    /// The batch was refused and left no trace.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A sync or a connection failed after the bytes had left: append the same batch again to find out.
    ///
    /// A batch without events has no ids, and is not recognised: read its marks to find out, since a change
    /// that was made is refused the second time.
    #[error(
        "nobody knows whether the batch was recorded; append it again with the same ids, \
         or read its marks if it has no events: {0}"
    )]
    Indeterminate(#[source] BackendError),
    /// What lies beneath the port failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl EventStoreError {
    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidBatch(_) | Self::InvalidSelection(_) => ErrorKind::Invalid,
            Self::Refused(_) => ErrorKind::Conflict,
            Self::Indeterminate(_) => ErrorKind::Unavailable,
            Self::Backend(error) => error.kind(),
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidBatch(InvalidBatch::TooLarge { .. }) => Code::TooLarge,
            Self::InvalidBatch(_) | Self::InvalidSelection(_) => Code::InvalidInput,
            Self::Refused(Refusal::WrongRevision { .. }) => Code::WrongRevision,
            Self::Refused(Refusal::ConditionFailed { .. }) => Code::ConditionFailed,
            Self::Refused(Refusal::BeyondHead { .. }) => Code::ForeignPosition,
            Self::Refused(Refusal::IdReused { .. }) => Code::IdReused,
            Self::Refused(Refusal::Tombstoned { .. }) => Code::Tombstoned,
            Self::Refused(Refusal::NotRemovable { .. }) => Code::TruncationRefused,
            Self::Refused(Refusal::MarkNotMet { .. }) => Code::MarkNotMet,
            Self::Indeterminate(_) => Code::Indeterminate,
            Self::Backend(error) => error.code(),
        }
    }

    /// Tells whether appending the same batch again helps: what is [`Indeterminate`](Self::Indeterminate)
    /// only if the batch has events, by whose ids it is known.
    pub fn may_append_again(&self, batch: &Batch) -> bool {
        match self {
            Self::Indeterminate(_) => batch.events().next().is_some(),
            other => other.is_retryable(),
        }
    }

    /// Tells whether the same call may succeed if it is simply made again.
    ///
    /// Of an append, [`may_append_again`](Self::may_append_again) knows more.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Indeterminate(_) => true,
            other => other.kind().is_retryable(),
        }
    }
}
