//! Indexes of closed segments: written beside them and merged, off the writer's way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use ledgerstone_core::{Code, Heads};

use crate::alarm::Alarm;
use crate::disk::Disk;
use crate::failure::LogError;
use crate::growing_segment::GrowingSegment;
use crate::index::{Covers, Run, RunBuilder, merge};
use crate::index_view::{IndexView, SegmentRun};
use crate::indexing::index_segment;
use crate::segment::{Segment, save_places};
use crate::segment_header::PARTIAL;
use crate::shared::Shared;
use crate::tail::Tail;

/// How many runs of a size become one: more of them are more reads for every lookup, fewer are more merging.
const FAN: usize = 4;

/// What writes and merges indexes.
#[derive(Debug)]
pub(crate) struct Indexer {
    queue: Option<Sender<Task>>,
    alarm: Alarm,
    thread: Option<JoinHandle<()>>,
    /// What waits where there is no thread.
    waiting: VecDeque<GrowingSegment>,
    /// Whether the thread need not prepare for readers any more.
    closing: Arc<AtomicBool>,
}

impl Indexer {
    /// Starts the thread, if the log wants one.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Self, LogError> {
        let alarm = shared.index.read().alarm();
        let closing = Arc::new(AtomicBool::new(false));
        if !shared.options.background {
            return Ok(Self { queue: None, alarm, thread: None, waiting: VecDeque::new(), closing });
        }
        let (queue, tasks) = channel();
        alarm.listen(Some(queue.clone()));
        let (shared, stop) = (Arc::clone(shared), Arc::clone(&closing));
        let thread = std::thread::Builder::new()
            .name("log-indexer".to_owned())
            .spawn(move || {
                shared.warm_up(&stop);
                // Runs that were made again when the log was opened, or not merged before it was closed.
                try_merging(&shared, &stop);
                run(&shared, &tasks, &stop);
            })
            .map_err(LogError::disk("starting", "the indexer"))?;
        Ok(Self { queue: Some(queue), alarm, thread: Some(thread), waiting: VecDeque::new(), closing })
    }

    /// Takes a segment that grows no more.
    pub(crate) fn closed(&mut self, shared: &Shared, old: GrowingSegment) {
        match &self.queue {
            // Without its thread the tail stays in memory, and is written when the log is opened anew.
            Some(queue) => drop(queue.send(Task::Closed(old))),
            None => {
                self.waiting.push_back(old);
                index(shared, &mut self.waiting, &self.closing);
            }
        }
    }

    /// Makes damaged indexes again where there is no thread that does.
    pub(crate) fn tend(&self, shared: &Shared) {
        if self.queue.is_none() && self.alarm.take() {
            heal(shared);
        }
    }

    /// Waits until what was handed over is written.
    pub(crate) fn close(&mut self) {
        self.alarm.listen(None);
        self.closing.store(true, Ordering::Relaxed);
        self.queue.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the indexer of the log panicked; the index is made again when the log opens");
        }
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Write the index of a segment that grows no more.
    Closed(GrowingSegment),
    /// Make again what was condemned.
    Heal,
}

fn run(shared: &Shared, tasks: &Receiver<Task>, stop: &AtomicBool) {
    let mut waiting = VecDeque::new();
    while let Ok(task) = tasks.recv() {
        match task {
            Task::Closed(active) => {
                waiting.push_back(active);
                index(shared, &mut waiting, stop);
            }
            Task::Heal => heal(shared),
        }
    }
}

/// Makes the runs again that were condemned, each as one run a segment.
fn heal(shared: &Shared) {
    let view = shared.index.read().view();
    for run in view.runs().iter().filter(|run| run.standing.is_condemned()) {
        shared.condition.lock().indexes_damaged += 1;
        match make_again(shared, run) {
            Ok(made) => {
                let is_name_kept = made.iter().any(|made| made.name == run.name);
                shared.index.write().replace_run(run, made);
                if !is_name_kept {
                    // What is left is taken away when the log opens.
                    let _ = shared.disk.remove(&run.name);
                }
                shared.condition.lock().indexes_made_again += 1;
                tracing::info!(index = run.name, "a damaged index was made again from the log");
            }
            Err(LogError::Replaced { .. }) => {
                // A segment was replaced meanwhile; whoever looks there next raises the alarm anew.
                run.standing.acquit();
            }
            Err(error) => {
                run.standing.give_up();
                tracing::error!(
                    code = %Code::Corrupt, %error, index = run.name,
                    "a damaged index cannot be made again; reads go through the log until it is opened anew"
                );
            }
        }
    }
}

fn make_again(shared: &Shared, run: &SegmentRun) -> Result<Vec<SegmentRun>, LogError> {
    let segments = shared.segments.read().clone();
    let pairs = segments.iter().zip(segments.iter().skip(1));
    let inside = pairs.filter(|(segment, _)| (run.first..=run.last).contains(&segment.header.number));
    let made = inside.map(|(segment, next)| {
        // Whoever scavenges keeps the file open that readers still use.
        let file = Arc::clone(&segment.open(&*shared.disk)?.file);
        let tail = index_segment(segment, shared.hasher(), &*file)?;
        write_run(&*shared.disk, segment, &tail, next.header.heads)
    });
    made.collect()
}

/// Condemns those of some runs that are damaged, as merging them has shown that one is.
fn find_damage(shared: &Shared, view: &IndexView, runs: &[SegmentRun]) {
    for run in runs {
        let (blocks, _) = run.run.size_in_blocks();
        if let Some(error) = (0..blocks).find_map(|block| run.run.check_block(block).err()) {
            view.condemn(run, &error);
        }
    }
    heal(shared);
}

/// Writes the indexes of the segments that wait, oldest first: a run follows the one before it.
///
/// Where that fails the rest goes on waiting; its tails stay in memory until the next segment is closed.
fn index(shared: &Shared, waiting: &mut VecDeque<GrowingSegment>, stop: &AtomicBool) {
    while let Some(closed) = waiting.pop_front() {
        let run = match write(shared, &closed) {
            Ok(run) => run,
            Err(error) => {
                tracing::warn!(%error, "an index could not be written; it is tried again with the next segment");
                waiting.push_front(closed);
                return;
            }
        };
        shared.index.write().replace_tail(&closed.tail, run);
        try_merging(shared, stop);
    }
}

fn try_merging(shared: &Shared, stop: &AtomicBool) {
    if let Err(error) = merge_runs(shared, stop) {
        tracing::warn!(%error, "indexes could not be merged; it is tried again with the next segment");
    }
}

/// Writes what is kept beside a closed segment.
fn write(shared: &Shared, closed: &GrowingSegment) -> Result<SegmentRun, LogError> {
    let bytes = {
        let places = closed.open.places.read();
        save_places(&*shared.disk, &closed.segment, &places)?;
        places.bytes()
    };
    let tail = closed.tail.read();
    let run = write_run(&*shared.disk, &closed.segment, &tail, tail.head())?;
    shared.warm.lock().keep(&closed.segment, bytes);
    Ok(run)
}

/// Writes the index of one segment; `heads` are the newest positions that it holds.
pub(crate) fn write_run(
    disk: &dyn Disk,
    segment: &Segment,
    tail: &Tail,
    heads: Heads,
) -> Result<SegmentRun, LogError> {
    let number = segment.header.number;
    let stamp = stamp([segment].into_iter());
    let name = run_name(number, number, stamp);
    let covers = Covers::between(segment.header.heads, heads);
    let ids = tail.all_ids();
    let run = put_file(disk, &name, |file| {
        let mut builder = RunBuilder::new(file, covers).stamped(stamp);
        for (term, revision, positions) in tail.lists() {
            builder.list(term, revision, positions)?;
        }
        for (key, log, position) in &ids {
            builder.id(*key, *log, *position)?;
        }
        Ok(builder.finish()?)
    })?;
    let standing = Arc::default();
    Ok(SegmentRun { first: number, last: number, segments: 1, name, run: Arc::new(run), standing })
}

/// Merges runs as long as there are enough of one size, and nobody waits for the end of it.
///
/// What was begun is finished: who opens a log again and again for a moment would else never get further.
fn merge_runs(shared: &Shared, stop: &AtomicBool) -> Result<(), LogError> {
    while !stop.load(Ordering::Relaxed) {
        let view = shared.index.read().view();
        let Some(inputs) = mergeable(view.runs()) else { return Ok(()) };
        let Some((first, last)) = inputs.first().zip(inputs.last()) else { return Ok(()) };
        let (first, last) = (first.first, last.last);
        let stamp = {
            let segments = shared.segments.read();
            let inside = segments.iter().filter(|segment| (first..=last).contains(&segment.header.number));
            stamp(inside.map(|segment| &**segment))
        };
        let name = run_name(first, last, stamp);
        let runs: Vec<_> = inputs.iter().map(|input| Arc::clone(&input.run)).collect();
        let merged = put_file(&*shared.disk, &name, |file| Ok(merge(&runs, file, stamp, &|| true)?));
        if matches!(merged, Err(LogError::Damaged { .. })) {
            find_damage(shared, &view, &inputs);
        }
        let merged = merged?;
        let segments = inputs.iter().map(|input| input.segments).sum();
        let merged =
            SegmentRun { first, last, segments, name, run: Arc::new(merged), standing: Arc::default() };
        shared.index.write().replace_runs(merged);
        for input in inputs {
            // What is left is taken away when the log opens.
            let _ = shared.disk.remove(&input.name);
        }
    }
    Ok(())
}

/// Returns the oldest neighbours of one size that are enough to be merged.
fn mergeable(runs: &[SegmentRun]) -> Option<Vec<SegmentRun>> {
    let level = |run: &SegmentRun| run.segments.max(1).ilog(FAN);
    runs.windows(FAN).find_map(|window| {
        let first = level(window.first()?);
        window.iter().all(|run| level(run) == first).then(|| window.to_vec())
    })
}

/// Writes a file under a passing name and gives it its own when it is whole.
fn put_file(
    disk: &dyn Disk,
    name: &str,
    write: impl FnOnce(Arc<dyn crate::disk::DiskFile>) -> Result<Run, LogError>,
) -> Result<Run, LogError> {
    let partial = format!("{name}{PARTIAL}");
    // What an earlier attempt left does not matter.
    let _ = disk.remove(&partial);
    let file = disk.create(&partial).map_err(LogError::disk("creating", name))?;
    let run = write(file)?;
    disk.rename(&partial, name).map_err(LogError::disk("naming", name))?;
    Ok(run)
}

/// Returns the name of the index over some segments.
pub(crate) fn run_name(first: u64, last: u64, stamp: u64) -> String {
    format!("{first:012}-{last:012}-{stamp:016x}.index")
}

/// Returns the segments and the stamp that the name of an index says.
pub(crate) fn parse_run_name(name: &str) -> Option<(u64, u64, u64)> {
    let mut parts = name.strip_suffix(".index")?.split('-');
    let first = parts.next()?.parse().ok()?;
    let last = parts.next()?.parse().ok()?;
    let stamp = u64::from_str_radix(parts.next()?, 16).ok()?;
    (parts.next().is_none() && run_name(first, last, stamp) == name).then_some((first, last, stamp))
}

/// Returns what tells an index over these segments from one over others.
pub(crate) fn stamp<'a>(segments: impl Iterator<Item = &'a Segment>) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for segment in segments {
        hasher.update(segment.header.log.id.as_bytes());
        hasher.update(&segment.header.number.to_le_bytes());
        hasher.update(&segment.header.salt.to_le_bytes());
        // Scavenging leaves the index as good as it was.
        hasher.update(&segment.written_end().to_le_bytes());
    }
    hasher.digest()
}
