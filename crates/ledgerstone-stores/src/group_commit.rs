//! Group commit, written once: concurrent appends become one durable transaction, each with its own verdict.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{
    Appended, BackendError, Batch, Capabilities, ErrorKind, EventStore, EventStoreError, Frames, Heads,
    LogHead, LogIdentity, Mark, Selection, TenantScope,
};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

pub use crate::decide::Verdict;
pub use crate::staged::Staged;
use ledgerstone_log::TermHasher;

/// How many batches wait at most; whoever comes then waits to be let in.
const QUEUED_BATCHES: usize = 1024;
/// How many bytes of events wait at most, counted in KiB.
const QUEUED_KIB: usize = 96 * 1024;
/// How many batches become one transaction at most.
const GROUP_BATCHES: usize = 512;
/// How many bytes of events become one transaction at most, unless one batch has more.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// The writing half of a store: what the author of an adapter writes.
pub trait CommitLog: Debug + Send + 'static {
    /// Returns the newest durable positions.
    fn heads(&self) -> Heads;

    /// Judges batches in order and records those that pass in one durable transaction; one verdict each.
    ///
    /// A batch is judged as if those before it had been recorded. If the transaction fails, nothing of
    /// it may remain; if nobody knows, every verdict is [`EventStoreError::Indeterminate`].
    fn commit(&mut self, batches: &mut [Staged]) -> Vec<Verdict>;

    /// Does what can wait until the callers of a commit have their answers.
    fn answered(&mut self) {}
}

/// The reading half of a store.
#[async_trait]
pub trait ReadLog: Debug + Send + Sync + 'static {
    /// Returns what the store can do, and its limits.
    fn capabilities(&self) -> Capabilities;

    /// Returns which log this is.
    fn identity(&self) -> LogIdentity;

    /// Reads a selection up to `heads`, which are durable.
    fn read(&self, selection: Selection, heads: Heads) -> Frames;

    /// Returns the marks whose names begin with `prefix`, those that expired left out.
    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError>;

    /// Returns what hashes the terms of events, if the writing half wants them.
    #[doc(hidden)]
    fn hasher(&self) -> Option<IndexTerms> {
        None
    }
}

/// What hashes the terms of events.
#[derive(Debug, Clone, Copy)]
pub struct IndexTerms(pub(crate) TermHasher);

/// Makes an event store out of a reading and a writing half.
///
/// One thread writes. It takes what has queued while it committed, and never waits for more, so a
/// single caller pays one sync and many callers share one. A caller that gives up disturbs nobody.
#[derive(Debug)]
pub struct GroupCommit<R> {
    reader: Arc<R>,
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    room: Arc<Semaphore>,
    heads: watch::Receiver<Heads>,
    ended: watch::Receiver<bool>,
}

/// A batch in the queue, and who waits for its verdict.
#[derive(Debug)]
struct Waiting {
    staged: Staged,
    verdict: oneshot::Sender<Verdict>,
    room: OwnedSemaphorePermit,
}

impl<R: ReadLog> GroupCommit<R> {
    /// Starts the writer's thread.
    pub fn new(reader: Arc<R>, log: impl CommitLog) -> Result<Self, BackendError> {
        let backend = reader.capabilities().backend;
        let (queue, waiting) = mpsc::channel(QUEUED_BATCHES);
        let (moved, heads) = watch::channel(log.heads());
        let (end, ended) = watch::channel(false);
        let writer = Writer { log, waiting, moved };
        std::thread::Builder::new()
            .name(format!("{backend}-writer"))
            .spawn(move || {
                writer.run();
                end.send_replace(true);
            })
            .map_err(|error| {
                let message = format!("no thread for the writer: {error}");
                BackendError::new(ErrorKind::Internal, backend, "open", message).with_source(error)
            })?;
        let room = Arc::new(Semaphore::new(QUEUED_KIB));
        Ok(Self { reader, queue: Mutex::new(Some(queue)), room, heads, ended })
    }

    /// Takes no more batches, and returns when what has queued is committed and the writer has ended.
    pub async fn close(&self) {
        self.queue.lock().take();
        // An error means that the writer is gone already.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    fn failed(&self, message: &'static str) -> BackendError {
        BackendError::new(ErrorKind::Unavailable, self.reader.capabilities().backend, "append", message)
    }
}

#[async_trait]
impl<R: ReadLog> EventStore for GroupCommit<R> {
    fn capabilities(&self) -> Capabilities {
        self.reader.capabilities()
    }

    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError> {
        self.reader.capabilities().limits.check(&batch)?;
        let staged = Staged::new(batch, self.reader.hasher().map(|terms| terms.0))?;
        let closed = || EventStoreError::from(self.failed("the store was closed; open it again"));
        let kib = u32::try_from((staged.bytes / 1024 + 1).min(QUEUED_KIB)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.map_err(|_| closed())?;
        let queue = self.queue.lock().clone().ok_or_else(closed)?;
        let (verdict, answered) = oneshot::channel();
        queue.send(Waiting { staged, verdict, room }).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| {
            Err(EventStoreError::Indeterminate(self.failed("the writer ended; open the store again")))
        })
    }

    fn read(&self, selection: Selection) -> Frames {
        if let Err(invalid) = selection.check() {
            return stream::once(async { Err(invalid.into()) }).boxed();
        }
        let heads = *self.heads.borrow();
        self.reader.read(selection, heads)
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        // A writer that panicked could not say that it ended, but what it said it with is gone.
        if *self.ended.borrow() || self.ended.has_changed().is_err() {
            return Err(self.failed("the writer has ended; open the store again").into());
        }
        Ok(LogHead { log: self.reader.identity(), heads: *self.heads.borrow() })
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        let mut heads = self.heads.clone();
        heads.mark_changed();
        stream::unfold(heads, |mut heads| async move {
            heads.changed().await.ok()?;
            let now = *heads.borrow_and_update();
            Some((now, heads))
        })
        .boxed()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.reader.marks(tenant, prefix).await
    }
}

/// The thread that writes.
struct Writer<L> {
    log: L,
    waiting: mpsc::Receiver<Waiting>,
    moved: watch::Sender<Heads>,
}

impl<L: CommitLog> Writer<L> {
    fn run(mut self) {
        let mut answers = Vec::new();
        let mut group = Vec::new();
        while let Some(first) = self.waiting.blocking_recv() {
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(waiting) = next {
                bytes += waiting.staged.bytes;
                group.push(waiting.staged);
                answers.push((waiting.verdict, waiting.room));
                let full = group.len() >= GROUP_BATCHES || bytes >= GROUP_BYTES;
                next = if full { None } else { self.waiting.try_recv().ok() };
            }
            let verdicts = self.log.commit(&mut group);
            // Readers see what was appended before its caller hears of it.
            let heads = self.log.heads();
            self.moved.send_if_modified(|known| std::mem::replace(known, heads) != heads);
            for ((answer, _), verdict) in answers.drain(..).zip(verdicts) {
                // Nobody waits any more: that is the caller's right.
                let _ = answer.send(verdict);
            }
            self.log.answered();
            group.clear();
        }
    }
}

/// Answers every batch of a group that failed as a whole.
pub(crate) fn refuse(
    batches: &[Staged],
    error: &BackendError,
    why: impl Fn(BackendError) -> EventStoreError,
) -> Vec<Verdict> {
    tracing::error!(%error, batches = batches.len(), "a group of appends failed");
    batches.iter().map(|_| Err(why(told_again(error)))).collect()
}

/// Returns an error as it was told before, as errors cannot be cloned; its source was logged.
pub(crate) fn told_again(error: &BackendError) -> BackendError {
    BackendError::new(error.kind(), error.backend(), error.operation(), error.message())
        .with_code(error.code())
}
