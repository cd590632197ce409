//! Restoring: recorded events written back as they were, below every judgement over batches.

use ledgerstone_core::{BackendError, RecordedEvent};

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

    /// Says that every event was put, so that the store can be opened; it blocks.
    fn complete(&mut self) -> Result<(), BackendError>;

    /// Gives the store free.
    fn finish(self: Box<Self>);
}
