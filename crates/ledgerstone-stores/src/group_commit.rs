//! Group commit, written once: concurrent appends become one durable transaction, each with its own verdict.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{
    Appended, BackendError, Batch, Capabilities, ErrorKind, EventStore, EventStoreError, Frames, Heads,
    LogHead, LogIdentity, Mark, RecordLayout, Removal, Selection, TenantScope,
};
use tokio::sync::{oneshot, watch};

use crate::commit_queue::{CommitQueue, Waiting, WriterEnd};
pub use crate::decide::Verdict;
pub use crate::staged::Staged;
use ledgerstone_log::TermHasher;

/// The writing half of a store: what the author of an adapter writes.
pub trait CommitLog: Debug + Send + 'static {
    /// Returns the newest durable positions.
    fn heads(&self) -> Heads;

    /// Judges batches in order and records those that pass in one durable transaction; one verdict each.
    ///
    /// A batch is judged as if those before it had been recorded. If the transaction fails, nothing of
    /// it may remain; if nobody knows, every verdict is [`EventStoreError::Indeterminate`].
    fn commit(&mut self, batches: &mut [Staged]) -> Vec<Verdict>;

    /// Tells readers what was removed, which they hear after the new heads, and the callers after both.
    fn published(&mut self) {}

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

    /// Returns what is removed of the one stream that is selected, if it is one.
    fn removal(&self, selection: &Selection) -> Option<Removal>;

    /// Reads a selection up to `heads`, which are durable, by the [`removal`](Self::removal) that held before.
    fn read(&self, selection: Selection, heads: Heads, removal: Option<Removal>) -> Frames;

    /// Returns the marks whose names begin with `prefix`, those that expired left out.
    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError>;

    /// Returns what hashes the terms of events, if the writing half wants them.
    #[doc(hidden)]
    fn hasher(&self) -> Option<IndexTerms> {
        None
    }

    /// Returns the layout in which the writing half wants its records.
    #[doc(hidden)]
    fn layout(&self) -> RecordLayout {
        RecordLayout::Long
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
    queue: Arc<CommitQueue>,
    heads: watch::Receiver<Heads>,
    ended: watch::Receiver<bool>,
}

impl<R: ReadLog> GroupCommit<R> {
    /// Starts the writer's thread.
    pub fn new(reader: Arc<R>, log: impl CommitLog) -> Result<Self, BackendError> {
        let backend = reader.capabilities().backend;
        let queue = Arc::new(CommitQueue::default());
        let (moved, heads) = watch::channel(log.heads());
        let (end, ended) = watch::channel(false);
        let writer = Writer { log, waiting: WriterEnd::of(&queue), moved };
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
        Ok(Self { reader, queue, heads, ended })
    }

    /// Takes no more batches, and returns when what has queued is committed and the writer has ended.
    pub async fn close(&self) {
        self.queue.close();
        // An error means that the writer is gone already.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    fn failed(&self, message: &'static str) -> BackendError {
        BackendError::new(ErrorKind::Unavailable, self.reader.capabilities().backend, "append", message)
    }
}

impl<R> Drop for GroupCommit<R> {
    /// Lets the writer end when what has queued is committed.
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[async_trait]
impl<R: ReadLog> EventStore for GroupCommit<R> {
    fn capabilities(&self) -> Capabilities {
        self.reader.capabilities()
    }

    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError> {
        self.reader.capabilities().limits.check(&batch)?;
        let hasher = self.reader.hasher().map(|terms| terms.0);
        let staged = Staged::in_layout(batch, hasher, self.reader.layout())?;
        let (verdict, answered) = oneshot::channel();
        if !self.queue.push(Waiting { staged, verdict }).await {
            return Err(self.failed("the store was closed; open it again").into());
        }
        // What the caller's thread had allocated it frees, too: that is cheaper than freeing it elsewhere.
        let answer = answered.await.map(|(verdict, _staged)| verdict);
        answer.unwrap_or_else(|_| {
            Err(EventStoreError::Indeterminate(self.failed("the writer ended; open the store again")))
        })
    }

    fn read(&self, selection: Selection) -> Frames {
        if let Err(invalid) = selection.check() {
            return stream::once(async { Err(invalid.into()) }).boxed();
        }
        let removal = self.reader.removal(&selection);
        let heads = *self.heads.borrow();
        self.reader.read(selection, heads, removal)
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
    waiting: WriterEnd,
    moved: watch::Sender<Heads>,
}

impl<L: CommitLog> Writer<L> {
    fn run(mut self) {
        let (mut group, mut answers) = (Vec::new(), Vec::new());
        while self.waiting.take(&mut group, &mut answers) {
            let verdicts = self.log.commit(&mut group);
            // Readers see what was appended before its caller hears of it.
            let heads = self.log.heads();
            self.moved.send_if_modified(|known| std::mem::replace(known, heads) != heads);
            self.log.published();
            for ((answer, staged), verdict) in answers.drain(..).zip(group.drain(..)).zip(verdicts) {
                // Nobody waits any more: that is the caller's right.
                let _ = answer.send((verdict, staged));
            }
            self.log.answered();
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
