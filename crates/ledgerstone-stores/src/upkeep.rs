//! Upkeep of a store's files, beside its reading and writing: scavenging and archiving, one at a time.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ledgerstone_core::{BackendError, Code, ErrorKind, Problem, Timestamp};
use ledgerstone_log::{Archived, Reclaimed};
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What is to be done with the files of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Rewrite closed segments without what was removed.
    Scavenge {
        /// Of how many bytes in a hundred a segment must get rid to be worth it; any at all are worth it at 0.
        least_percent: u8,
        /// Whether to find out only what would be reclaimed.
        dry_run: bool,
    },
    /// Move closed segments to the archive.
    Archive {
        /// A segment moves if everything in it was recorded before.
        before: Timestamp,
    },
}

/// How far the work is, or what came of the last one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpkeepStatus {
    /// Whether it goes on.
    pub running: bool,
    /// What is or was done; nothing if nothing was since the store was opened.
    pub work: Option<Work>,
    /// How many closed segments there are.
    pub segments: u64,
    /// How many of them were looked at.
    pub looked_at: u64,
    /// How many were rewritten, or would be.
    pub rewritten: u64,
    /// How many events gave up their room, or would.
    pub events: u64,
    /// How many bytes the closed segments had to begin with.
    pub bytes: u64,
    /// How many bytes were read.
    pub bytes_read: u64,
    /// How many bytes were written.
    pub bytes_written: u64,
    /// How many bytes were reclaimed, or would be.
    pub bytes_reclaimed: u64,
    /// How many segments were moved to the archive.
    pub moved: u64,
    /// How many segments are in the archive.
    pub archived: u64,
    /// Whether it was stopped before it was done.
    pub stopped: bool,
    /// Why it failed, if it did.
    pub problem: Option<Problem>,
}

impl UpkeepStatus {
    fn reclaimed(&mut self, reclaimed: &Reclaimed) {
        self.segments = reclaimed.segments;
        self.looked_at = reclaimed.looked_at;
        self.rewritten = reclaimed.rewritten;
        self.events = reclaimed.events;
        self.bytes = reclaimed.bytes;
        self.bytes_read = reclaimed.bytes_read;
        self.bytes_written = reclaimed.bytes_written;
        self.bytes_reclaimed = reclaimed.bytes_reclaimed;
        self.stopped = reclaimed.stopped;
    }

    fn archived(&mut self, archived: &Archived) {
        self.segments = archived.segments;
        self.moved = archived.moved;
        self.archived = archived.archived;
        self.bytes_written = archived.bytes;
        self.stopped = archived.stopped;
    }
}

/// The files of a store that can be looked after; every call blocks.
pub(crate) trait Kept: Debug + Send + Sync {
    /// Tells what would have to change before scavenging finds more than it just did; nothing if time will do.
    fn state(&self) -> Option<[u64; 2]>;

    /// Scavenges, and tells after every stretch how far it is.
    fn scavenge(
        &self,
        least_percent: u8,
        dry_run: bool,
        go_on: &dyn Fn(&Reclaimed) -> bool,
    ) -> Result<Reclaimed, BackendError>;

    /// Archives, and tells after every stretch how far it is.
    fn archive(&self, before: Timestamp, go_on: &dyn Fn(&Archived) -> bool)
    -> Result<Archived, BackendError>;
}

/// Looks after the files of a store on a thread of its own; clones look after the same.
#[derive(Debug, Clone)]
pub struct Upkeep(Arc<Keeper>);

#[derive(Debug)]
struct Keeper {
    backend: &'static str,
    kept: Arc<dyn Kept>,
    status: watch::Sender<UpkeepStatus>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<Stop>,
    /// How the store stood when scavenging found no more.
    done: Arc<Mutex<Option<[u64; 2]>>>,
}

/// Whether to stop, and what wakes who waits.
#[derive(Debug, Default)]
struct Stop {
    asked: AtomicBool,
    lock: Mutex<()>,
    woken: Condvar,
}

impl Upkeep {
    pub(crate) fn new(backend: &'static str, kept: Arc<dyn Kept>) -> Self {
        Self(Arc::new(Keeper {
            backend,
            kept,
            status: watch::channel(UpkeepStatus::default()).0,
            thread: Mutex::new(None),
            stop: Arc::default(),
            done: Arc::default(),
        }))
    }

    /// Returns how far the work is, or what came of the last one.
    pub fn status(&self) -> UpkeepStatus {
        self.0.status.borrow().clone()
    }

    /// Tells whether scavenging may find something: something was removed, or a segment was closed, since it last did.
    pub fn may_scavenge(&self) -> bool {
        let now = self.0.kept.state();
        now.is_none() || *self.0.done.lock() != now
    }

    /// Begins work, which reads and writes so many bytes a second at most; tells whether it did, since one thing
    /// is done at a time.
    pub fn start(&self, work: Work, bytes_per_second: Option<u64>) -> Result<bool, BackendError> {
        let Keeper { backend, kept, status, thread, stop, done } = &*self.0;
        let refused = |kind, message: String| BackendError::new(kind, backend, "look after", message);
        let mut held = thread.lock();
        if stop.asked.load(Ordering::Acquire) {
            return Err(refused(ErrorKind::Unavailable, "the store was closed; open it again".to_owned()));
        }
        if status.borrow().running {
            return Ok(false);
        }
        status.send_replace(UpkeepStatus { running: true, work: Some(work), ..UpkeepStatus::default() });
        let task = Task {
            kept: Arc::clone(kept),
            status: status.clone(),
            stop: Arc::clone(stop),
            done: Arc::clone(done),
            pace: Pace { begun: Instant::now(), bytes_per_second },
        };
        let spawned = std::thread::Builder::new().name("upkeep".to_owned()).spawn(move || task.run(work));
        match spawned {
            Ok(thread) => {
                *held = Some(thread);
                Ok(true)
            }
            Err(error) => {
                status.send_replace(UpkeepStatus::default());
                Err(refused(ErrorKind::Internal, format!("no thread for it: {error}")))
            }
        }
    }

    /// Waits until nothing goes on, telling `progress` how far it is, and returns what came of it.
    pub async fn finished(&self, progress: &(dyn Fn(&UpkeepStatus) + Send + Sync)) -> UpkeepStatus {
        let mut status = self.0.status.subscribe();
        loop {
            let now = status.borrow_and_update().clone();
            progress(&now);
            if !now.running || status.changed().await.is_err() {
                return now;
            }
        }
    }

    /// Stops what goes on, for good, and waits until it has; it blocks.
    pub(crate) fn close(&self) {
        self.0.stop.ask();
        let thread = self.0.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the upkeep of the store panicked; nothing is lost by it");
        }
    }
}

impl Drop for Keeper {
    /// Asks the thread to stop; it holds what it works on, so nobody need wait for it.
    fn drop(&mut self) {
        self.stop.ask();
    }
}

impl Stop {
    fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        let _held = self.lock.lock();
        self.woken.notify_all();
    }

    /// Waits until a time unless asked to stop; tells whether to go on.
    fn wait_until(&self, time: Instant) -> bool {
        let mut held = self.lock.lock();
        while !self.asked.load(Ordering::Acquire) {
            if self.woken.wait_until(&mut held, time).timed_out() {
                break;
            }
        }
        !self.asked.load(Ordering::Acquire)
    }
}

/// How fast the work may be.
#[derive(Debug, Clone, Copy)]
struct Pace {
    begun: Instant,
    bytes_per_second: Option<u64>,
}

impl Pace {
    /// Returns the time before which so many bytes are too many.
    fn due(self, bytes: u64) -> Instant {
        let seconds = self.bytes_per_second.map_or(0.0, |pace| bytes as f64 / pace.max(1) as f64);
        self.begun + Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

/// Says that the work has ended, should it panic.
struct Ending<'a> {
    status: &'a watch::Sender<UpkeepStatus>,
    /// Whether it ends as it should, and says so itself.
    in_order: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if !self.in_order {
            self.status.send_modify(|status| {
                let detail = "the upkeep failed inside; the log of the program has the details";
                status.running = false;
                status.problem = Some(Problem::new(ErrorKind::Internal, Code::Internal, detail));
            });
        }
    }
}

/// Work on its thread.
struct Task {
    kept: Arc<dyn Kept>,
    status: watch::Sender<UpkeepStatus>,
    stop: Arc<Stop>,
    done: Arc<Mutex<Option<[u64; 2]>>>,
    pace: Pace,
}

impl Task {
    fn run(self, work: Work) {
        let mut ending = Ending { status: &self.status, in_order: false };
        let before = self.kept.state();
        let worked = match work {
            Work::Scavenge { least_percent, dry_run } => {
                let go_on = |reclaimed: &Reclaimed| {
                    self.status.send_modify(|status| status.reclaimed(reclaimed));
                    self.goes_on(reclaimed.bytes_read + reclaimed.bytes_written)
                };
                let reclaimed = self.kept.scavenge(least_percent, dry_run, &go_on);
                if !dry_run && reclaimed.as_ref().is_ok_and(|reclaimed| !reclaimed.stopped) {
                    *self.done.lock() = before;
                }
                reclaimed.map(|reclaimed| self.status.send_modify(|status| status.reclaimed(&reclaimed)))
            }
            Work::Archive { before } => {
                let go_on = |archived: &Archived| {
                    self.status.send_modify(|status| status.archived(archived));
                    self.goes_on(archived.bytes * 2)
                };
                let archived = self.kept.archive(before, &go_on);
                archived.map(|archived| self.status.send_modify(|status| status.archived(&archived)))
            }
        };
        if let Err(error) = &worked {
            tracing::error!(%error, "the upkeep of the store failed; nothing is lost by it");
        }
        // Once it is said, other work may begin.
        ending.in_order = true;
        self.status.send_modify(|status| {
            status.running = false;
            status.problem = worked.err().as_ref().map(Problem::from);
        });
    }

    fn goes_on(&self, bytes: u64) -> bool {
        self.stop.wait_until(self.pace.due(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files that cannot be scavenged without a panic.
    #[derive(Debug)]
    struct Cursed;

    impl Kept for Cursed {
        fn state(&self) -> Option<[u64; 2]> {
            None
        }

        fn scavenge(
            &self,
            _: u8,
            _: bool,
            _: &dyn Fn(&Reclaimed) -> bool,
        ) -> Result<Reclaimed, BackendError> {
            panic!("a panic that a test asks for")
        }

        fn archive(&self, _: Timestamp, _: &dyn Fn(&Archived) -> bool) -> Result<Archived, BackendError> {
            Ok(Archived::default())
        }
    }

    async fn finished(upkeep: &Upkeep) -> UpkeepStatus {
        let finished = upkeep.finished(&|_| {});
        tokio::time::timeout(Duration::from_secs(60), finished).await.expect("an end")
    }

    #[tokio::test]
    async fn work_that_panics_has_ended_and_other_work_may_begin() {
        let upkeep = Upkeep::new("file", Arc::new(Cursed));
        assert!(upkeep.start(Work::Scavenge { least_percent: 0, dry_run: false }, None).expect("begins"));
        let ended = finished(&upkeep).await;
        let expected = Problem::new(ErrorKind::Internal, Code::Internal, "");
        assert_eq!(ended.problem.map(|problem| problem.code), Some(expected.code));
        let before = Timestamp::from_micros(0);
        assert!(upkeep.start(Work::Archive { before }, None).expect("begins"));
        assert_eq!(finished(&upkeep).await.problem, None);
        upkeep.close();
    }
}
