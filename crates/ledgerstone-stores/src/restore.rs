//! Restoring: recorded events written back as they were, below every judgement over batches.

use ledgerstone_core::{BackendError, Heads, LogIdentity, RecordedEvent};
use uuid::Uuid;

/// Writes recorded events into a log with their own positions, revisions and times.
///
/// The store must not be open otherwise, and opens with the restored events afterwards. Whoever restores
/// sees to it that each count rises and begins where the store stands; marks and documents are left alone.
pub trait Restore: Send {
    /// Writes events in one durable commit, or nothing; it blocks.
    ///
    /// From the first call on until [`complete`](Self::complete) the store cannot be opened, and the next
    /// restore begins by taking the events of this one out again.
    fn put(&mut self, events: &[RecordedEvent]) -> Result<(), BackendError>;

    /// Says that every event was put, so that the store can be opened; returns which log it is now. It blocks.
    ///
    /// The heads stand at `heads` from then on, even where the newest events had been removed and were not
    /// put. The log goes on as `origin`, from which the events were exported, or as itself if that is not
    /// known; either way a new epoch begins, which another restore of the same events hardly shares, and the store
    /// keeps from which epoch and heads.
    fn complete(&mut self, origin: Option<LogIdentity>, heads: Heads) -> Result<LogIdentity, BackendError>;

    /// Gives the store free.
    fn finish(self: Box<Self>);
}

/// Returns the epoch that a restore begins: one that neither the log nor its origin has had.
///
/// Another restore of the same origin must not begin the same one, and cannot be asked: so the epoch rises
/// by one and by what the random end of `id` says.
pub(crate) fn next_epoch(own: LogIdentity, origin: Option<LogIdentity>, id: Uuid) -> LogIdentity {
    let from = origin.unwrap_or(own);
    let newest = if own.id == from.id { own.epoch.max(from.epoch) } else { from.epoch };
    let [.., high, low] = id.into_bytes();
    let further = u32::from(u16::from_be_bytes([high, low]));
    LogIdentity { id: from.id, epoch: newest.saturating_add(1).saturating_add(further) }
}
