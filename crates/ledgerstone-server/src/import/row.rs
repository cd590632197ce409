//! Rows: what an import reads, valid or not, and the rules that make an event of one.

use ledgerstone::core::{
    Append, Batch, EventData, ExpectedRevision, InvalidBatch, Limits, StreamId, Tenant, TenantScope,
};
use uuid::Uuid;

/// The largest row in bytes: a JSON row of the largest event, with room for escapes.
pub(super) const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// What holds for every row of an import.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// The name of the source.
    pub(super) source: String,
    /// Whose events.
    pub(super) tenant: Tenant,
    /// What to put before each stream, with a `-` between.
    pub(super) category: Option<String>,
    /// The zone of times without an offset.
    pub(super) zone: Option<String>,
    /// What the store takes.
    pub(super) limits: Limits,
}

impl Rules {
    /// Returns the scope of the import's tenant.
    pub(super) fn scope(&self) -> TenantScope {
        TenantScope::One(self.tenant.clone())
    }
}

/// A row as it was read.
#[derive(Debug)]
pub(super) struct Record {
    /// The line that it begins on.
    pub(super) line: u64,
    /// Its bytes, without the line's end.
    pub(super) raw: Vec<u8>,
    /// The row, or why it is none.
    pub(super) row: Result<Row, String>,
}

/// A valid row: an event for a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The stream.
    pub(super) stream: StreamId,
    /// The event; its id is nil until it was derived.
    pub(super) event: EventData,
    /// Where its id comes from.
    pub(super) identity: Identity,
}

/// What an event of an import gets its id from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// From the row.
    Own,
    /// From the row's content in canonical form, and how often that came before.
    Content(Vec<u8>),
}

impl Row {
    /// Checks what holds for every row, and completes the event.
    pub(super) fn new(
        stream: &str,
        mut event: EventData,
        identity: Identity,
        rules: &Rules,
    ) -> Result<Self, String> {
        if stream.is_empty() {
            return Err("stream is missing".to_owned());
        }
        let stream = match &rules.category {
            Some(category) => StreamId::new(format!("{category}-{stream}")),
            None => StreamId::new(stream),
        };
        let stream = stream.map_err(|error| error.to_string())?;
        if stream.is_system() {
            return Err(format!("stream {stream} begins with $, which is reserved for the system"));
        }
        if event.event_type.as_str().starts_with('$') {
            return Err(format!("type {} begins with $, which is reserved for the system", event.event_type));
        }
        event.metadata.source.get_or_insert_with(|| rules.source.clone());
        check(&stream, event, rules.limits).map(|event| Self { stream, event, identity })
    }
}

/// Lets an event pass that could be appended alone.
fn check(stream: &StreamId, event: EventData, limits: Limits) -> Result<EventData, String> {
    let mut batch = Batch::of(Append::to(stream.clone(), ExpectedRevision::Any, vec![event]));
    limits.check(&batch).map_err(|error| match error {
        InvalidBatch::TooLarge { what, given, limit } => {
            format!("{what} of {given} is above the limit of {limit}")
        }
        other => other.to_string(),
    })?;
    let event = batch.appends.pop().and_then(|mut append| append.events.pop());
    event.ok_or_else(|| "the event is missing".to_owned())
}

/// The id of an event whose id is not derived yet.
pub(super) const NO_ID: Uuid = Uuid::nil();
