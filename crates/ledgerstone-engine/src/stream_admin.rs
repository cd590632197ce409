//! The removal of events: truncating and deleting streams, where that is safe.

use futures_util::TryStreamExt;

use ledgerstone_core::{
    Append, Appended, Batch, Code, ErrorKind, EventData, EventStoreError, ExpectedRevision, LogKind, Refusal,
    Removal, Retention, Revision, Selection, StreamId, StreamState,
};

use crate::ledger::Ledger;
use crate::repository::first_of;

/// Truncates and deletes streams.
///
/// What is removed is not read any more from the moment on, and comes back never. Revisions and
/// positions do not go back.
#[derive(Debug, Clone)]
pub struct StreamAdmin {
    ledger: Ledger,
    declares: bool,
}

/// A stream as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamStatus {
    /// The newest event that can still be read, or that a truncation proves to have been there; of a
    /// deleted stream nothing is known.
    pub state: StreamState,
    /// What has been removed, and what may be.
    pub removal: Removal,
}

/// Why a stream was not truncated or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamAdminError {
    /// There is no such stream.
    #[error("there is no stream {0}; check its name")]
    NotFound(StreamId),
    /// The event store failed or refused.
    #[error(transparent)]
    Store(#[from] EventStoreError),
}

impl StreamAdminError {
    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Store(error) => error.kind(),
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Store(error) => error.code(),
        }
    }
}

impl StreamAdmin {
    /// Takes an event store, or a [`Ledger`] that others share.
    pub fn new(ledger: impl Into<Ledger>) -> Self {
        Self { ledger: ledger.into(), declares: false }
    }

    /// Declares a stream transient in the very append that truncates it or says how much of it is kept, so that
    /// either both are done or none.
    #[must_use]
    pub fn declaring_transient(self) -> Self {
        Self { declares: true, ..self }
    }

    /// Returns how a stream stands.
    pub async fn state_of(&self, stream: &StreamId) -> Result<StreamStatus, EventStoreError> {
        let system = Selection::stream(stream.clone()).log(LogKind::System);
        let mut removal = Removal::default();
        let mut frames = self.ledger.store.read(system);
        while let Some(frame) = frames.try_next().await? {
            for event in &frame.events {
                removal = removal.after(event.event_type(), event.payload());
            }
        }
        let newest = first_of(&self.ledger, Selection::stream(stream.clone()).backwards().limit(1)).await?;
        let removed = removal.before.0.checked_sub(1).map(Revision);
        removal.newest = newest.and_then(|event| event.revision()).or(removed);
        Ok(StreamStatus { state: removal.newest.map_or(StreamState::Missing, StreamState::At), removal })
    }

    /// Removes every event below revision `before`, and answers `None` if they were removed already.
    ///
    /// The event at `before` must carry the stream's whole state, unless the stream was declared
    /// transient; else the store refuses with
    /// [`Refusal::NotRemovable`](ledgerstone_core::Refusal::NotRemovable).
    pub async fn truncate(
        &self,
        stream: &StreamId,
        before: Revision,
    ) -> Result<Option<Appended>, StreamAdminError> {
        let status = self.state_of(stream).await?;
        if status.removal.tombstoned || before <= status.removal.before {
            return Ok(None);
        }
        if status.state == StreamState::Missing {
            return Err(StreamAdminError::NotFound(stream.clone()));
        }
        let mut events = self.declaration(status.removal);
        events.push(Removal::truncation(self.ledger.next_id(), before));
        self.append(stream, events).await.map(Some)
    }

    /// Deletes a stream for good, and answers `None` if it was deleted already.
    pub async fn tombstone(&self, stream: &StreamId) -> Result<Option<Appended>, StreamAdminError> {
        let status = self.state_of(stream).await?;
        if status.removal.tombstoned {
            return Ok(None);
        }
        // A mistyped name must not be burnt for good.
        if status.state == StreamState::Missing {
            return Err(StreamAdminError::NotFound(stream.clone()));
        }
        self.append(stream, vec![Removal::tombstone(self.ledger.next_id())]).await.map(Some)
    }

    /// Lets a stream be truncated anywhere from now on, and answers `None` if it may already.
    ///
    /// The stream need not have events yet.
    pub async fn declare_transient(&self, stream: &StreamId) -> Result<Option<Appended>, StreamAdminError> {
        if self.state_of(stream).await?.removal.transient {
            return Ok(None);
        }
        self.append(stream, vec![Removal::transient(self.ledger.next_id())]).await.map(Some)
    }

    /// Says how much of a transient stream is kept from now on, and answers `None` if that is so already.
    ///
    /// What the retention so far has removed stays removed. The newest event stays in any case. Where others append
    /// meanwhile, it is tried again a bounded number of times.
    pub async fn retain(
        &self,
        stream: &StreamId,
        retention: Retention,
    ) -> Result<Option<Appended>, StreamAdminError> {
        let mut attempt = 1;
        loop {
            let StreamStatus { state, removal } = self.state_of(stream).await?;
            if state == StreamState::Missing && !removal.transient && !removal.tombstoned && !self.declares {
                return Err(StreamAdminError::NotFound(stream.clone()));
            }
            if removal.retention == retention && removal.transient && !removal.tombstoned {
                return Ok(None);
            }
            let mut events = self.declaration(removal);
            if retention.keeps_more_than(removal.retention) {
                let first = first_of(&self.ledger, Selection::stream(stream.clone()).limit(1)).await?;
                let kept = first.and_then(|event| event.revision()).filter(|first| *first > removal.before);
                events.extend(kept.map(|first| Removal::truncation(self.ledger.next_id(), first)));
            }
            events.push(Removal::retention(self.ledger.next_id(), retention));
            match self.append(stream, events).await {
                Err(error)
                    if is_overtaken(&error, removal) && self.ledger.waits_after_conflict(attempt).await =>
                {
                    attempt += 1;
                }
                answer => return answer.map(Some),
            }
        }
    }

    /// Returns the event that declares a stream transient, where that is wanted and not done yet.
    fn declaration(&self, removal: Removal) -> Vec<EventData> {
        let wanted = self.declares && !removal.transient;
        wanted.then(|| Removal::transient(self.ledger.next_id())).into_iter().collect()
    }

    async fn append(&self, stream: &StreamId, events: Vec<EventData>) -> Result<Appended, StreamAdminError> {
        let append = Append::to(stream.clone(), ExpectedRevision::Any, events);
        Ok(self.ledger.append(Batch::of(append)).await?)
    }
}

/// Tells whether a retention was refused since the stream had lost more meanwhile.
fn is_overtaken(error: &StreamAdminError, removal: Removal) -> bool {
    let refused =
        matches!(error, StreamAdminError::Store(EventStoreError::Refused(Refusal::NotRemovable { .. })));
    refused && removal.transient
}

#[cfg(test)]
#[path = "stream_admin_tests.rs"]
mod tests;
