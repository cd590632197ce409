//! The judgement over what a batch removes: that no state is lost, and that nothing comes back.

use ledgerstone_core::{
    EventStoreError, InvalidBatch, InvalidName, LogKind, Refusal, Removal, Removing, Retention, Revision,
    StreamId, StreamState, Timestamp,
};

use crate::decide::{Ledger, proven};
use crate::staged::{Staged, StagedAppend};

/// Returns what is removed of streams after a batch, or why it may not be.
///
/// `states` says where the stream of each append stands before the batch.
pub(crate) fn judge_removals<L: Ledger>(
    ledger: &mut L,
    staged: &Staged,
    states: &[StreamState],
    now: Timestamp,
) -> Result<Vec<(StreamId, Removal)>, EventStoreError> {
    let mut removals = Vec::new();
    for (append, state) in staged.appends.iter().zip(states) {
        let Some(stream) = &append.stream else { continue };
        if !append.removals.is_empty() {
            let judge = Judge::new(ledger, staged, states, stream)?;
            removals.push((stream.clone(), judge.removal_after(append, now)?));
        } else if append.log == LogKind::Application {
            let removal = ledger.removal(staged.tenant.as_str(), stream.as_str());
            let judged_apart = staged.removes_from(stream);
            if removal.keeps_newest() && !judged_apart {
                let newest = last_of(revision_after(*state, append.events.len()));
                removals.push((stream.clone(), Removal { newest, ..removal }));
            }
        }
    }
    Ok(removals)
}

/// Judges what is removed of one stream.
struct Judge<'a, L> {
    ledger: &'a mut L,
    staged: &'a Staged,
    stream: &'a StreamId,
    /// The events that the batch appends to the stream.
    beside: Option<&'a StagedAppend>,
    /// The revision of the first of them.
    first: Revision,
    /// The revision that follows all of them.
    next: Revision,
}

impl<'a, L: Ledger> Judge<'a, L> {
    fn new(
        ledger: &'a mut L,
        staged: &'a Staged,
        states: &[StreamState],
        stream: &'a StreamId,
    ) -> Result<Self, EventStoreError> {
        let beside =
            staged.appends.iter().zip(states).find(|(append, _)| {
                append.log == LogKind::Application && append.stream.as_ref() == Some(stream)
            });
        let (beside, state) = match beside {
            Some((append, state)) => (Some(append), *state),
            None => {
                let stands = ledger.stream_state(LogKind::Application, &staged.tenant, stream)?;
                let removed = ledger.removal(staged.tenant.as_str(), stream.as_str());
                (None, proven(LogKind::Application, stands, removed))
            }
        };
        let next = revision_after(state, beside.map_or(0, |append| append.events.len()));
        Ok(Self { ledger, staged, stream, beside, first: state.next_revision(), next })
    }

    fn removal_after(mut self, append: &StagedAppend, now: Timestamp) -> Result<Removal, EventStoreError> {
        let mut removal = self.ledger.removal(self.staged.tenant.as_str(), self.stream.as_str());
        if removal.tombstoned {
            return Err(Refusal::Tombstoned { stream: self.stream.clone() }.into());
        }
        for removing in &append.removals {
            removal = match *removing {
                Removing::Everything => self.delete(removal)?,
                Removing::Anywhere => Removal { transient: true, ..removal },
                Removing::Below(before) => self.truncate(removal, before)?,
                Removing::Keeping(retention) => self.keep(removal, retention, now)?,
            };
        }
        Ok(Removal { newest: last_of(self.next), ..removal })
    }

    fn delete(&self, removal: Removal) -> Result<Removal, EventStoreError> {
        if self.beside.is_none() {
            return Ok(Removal { tombstoned: true, ..removal });
        }
        let reason = "the same batch appends events to it that nobody could read; append them before, or not";
        let invalid = InvalidName::new("a tombstone", self.stream.as_str(), reason);
        Err(InvalidBatch::from(invalid).into())
    }

    fn truncate(&mut self, removal: Removal, before: Revision) -> Result<Removal, EventStoreError> {
        if before <= removal.before {
            return Ok(removal);
        }
        if before > self.next {
            let next = self.next;
            return Err(self.refused(format!(
                "it would remove what stands before revision {before}, and the next one is {next}"
            )));
        }
        if !removal.transient && !self.carries_state(before)? {
            return Err(self.refused(format!(
                "no event at revision {before} carries the stream's whole state; append one that does and \
                 truncate before it, or declare the stream transient"
            )));
        }
        Ok(Removal { before, ..removal })
    }

    fn keep(
        &mut self,
        removal: Removal,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Removal, EventStoreError> {
        if !removal.transient {
            let reason =
                "only a transient stream has a retention; declare it transient if its older events may go";
            return Err(self.refused(reason.to_owned()));
        }
        if retention.keeps_more_than(removal.retention) && self.brings_back(removal, now)? {
            return Err(self.refused(
                "what the retention so far has removed would come back; truncate the stream before its first \
                 event that can still be read, in the same append and ahead of the new retention"
                    .to_owned(),
            ));
        }
        Ok(Removal { retention, ..removal })
    }

    /// Tells whether anything was removed before this batch by nothing but the retention: then the first event that
    /// no truncation covers was.
    fn brings_back(&mut self, removal: Removal, now: Timestamp) -> Result<bool, EventStoreError> {
        let stood = Removal { newest: last_of(self.first), ..removal };
        if stood.before < stood.floor() {
            return Ok(true);
        }
        let first = self.ledger.event_at(&self.staged.tenant, self.stream, stood.before)?;
        Ok(first.is_some_and(|event| stood.covers(stood.before, event.recorded_at(), now)))
    }

    /// Tells whether the event at a revision carries the state: one of the batch, or one recorded before.
    fn carries_state(&mut self, revision: Revision) -> Result<bool, EventStoreError> {
        let Some(in_batch) = revision.0.checked_sub(self.first.0) else {
            let event = self.ledger.event_at(&self.staged.tenant, self.stream, revision)?;
            return Ok(event.is_some_and(|event| event.carries_state()));
        };
        let events = self.beside.and_then(|append| self.staged.events.get(append.events.clone()));
        let event = events.and_then(|events| events.get(usize::try_from(in_batch).ok()?));
        Ok(event.is_some_and(|event| event.carries_state))
    }

    fn refused(&self, reason: String) -> EventStoreError {
        Refusal::NotRemovable { stream: self.stream.clone(), reason }.into()
    }
}

/// Returns the revision that follows when `events` events were appended at `state`.
fn revision_after(state: StreamState, events: usize) -> Revision {
    Revision(state.next_revision().0.saturating_add(events as u64))
}

/// Returns the revision before the next one.
fn last_of(next: Revision) -> Option<Revision> {
    next.0.checked_sub(1).map(Revision)
}
