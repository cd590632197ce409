//! Filling memory with what the frames of a segment that grows say.

use ledgerstone_core::{Heads, RecordedEvent, Tenant, Timestamp};

use crate::failure::LogError;
use crate::frame::{Frame, FrameKind};
use crate::indexing::Indexing;
use crate::places::Places;
use crate::segment::{TOO_FAR, checksum_place, later, place_of};
use crate::state::State;
use crate::tail::Tail;
use crate::terms::TermHasher;

/// What the frames of a segment that grows are read into.
pub(crate) struct Filling<'a> {
    pub(crate) tail: &'a mut Tail,
    pub(crate) places: &'a mut Places,
    pub(crate) state: &'a mut State,
    pub(crate) heads: &'a mut Heads,
    pub(crate) recorded_at: &'a mut Timestamp,
}

impl Filling<'_> {
    /// Takes the next frame, which begins at a place of a file.
    pub(crate) fn take(
        &mut self,
        hasher: TermHasher,
        (name, at): (&str, u64),
        frame: &Frame<'_>,
    ) -> Result<(), LogError> {
        let wrong = |why: &str| LogError::damaged(name, at, why);
        take_state(self.state, frame).ok_or_else(|| wrong("its marks are unsound"))?;
        let (mut indexing, mut tenant) = (Indexing { hasher, terms: Vec::new() }, None);
        for (at, record) in frame.records() {
            let (log, position) = place_of(record);
            if position <= self.heads.of(log) {
                return Err(wrong("a position does not rise"));
            }
            self.heads.set(log, position);
            if !self.places.push(log, position, checksum_place(at)) {
                return Err(wrong(TOO_FAR));
            }
            let event = RecordedEvent::trusted(bytes::Bytes::copy_from_slice(record));
            take_tenant(self.state, &mut tenant, &event).ok_or_else(|| wrong("an event is nobody's"))?;
            *self.recorded_at = event.recorded_at().max(*self.recorded_at);
            indexing.add(&event, self.tail);
        }
        *self.heads = later(*self.heads, frame.header.heads);
        Ok(())
    }
}

fn take_state(state: &mut State, frame: &Frame<'_>) -> Option<()> {
    match frame.header.kind {
        FrameKind::TakenOver => state.take_part(frame.marks()),
        FrameKind::Batch => state.take_changes(frame.marks()),
    }
}

/// Notes whose an event is; nothing if that cannot be anybody.
fn take_tenant(state: &mut State, last: &mut Option<Tenant>, event: &RecordedEvent) -> Option<()> {
    if last.as_ref().map(Tenant::as_str) != Some(event.tenant()) {
        let tenant = Tenant::new(event.tenant()).ok()?;
        state.add_tenant(&tenant);
        *last = Some(tenant);
    }
    Some(())
}
