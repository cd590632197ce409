//! The unit of work: what several aggregates do, committed as one batch or not at all.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use ledgerstone_core::{
    Aggregate, Append, AppendCondition, Appended, BackendError, ErrorKind, EventStoreError, MarkChange,
    StreamId, StreamState,
};

use crate::context::Context;
use crate::ledger::Ledger;
use crate::repository::Repository;
use crate::repository_error::RepositoryError;
use crate::stage::Stage;

/// Stages what several aggregates do, and commits it as one [`Batch`](ledgerstone_core::Batch).
///
/// A stream that is loaded is read once; later decisions see what was staged before, and all of it
/// is appended under the revision at which it was loaded. Streams that were only read are not guarded.
/// Dropped without [`commit`](Self::commit), it leaves nothing.
///
/// Clones share one stage.
#[doc(alias = "IUnitOfWork")]
#[derive(Debug, Clone)]
pub struct UnitOfWork {
    ledger: Ledger,
    open: Arc<Mutex<Option<Open>>>,
}

#[derive(Debug, Default)]
struct Open {
    stage: Stage,
    savepoints: Vec<(Savepoint, Stage)>,
}

/// A point of a unit of work that it can be rolled back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Savepoint(u64);

/// A savepoint belongs to another unit of work, or was undone, released or committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the savepoint is gone; roll back to one that still stands")]
pub struct SavepointGone;

static NEXT_SAVEPOINT: AtomicU64 = AtomicU64::new(0);

type Error<A> = RepositoryError<<A as Aggregate>::Refusal>;

impl UnitOfWork {
    /// Begins with nothing staged.
    pub fn new(ledger: impl Into<Ledger>) -> Self {
        Self { ledger: ledger.into(), open: Arc::new(Mutex::new(Some(Open::default()))) }
    }

    /// Returns the state of an aggregate, with what is staged for it.
    pub async fn load<A: Aggregate>(&self, repository: &Repository<A>, id: &str) -> Result<A, Error<A>> {
        let stream = self.track(repository, id).await?;
        self.with(|open| Ok(open.stage.tracked::<A>(&stream)?.1.state.clone()))
    }

    /// Decides on a command by an aggregate's staged state, stages what it leads to, and returns the
    /// state afterwards.
    pub async fn handle<A: Aggregate>(
        &self,
        repository: &Repository<A>,
        id: &str,
        command: A::Command,
        context: &Context,
    ) -> Result<A, Error<A>> {
        let stream = self.track(repository, id).await?;
        self.with(|open| {
            let events = open.stage.tracked::<A>(&stream)?.1.state.decide(command);
            let events = events.map_err(RepositoryError::Refused)?;
            self.stage_events(open, &stream, &events, context)
        })
    }

    /// Stages events that were decided elsewhere, and returns the state afterwards.
    pub async fn stage<A: Aggregate>(
        &self,
        repository: &Repository<A>,
        id: &str,
        events: &[A::Event],
        context: &Context,
    ) -> Result<A, Error<A>> {
        let stream = self.track(repository, id).await?;
        self.with(|open| self.stage_events(open, &stream, events, context))
    }

    /// Stages events as they are, for a stream that is not loaded as an aggregate, or for none.
    ///
    /// A second append to a stream is merged into the first; its guard must hold behind the first.
    pub fn append(&self, append: Append) -> Result<(), EventStoreError> {
        self.with(|open| open.stage.append(append))
    }

    /// Commits only if this condition holds too; there is one at most, and the last one counts.
    pub fn require(&self, condition: AppendCondition) -> Result<(), EventStoreError> {
        self.with(|open| {
            open.stage.condition = Some(condition);
            Ok(())
        })
    }

    /// Changes a mark in the same commit.
    pub fn mark(&self, change: MarkChange) -> Result<(), EventStoreError> {
        self.with(|open| {
            open.stage.marks.push(change);
            Ok(())
        })
    }

    /// Tells whether a commit would change nothing.
    pub fn is_empty(&self) -> bool {
        self.open.lock().as_ref().is_none_or(|open| open.stage.is_empty())
    }

    /// Remembers what is staged now.
    pub fn savepoint(&self) -> Savepoint {
        let savepoint = Savepoint(NEXT_SAVEPOINT.fetch_add(1, Ordering::Relaxed));
        if let Some(open) = self.open.lock().as_mut() {
            open.savepoints.push((savepoint, open.stage.clone()));
        }
        savepoint
    }

    /// Forgets what was staged since; the savepoint still stands, later ones are gone.
    pub fn rollback_to(&self, savepoint: Savepoint) -> Result<(), SavepointGone> {
        let mut open = self.open.lock();
        let open = open.as_mut().ok_or(SavepointGone)?;
        let index = open.index_of(savepoint)?;
        open.savepoints.truncate(index + 1);
        if let Some((_, stage)) = open.savepoints.last() {
            open.stage = stage.clone();
        }
        Ok(())
    }

    /// Gives up a savepoint and later ones, and keeps what was staged since.
    pub fn release(&self, savepoint: Savepoint) -> Result<(), SavepointGone> {
        let mut open = self.open.lock();
        let open = open.as_mut().ok_or(SavepointGone)?;
        let index = open.index_of(savepoint)?;
        open.savepoints.truncate(index);
        Ok(())
    }

    /// Runs a part of the work: if it fails, what was staged meanwhile is forgotten.
    pub async fn nested<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let savepoint = self.savepoint();
        let result = work.await;
        // The work may itself have rolled back past this savepoint; then there is nothing left to undo.
        let _ = match &result {
            Ok(_) => self.release(savepoint),
            Err(_) => self.rollback_to(savepoint).and_then(|()| self.release(savepoint)),
        };
        result
    }

    /// Commits everything as one batch; nothing staged commits nothing and answers `None`.
    ///
    /// A refused commit leaves no trace. One whose fate is unknown is repeated with the same ids.
    /// Either way the unit of work is over, and what is asked of its clones fails.
    pub async fn commit(self) -> Result<Option<Appended>, EventStoreError> {
        let Some(Open { stage, .. }) = self.open.lock().take() else { return Err(self.over()) };
        if stage.is_empty() {
            return Ok(None);
        }
        self.ledger.append(stage.into_batch()).await.map(Some)
    }

    /// Loads an aggregate unless it is loaded, and returns its stream.
    async fn track<A: Aggregate>(&self, repository: &Repository<A>, id: &str) -> Result<StreamId, Error<A>> {
        let own: *const () = Arc::as_ptr(&self.ledger.store).cast();
        if own != Arc::as_ptr(&repository.ledger().store).cast() {
            let message = "the repository reads another event store; make both from one Ledger";
            return Err(self.misuse(message).into());
        }
        let stream = repository.stream(id)?;
        if !self.with::<_, EventStoreError>(|open| Ok(open.stage.holds(&stream)))? {
            let loaded = repository.load(id).await?;
            self.with::<_, EventStoreError>(|open| {
                open.stage.track(loaded);
                Ok(())
            })?;
        }
        Ok(stream)
    }

    fn stage_events<A: Aggregate>(
        &self,
        open: &mut Open,
        stream: &StreamId,
        events: &[A::Event],
        context: &Context,
    ) -> Result<A, Error<A>> {
        let (staged, loaded) = open.stage.tracked::<A>(stream)?;
        let encoded = self.ledger.encode::<A>(events, context);
        staged.extend(encoded.map_err(|error| RepositoryError::Codec { stream: stream.clone(), error })?);
        for event in events {
            loaded.state.evolve(event);
            loaded.revision = StreamState::At(loaded.revision.next_revision());
        }
        Ok(loaded.state.clone())
    }

    fn with<T, E: From<EventStoreError>>(
        &self,
        work: impl FnOnce(&mut Open) -> Result<T, E>,
    ) -> Result<T, E> {
        match self.open.lock().as_mut() {
            Some(open) => work(open),
            None => Err(self.over().into()),
        }
    }

    fn over(&self) -> EventStoreError {
        self.misuse("the unit of work was committed already; begin another")
    }

    fn misuse(&self, message: &str) -> EventStoreError {
        let backend = self.ledger.store.capabilities().backend;
        BackendError::new(ErrorKind::Misconfigured, backend, "unit of work", message).into()
    }
}

impl Open {
    fn index_of(&self, savepoint: Savepoint) -> Result<usize, SavepointGone> {
        self.savepoints.iter().position(|(own, _)| *own == savepoint).ok_or(SavepointGone)
    }
}

#[cfg(test)]
#[path = "unit_of_work_tests.rs"]
mod tests;
