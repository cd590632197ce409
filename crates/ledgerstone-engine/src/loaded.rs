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
    /// Where its stream stands.
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
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) to_revision: Option<Revision>,
    pub(crate) recorded: TimeRange,
    pub(crate) occurred: TimeRange,
}

impl<A: Aggregate> Loaded<A> {
    pub(crate) fn nothing(stream: StreamId) -> Self {
        Self { stream, state: A::default(), revision: StreamState::Missing, newest: None }
    }

    /// Tells whether anything happened to it.
    pub fn exists(&self) -> bool {
        self.revision != StreamState::Missing
    }

    /// Returns the guard under which a decision from this state is appended.
    pub fn expected(&self) -> ExpectedRevision {
        match self.revision {
            StreamState::Missing => ExpectedRevision::NoStream,
            StreamState::At(revision) => ExpectedRevision::At(revision),
        }
    }

    /// Evolves by the events that follow, and returns how many there were.
    ///
    /// A failure on the way that may be repeated is: from where it had come.
    pub(crate) async fn advance(
        &mut self,
        ledger: &Ledger,
        bounds: Bounds,
    ) -> Result<u64, RepositoryError<A::Refusal>> {
        let (mut folded, mut attempt) = (0, 1);
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
                for event in &frame.events {
                    self.fold(ledger, event)?;
                    folded += 1;
                }
            }
            return Ok(folded);
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
    ) -> Result<u64, RepositoryError<A::Refusal>> {
        let folded = self.advance(ledger, Bounds::default()).await?;
        if self.revision.next_revision() < actual.next_revision() {
            let status = ledger.admin().state_of(&self.stream).await?;
            if status.removal.before >= actual.next_revision() {
                self.revision = actual;
                self.newest = None;
            }
        }
        Ok(folded)
    }
}
