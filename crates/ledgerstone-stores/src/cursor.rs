//! A reading in progress: what is still to come of a selection, and what becomes of each candidate.

use ledgerstone_core::{
    Direction, Frame, Heads, Hole, LogKind, Position, RecordedEvent, Removal, Selection, Timestamp,
};

/// How many events a frame holds at most.
pub(crate) const FRAME_EVENTS: usize = if cfg!(test) { 16 } else { 1024 };
/// How many bytes of events a frame holds at most, unless one event has more.
pub(crate) const FRAME_BYTES: usize = 1024 * 1024;

/// Where a reading of a selection stands.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    pub(crate) selection: Selection,
    /// The lowest position that may still come.
    pub(crate) low: u64,
    /// The highest position that may still come.
    pub(crate) high: u64,
    /// How many more events are wanted.
    left: u64,
    /// Where the reading will have got to when everything was looked at.
    end: Position,
    /// When the reading began: what is too old then is not read.
    now: Timestamp,
    /// What is removed of the one stream that is read.
    removal: Option<Removal>,
}

impl Cursor {
    /// Begins a reading that ends at the heads given.
    pub(crate) fn new(selection: Selection, heads: Heads, now: Timestamp) -> Self {
        let head = heads.of(selection.log);
        let high = selection.up_to.map_or(head, |last| last.min(head));
        let low = selection.after.next();
        let end = match selection.direction {
            Direction::Forwards => high.max(selection.after),
            Direction::Backwards => low,
        };
        let left = selection.limit.unwrap_or(u64::MAX);
        Self { low: low.0, high: high.0, left, end, selection, now, removal: None }
    }

    /// Goes by what was removed of the one stream that is read before its heads were looked up, however much that
    /// becomes meanwhile: the event by which an older one is removed may stand behind those heads.
    pub(crate) fn with_removal(self, removal: Option<Removal>) -> Self {
        Self { removal, ..self }
    }

    /// Returns what is removed of the one stream that is read, if it is one.
    pub(crate) fn removal(&self) -> Option<Removal> {
        self.removal
    }

    /// Returns how many more events are wanted.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Tells whether nothing more can come.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0 || self.low > self.high
    }

    pub(crate) fn forwards(&self) -> bool {
        self.selection.direction == Direction::Forwards
    }

    /// Narrows what may still come to these positions, both included.
    pub(crate) fn narrow(&mut self, low: u64, high: u64) {
        self.low = self.low.max(low);
        self.high = self.high.min(high);
    }

    /// Tells whether holes are reported: of the whole log and of one stream.
    pub(crate) fn reports_holes(&self) -> bool {
        self.selection.query.is_all() || self.selection.query.as_stream().is_some()
    }

    /// Takes the next candidate, in the order of the reading, into the frame if it is selected.
    pub(crate) fn offer(&mut self, frame: &mut Frame, event: RecordedEvent, removal: Removal) {
        let position = event.position();
        if self.selection.matches(&event) {
            if is_removed(&event, self.removal.unwrap_or(removal), self.now) {
                self.hole(frame, position);
            } else {
                frame.events.push(event);
                self.left -= 1;
            }
        }
        self.passed(position.0);
    }

    /// Reports a removed event that the selection covers.
    pub(crate) fn hole(&self, frame: &mut Frame, at: Position) {
        if !self.reports_holes() {
            return;
        }
        match frame.holes.last_mut() {
            Some(hole) if hole.to.next() == at => hole.to = at,
            Some(hole) if at.next() == hole.from => hole.from = at,
            _ => frame.holes.push(Hole { from: at, to: at }),
        }
    }

    /// Notes that everything up to this position (or down to it) has been looked at.
    pub(crate) fn passed(&mut self, position: u64) {
        match self.selection.direction {
            Direction::Forwards => self.low = self.low.max(position.saturating_add(1)),
            Direction::Backwards => self.high = self.high.min(position.saturating_sub(1)),
        }
    }

    /// Notes that everything has been looked at.
    pub(crate) fn exhausted(&mut self) {
        match self.selection.direction {
            Direction::Forwards => self.low = self.high.saturating_add(1),
            Direction::Backwards => self.high = self.low.saturating_sub(1),
        }
    }

    /// Says in the frame how far the reading has got.
    pub(crate) fn finish(&self, frame: &mut Frame) {
        let stopped_early = self.low <= self.high || self.left == 0;
        frame.read_to = match (stopped_early, self.selection.direction) {
            (false, _) => self.end,
            (true, Direction::Forwards) => Position(self.low.saturating_sub(1)),
            (true, Direction::Backwards) => Position(self.high.saturating_add(1)),
        };
    }
}

/// Tells whether an event was removed; system events never are. What was reclaimed stays removed, whatever is said
/// of its stream later.
pub(crate) fn is_removed(event: &RecordedEvent, removal: Removal, now: Timestamp) -> bool {
    let covers = |revision| removal.covers(revision, event.recorded_at(), now);
    event.is_stub()
        || removal != Removal::default()
            && event.log() == LogKind::Application
            && event.revision().is_some_and(covers)
}
