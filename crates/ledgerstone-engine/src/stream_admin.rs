//! The removal of events: truncating and deleting streams, where that is safe.

use futures_util::TryStreamExt;

use ledgerstone_core::{
    Append, Appended, Batch, Code, ErrorKind, EventData, EventStoreError, ExpectedRevision, LogKind, Removal,
    Revision, Selection, StreamId, StreamState, TRANSIENT,
};
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::repository::first_of;

/// Truncates and deletes streams.
///
/// What is removed is not read any more from the moment on, and comes back never. Revisions and
/// positions do not go back.
#[derive(Debug, Clone)]
pub struct StreamAdmin {
    ledger: Ledger,
    event_id: Option<Uuid>,
}

/// A stream as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamStatus {
    /// The newest event that can still be read, or that a truncation proves to have been there; of a
    /// deleted stream nothing is known.
    pub state: StreamState,
    /// What has been removed.
    pub removal: Removal,
    /// Whether it may be truncated anywhere.
    pub transient: bool,
}

/// Why a stream was not truncated or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamAdminError {
    /// Its state would be lost.
    #[error("stream {stream} may not be truncated before revision {before}: {reason}")]
    Refused {
        /// Which stream.
        stream: StreamId,
        /// Before which revision.
        before: Revision,
        /// Why, and what to do.
        reason: String,
    },
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
            Self::Refused { .. } => ErrorKind::Invalid,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Store(error) => error.kind(),
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { .. } => Code::TruncationRefused,
            Self::NotFound(_) => Code::NotFound,
            Self::Store(error) => error.code(),
        }
    }
}

impl StreamAdmin {
    /// Takes an event store, or a [`Ledger`] that others share.
    pub fn new(ledger: impl Into<Ledger>) -> Self {
        Self { ledger: ledger.into(), event_id: None }
    }

    /// Gives the event of the one removal that follows this id, by which whoever asked for it finds it again.
    #[must_use]
    pub fn with_event_id(mut self, id: Uuid) -> Self {
        self.event_id = Some(id);
        self
    }

    /// Returns how a stream stands.
    pub async fn state_of(&self, stream: &StreamId) -> Result<StreamStatus, EventStoreError> {
        let system = Selection::stream(stream.clone()).log(LogKind::System);
        let (mut removal, mut transient) = (Removal::default(), false);
        let mut frames = self.ledger.store.read(system);
        while let Some(frame) = frames.try_next().await? {
            for event in &frame.events {
                removal = removal.after(event.event_type(), event.payload());
                transient |= event.event_type() == TRANSIENT;
            }
        }
        let newest = first_of(&self.ledger, Selection::stream(stream.clone()).backwards().limit(1)).await?;
        let removed = removal.before.0.checked_sub(1).map(Revision);
        let newest = newest.and_then(|event| event.revision()).or(removed);
        Ok(StreamStatus { state: newest.map_or(StreamState::Missing, StreamState::At), removal, transient })
    }

    /// Removes every event below revision `before`, and answers `None` if they were removed already.
    ///
    /// The event at `before` must carry the stream's whole state, unless the stream was declared
    /// transient; else the answer is [`StreamAdminError::Refused`].
    pub async fn truncate(
        &self,
        stream: &StreamId,
        before: Revision,
    ) -> Result<Option<Appended>, StreamAdminError> {
        let status = self.state_of(stream).await?;
        if status.removal.tombstoned || before <= status.removal.before {
            return Ok(None);
        }
        let refused = |reason: &str| StreamAdminError::Refused {
            stream: stream.clone(),
            before,
            reason: reason.to_owned(),
        };
        if status.state == StreamState::Missing {
            return Err(StreamAdminError::NotFound(stream.clone()));
        }
        if before > status.state.next_revision() {
            return Err(refused(&format!("it stands at {}", status.state)));
        }
        if !status.transient && !self.carries_state(stream, before).await? {
            return Err(refused(
                "the event there does not carry the stream's whole state; append one that does and truncate \
                 before it, or declare the stream transient",
            ));
        }
        self.append(stream, Removal::truncation(self.next_id(), before)).await.map(Some)
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
        self.append(stream, Removal::tombstone(self.next_id())).await.map(Some)
    }

    /// Lets a stream be truncated anywhere from now on, and answers `None` if it may already.
    ///
    /// The stream need not have events yet.
    pub async fn declare_transient(&self, stream: &StreamId) -> Result<Option<Appended>, StreamAdminError> {
        if self.state_of(stream).await?.transient {
            return Ok(None);
        }
        self.append(stream, Removal::transient(self.next_id())).await.map(Some)
    }

    async fn carries_state(&self, stream: &StreamId, at: Revision) -> Result<bool, EventStoreError> {
        let event = Selection::stream(stream.clone()).from_revision(at).to_revision(at);
        Ok(first_of(&self.ledger, event).await?.is_some_and(|event| event.carries_state()))
    }

    fn next_id(&self) -> Uuid {
        self.event_id.unwrap_or_else(|| self.ledger.next_id())
    }

    async fn append(&self, stream: &StreamId, event: EventData) -> Result<Appended, StreamAdminError> {
        let append = Append::to(stream.clone(), ExpectedRevision::Any, vec![event]);
        Ok(self.ledger.append(Batch::of(append)).await?)
    }
}

#[cfg(test)]
#[path = "stream_admin_tests.rs"]
mod tests;
