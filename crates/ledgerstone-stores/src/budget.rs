//! How much goes into one frame.

use ledgerstone_core::{Frame, RecordedEvent};

use crate::cursor::{Cursor, FRAME_BYTES, FRAME_EVENTS};

/// How many pages are looked through before a frame is handed out in which little matched.
const ROUNDS: usize = if cfg!(test) { 2 } else { 16 };

/// How much more goes into a frame.
#[derive(Debug)]
pub(crate) struct Budget {
    rounds: usize,
    bytes: usize,
    most: usize,
}

impl Budget {
    /// Begins a frame of so many events at most.
    pub(crate) fn of(most: usize) -> Self {
        Self { rounds: 0, bytes: 0, most: most.min(FRAME_EVENTS) }
    }

    /// Notes a page that was looked through, and what was kept of it.
    pub(crate) fn spend(&mut self, kept: &[RecordedEvent]) {
        self.bytes += kept.iter().map(|event| event.as_bytes().len()).sum::<usize>();
        self.rounds += 1;
    }

    /// Tells whether any page was looked through.
    pub(crate) fn is_begun(&self) -> bool {
        self.rounds > 0
    }

    pub(crate) fn goes_on(&self, frame: &Frame) -> bool {
        self.rounds < ROUNDS
            && self.bytes < FRAME_BYTES
            && frame.events.len() < self.most
            && frame.holes.len() < FRAME_EVENTS
    }

    pub(crate) fn bytes_left(&self) -> usize {
        FRAME_BYTES.saturating_sub(self.bytes)
    }

    pub(crate) fn events_left(&self, cursor: &Cursor) -> usize {
        usize::try_from(cursor.left()).unwrap_or(self.most).min(self.most)
    }
}
