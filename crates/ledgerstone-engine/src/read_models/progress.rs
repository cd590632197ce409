//! How far a projector has come, as it is told after each batch.

use ledgerstone_core::Position;
use serde::Serialize;

/// How far a projector has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Progress {
    /// Up to where everything is settled.
    pub position: Position,
    /// The head that it found when it began.
    pub head: Position,
    /// How many events it has read in this run.
    pub events: u64,
    /// How many documents it has written in this run, each batch counted for itself.
    pub documents: u64,
    /// How many keys are parked.
    pub parked: u64,
}

impl Progress {
    /// Moves on by one batch.
    pub(crate) fn advance(
        &mut self,
        position: Position,
        head: Position,
        events: usize,
        documents: u64,
        parked: usize,
    ) {
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.position = position;
        self.head = head;
        self.events += wide(events);
        self.documents += documents;
        self.parked = wide(parked);
    }
}
