//! A loaded aggregate: its state, where its stream stands, and how it is brought up to date.

use futures_util::StreamExt;
use uuid::Uuid;

use ledgerstone_core::{
    Aggregate, ExpectedRevision, RecordedEvent, Revision, Selection, StreamId, StreamState, TimeRange,
    Timestamp,
};

use crate::ledger::Ledger;
use crate::repository_error::RepositoryError;

/// An aggregate as its events tell it.
#[derive(Debug, Clone)]
pub struct Loaded<A> {
    /// Its stream.
    pub stream: StreamId,
    /// Its state: the default if nothing happened yet.
    pub state: A,
    /// Where its stream stands, events that were removed included.
    pub revision: StreamState,
    /// The newest event behind the state.
    pub newest: Option<Newest>,
}

/// The newest event behind a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// Its id.
    pub id: Uuid,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

/// The end up to which events are folded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) to_revision: Option<Revision>,
    pub(crate) recorded: TimeRange,
    pub(crate) occurred: TimeRange,
}

impl<A: Aggregate> Loaded<A> {
    pub(crate) fn nothing(stream: StreamId) -> Self {
        Self { stream, state: A::default(), revision: StreamState::Missing, newest: None }
    }

    /// Tells whether any event stands behind its state; of a stream whose events were all removed none does.
    pub fn exists(&self) -> bool {
        self.newest.is_some()
    }

    /// Returns the guard under which a decision from this state is appended.
    pub fn expected(&self) -> ExpectedRevision {
        match self.revision {
            StreamState::Missing => ExpectedRevision::NoStream,
            StreamState::At(revision) => ExpectedRevision::At(revision),
        }
    }

    /// Evolves by the events that follow.
    ///
    /// A failure on the way that may be repeated is: from where it had come. Where nothing is left to
    /// read because all events were removed, their truncation tells where the stream stands.
    pub(crate) async fn advance(
        &mut self,
        ledger: &Ledger,
        bounds: Bounds,
    ) -> Result<(), RepositoryError<A::Refusal>> {
        let met_removed = self.fold_on(ledger, bounds).await?;
        // The holes that the store tells of spare a stream that is merely new the second look.
        if met_removed && self.revision == StreamState::Missing && bounds == Bounds::default() {
            let removal = ledger.admin().state_of(&self.stream).await?.removal;
            let newest = removal.before.0.checked_sub(1).map(Revision);
            self.revision = newest.map_or(StreamState::Missing, StreamState::At);
        }
        Ok(())
    }

    /// Evolves by the events that follow, and tells whether there were removed ones among them.
    async fn fold_on(
        &mut self,
        ledger: &Ledger,
        bounds: Bounds,
    ) -> Result<bool, RepositoryError<A::Refusal>> {
        let (mut met_removed, mut attempt) = (false, 1);
        'again: loop {
            let mut selection =
                Selection::stream(self.stream.clone()).from_revision(self.revision.next_revision());
            selection.to_revision = bounds.to_revision;
            selection.recorded = bounds.recorded;
            selection.occurred = bounds.occurred;
            let mut frames = ledger.store.read(selection);
            while let Some(frame) = frames.next().await {
                let frame = match frame {
                    Ok(frame) => frame,
                    Err(error) if ledger.waits_after(&error, attempt).await => {
                        attempt += 1;
                        continue 'again;
                    }
                    Err(error) => return Err(error.into()),
                };
                met_removed |= !frame.holes.is_empty();
                for event in &frame.events {
                    self.fold(ledger, event)?;
                }
            }
            return Ok(met_removed);
        }
    }

    fn fold(&mut self, ledger: &Ledger, event: &RecordedEvent) -> Result<(), RepositoryError<A::Refusal>> {
        let decoded = ledger.codec.decode::<A::Event>(event);
        let decoded =
            decoded.map_err(|error| RepositoryError::Codec { stream: self.stream.clone(), error })?;
        self.state.evolve(&decoded);
        self.revision = event.revision().map_or(self.revision, StreamState::At);
        self.newest = Some(Newest { id: event.id(), recorded_at: event.recorded_at() });
        Ok(())
    }

    /// Catches up after a refused append that found the stream at `actual`.
    ///
    /// Where nothing is left to read because the events in between were removed, the store's word
    /// stands. Removal alone explains it: what is merely not readable yet must not be skipped.
    pub(crate) async fn catch_up(
        &mut self,
        ledger: &Ledger,
        actual: StreamState,
    ) -> Result<(), RepositoryError<A::Refusal>> {
        self.advance(ledger, Bounds::default()).await?;
        if self.revision.next_revision() < actual.next_revision() {
            let status = ledger.admin().state_of(&self.stream).await?;
            if status.removal.before >= actual.next_revision() {
                self.revision = actual;
                self.newest = None;
            }
        }
        Ok(())
    }
}
