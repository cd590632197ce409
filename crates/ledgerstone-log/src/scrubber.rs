//! The scrubber: reads what is closed again and again, slowly, so that damage is found before somebody needs the bytes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ledgerstone_core::Code;

use crate::condition::Damage;
use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::index_view::SegmentRun;
use crate::scanner::Scanner;
use crate::segment::Segment;
use crate::shared::Shared;

/// How the closed part of a log is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrub {
    /// How many bytes are read in a second at most.
    pub bytes_per_second: u64,
    /// How long to wait between two rounds.
    pub every: Duration,
}

/// How long a log is open before the first round begins: who only looks something up must not pay for it.
const FIRST: Duration = Duration::from_secs(60);
/// After how many bytes the pace is kept.
const STRETCH: u64 = 1024 * 1024;

/// A thread that looks at what is closed.
#[derive(Debug, Default)]
pub(crate) struct Scrubber {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scrubber {
    /// Starts the thread, if the log wants one.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self, LogError> {
        let Some(scrub) = shared.options.scrub else { return Ok(Self::default()) };
        let (stop, stopped) = channel();
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("log-scrubber".to_owned())
            .spawn(move || run(&shared, scrub, &stopped))
            .map_err(LogError::disk("starting", "the scrubber"))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Ends the thread.
    pub(crate) fn close(&mut self) {
        self.stop.take();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(
                "the scrubber of the log panicked; nothing is looked at until the log is opened again"
            );
        }
    }
}

impl Drop for Scrubber {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(shared: &Shared, scrub: Scrub, stop: &Receiver<()>) {
    let mut pace = Pace { bytes_per_second: scrub.bytes_per_second.max(1), stop, read: 0 };
    let mut wait = scrub.every.min(FIRST);
    while pace.waits(wait) {
        let begun = Instant::now();
        if round(shared, &mut pace).is_none() {
            return;
        }
        let found = {
            let mut condition = shared.condition.lock();
            condition.rounds += 1;
            condition.last_round = Some(Instant::now());
            condition.damage_count()
        };
        tracing::info!(took = ?begun.elapsed(), damaged = found, "every closed segment was looked at");
        wait = scrub.every;
    }
}

/// Looks at every closed segment and every index; nothing if it was told to stop.
fn round(shared: &Shared, pace: &mut Pace<'_>) -> Option<()> {
    let mut segments = shared.segments.read().clone();
    // The newest one grows.
    segments.pop();
    shared.condition.lock().unlisted = 0;
    for segment in segments {
        look_at_segment(shared, &segment, pace)?;
    }
    let view = shared.index.read().view();
    for run in view.runs() {
        if let Some(error) = look_at_run(shared, run, pace)? {
            view.condemn(run, &error);
        }
    }
    Some(())
}

/// Looks at a segment, frame by frame, and notes the first damage in it.
fn look_at_segment(shared: &Shared, segment: &Arc<Segment>, pace: &mut Pace<'_>) -> Option<()> {
    let found = scan(shared, segment, pace);
    let is_held = shared.segments.read().iter().any(|held| Arc::ptr_eq(held, segment));
    // A scavenged file has its name a moment before the segment is replaced.
    let is_file =
        |file: Arc<dyn DiskFile>| !matches!(segment.check_is_file(&*file), Err(LogError::Replaced { .. }));
    let is_current = is_held && shared.disk.open(&segment.name).map_or(true, is_file);
    let damage = match found {
        Ok(Some(())) => None,
        Ok(None) => return None,
        Err(LogError::Damaged { at, why, .. }) => Some((at, why)),
        Err(error) => Some((0, error.to_string())),
    };
    let mut condition = shared.condition.lock();
    condition.forget(&segment.name);
    // What was replaced meanwhile is somebody else's file by now.
    if let Some((at, why)) = damage.filter(|_| is_current) {
        tracing::error!(
            code = %Code::Corrupt, file = segment.name, at, why,
            "the log is damaged: bytes that were durable have changed; restore a backup"
        );
        condition.add(Damage { file: segment.name.clone(), at, why });
    }
    Some(())
}

fn scan(shared: &Shared, segment: &Segment, pace: &mut Pace<'_>) -> Result<Option<()>, LogError> {
    let file = shared.disk.open(&segment.name).map_err(LogError::disk("opening", &segment.name))?;
    let mut scanner = Scanner::new(&*file, &segment.name, segment.header.salt, segment.end());
    let mut told = 0;
    while let Some((at, _)) = scanner.next_whole()? {
        if at - told >= STRETCH {
            if !pace.has_read(shared, at - told) {
                return Ok(None);
            }
            told = at;
        }
    }
    Ok(pace.has_read(shared, segment.end() - told).then_some(()))
}

/// Reads every block of an index; nothing if it was told to stop, else what is wrong with it.
fn look_at_run(
    shared: &Shared,
    run: &SegmentRun,
    pace: &mut Pace<'_>,
) -> Option<Option<crate::index::IndexError>> {
    let (blocks, bytes) = run.run.size_in_blocks();
    for block in 0..blocks {
        if let Err(error) = run.run.check_block(block) {
            return Some(Some(error));
        }
        if !pace.has_read(shared, bytes) {
            return None;
        }
    }
    Some(None)
}

/// Keeps the pace, and listens whether to stop.
struct Pace<'a> {
    bytes_per_second: u64,
    stop: &'a Receiver<()>,
    /// What was read since it last waited.
    read: u64,
}

impl Pace<'_> {
    /// Notes that so many bytes were read, and waits if that was too fast; tells whether to go on.
    fn has_read(&mut self, shared: &Shared, bytes: u64) -> bool {
        shared.condition.lock().scrubbed_bytes += bytes;
        self.read += bytes;
        if self.read < STRETCH.min(self.bytes_per_second) {
            return self.waits(Duration::ZERO);
        }
        let seconds = self.read as f64 / self.bytes_per_second as f64;
        self.read = 0;
        self.waits(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }

    /// Waits for some time; tells whether to go on then.
    fn waits(&self, time: Duration) -> bool {
        matches!(self.stop.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}
