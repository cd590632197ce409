//! The queue before the writer: many callers put batches in, and one thread takes out what has gathered.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

use crate::decide::Verdict;
use crate::staged::Staged;

/// How many bytes of batches wait at most, counted in KiB; whoever comes then waits to be let in.
const QUEUED_KIB: usize = 96 * 1024;
/// How many batches become one transaction at most.
const GROUP_BATCHES: usize = 512;
/// How many bytes of events become one transaction at most, unless one batch has more.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Whom a batch is answered to; the batch comes back with its verdict.
pub(crate) type Answer = oneshot::Sender<(Verdict, Staged)>;

/// A batch in the queue, and who waits for its verdict.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) staged: Staged,
    pub(crate) verdict: Answer,
}

impl Waiting {
    /// Returns how much of the room it takes.
    fn kib(&self) -> u32 {
        let kib = (self.staged.bytes / 1024 + 1).min(QUEUED_KIB);
        u32::try_from(kib).unwrap_or(u32::MAX)
    }
}

/// The queue before the writer.
#[derive(Debug)]
pub(crate) struct CommitQueue {
    gathered: Mutex<Gathered>,
    arrived: Condvar,
    room: Semaphore,
}

/// What waits for the writer.
#[derive(Debug, Default)]
struct Gathered {
    batches: VecDeque<Waiting>,
    /// Whether no more are taken.
    closed: bool,
    /// Whether the writer sleeps until something comes.
    sleeping: bool,
}

impl Default for CommitQueue {
    fn default() -> Self {
        Self { gathered: Mutex::default(), arrived: Condvar::new(), room: Semaphore::new(QUEUED_KIB) }
    }
}

impl CommitQueue {
    /// Puts a batch in, as soon as there is room; tells whether the queue still took it.
    pub(crate) async fn push(&self, waiting: Waiting) -> bool {
        let Ok(room) = self.room.acquire_many(waiting.kib()).await else { return false };
        let mut gathered = self.gathered.lock();
        if gathered.closed {
            return false;
        }
        // The writer gives it back.
        room.forget();
        gathered.batches.push_back(waiting);
        let wake = std::mem::take(&mut gathered.sleeping);
        drop(gathered);
        if wake {
            self.arrived.notify_one();
        }
        true
    }

    /// Takes no more batches; those that wait are still committed.
    pub(crate) fn close(&self) {
        self.gathered.lock().closed = true;
        self.room.close();
        self.arrived.notify_one();
    }
}

/// The writer's end of the queue; when it goes, the queue is closed and whoever waits there hears of it.
#[derive(Debug)]
pub(crate) struct WriterEnd {
    queue: Arc<CommitQueue>,
    /// How much room the group takes that is being committed.
    kib: usize,
}

impl WriterEnd {
    pub(crate) fn of(queue: &Arc<CommitQueue>) -> Self {
        Self { queue: Arc::clone(queue), kib: 0 }
    }

    /// Takes the batches that have gathered, as many as become one transaction, and waits for the first;
    /// tells whether there are any, or else the queue is closed and empty.
    pub(crate) fn take(&mut self, group: &mut Vec<Staged>, answers: &mut Vec<Answer>) -> bool {
        self.queue.room.add_permits(std::mem::take(&mut self.kib));
        let mut gathered = self.queue.gathered.lock();
        while gathered.batches.is_empty() {
            if gathered.closed {
                return false;
            }
            gathered.sleeping = true;
            self.queue.arrived.wait(&mut gathered);
        }
        gathered.sleeping = false;
        let mut bytes = 0;
        while group.len() < GROUP_BATCHES
            && bytes < GROUP_BYTES
            && let Some(waiting) = gathered.batches.pop_front()
        {
            self.kib += waiting.kib() as usize;
            bytes += waiting.staged.bytes;
            group.push(waiting.staged);
            answers.push(waiting.verdict);
        }
        true
    }
}

impl Drop for WriterEnd {
    fn drop(&mut self) {
        self.queue.close();
        // Dropped outside the lock, since it wakes those who wait.
        drop(std::mem::take(&mut self.queue.gathered.lock().batches));
    }
}
