//! Restoring: recorded events written back as they were, below every judgement over batches.

use ledgerstone_core::{BackendError, Heads, LogIdentity, RecordedEvent};

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
