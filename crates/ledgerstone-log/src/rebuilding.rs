//! Indexes that are missing, or not the log's own, and are made again as it opens: how far that is.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ledgerstone_core::Heads;

use crate::disk::Disk;
use crate::failure::LogError;
use crate::index_view::SegmentRun;
use crate::indexer::write_run;
use crate::indexing::index_segment;
use crate::segment::Segment;
use crate::terms::TermHasher;

/// From how many bytes on the reading takes long enough that people wonder.
const MANY_BYTES: u64 = 256 * 1024 * 1024;
/// How often it is said how far it is.
const BETWEEN: Duration = Duration::from_secs(5);

/// How far the reading of segments is whose indexes are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rebuilding {
    /// How many segments were read.
    pub segments: u64,
    /// How many there are to read.
    pub of_segments: u64,
    /// How many bytes those have that were read.
    pub bytes: u64,
    /// How many bytes there are to read.
    pub of_bytes: u64,
}

/// Somebody who is told how far it is, before the first segment and behind each; or nobody.
#[derive(Clone, Default)]
pub struct RebuildWatch(Option<Arc<dyn Fn(Rebuilding) + Send + Sync>>);

impl RebuildWatch {
    /// Takes what is to be told.
    pub fn new(told: impl Fn(Rebuilding) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    fn tell(&self, done: Rebuilding) {
        if let Some(told) = &self.0 {
            told(done);
        }
    }
}

impl fmt::Debug for RebuildWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RebuildWatch").field(&self.0.is_some()).finish()
    }
}

/// A closed segment without an index, and the newest positions in it, where its successor tells.
pub(crate) type Unindexed = (Arc<Segment>, Option<Heads>);

/// Reads segments and writes their indexes, and says so if that takes a while.
pub(crate) fn index_again(
    disk: &dyn Disk,
    missing: &[Unindexed],
    hasher: TermHasher,
    watch: &RebuildWatch,
) -> Result<Vec<SegmentRun>, LogError> {
    let of_bytes = missing.iter().map(|(segment, _)| segment.end()).sum();
    let mut done = Rebuilding { of_segments: missing.len() as u64, of_bytes, ..Rebuilding::default() };
    let mut voice = Voice { is_heard: false, spoken: Instant::now() };
    if of_bytes >= MANY_BYTES {
        voice.say(done);
    }
    let mut runs = Vec::with_capacity(missing.len());
    for (segment, heads) in missing {
        watch.tell(done);
        let file = disk.open(&segment.name).map_err(LogError::disk("opening", &segment.name))?;
        segment.check_is_file(&*file)?;
        let tail = index_segment(segment, hasher, &*file)?;
        runs.push(write_run(disk, segment, &tail, heads.unwrap_or_else(|| tail.head()))?);
        done.segments += 1;
        done.bytes += segment.end();
        if voice.spoken.elapsed() >= BETWEEN {
            voice.say(done);
        }
    }
    if done.segments > 0 {
        watch.tell(done);
        tracing::info!(segments = done.segments, bytes = done.bytes, "missing indexes were made again");
    }
    Ok(runs)
}

/// Says how far it is: the first time to everybody, then to who wants to know more.
struct Voice {
    is_heard: bool,
    spoken: Instant,
}

impl Voice {
    fn say(&mut self, done: Rebuilding) {
        let Rebuilding { segments, of_segments, bytes, of_bytes } = done;
        if self.is_heard {
            tracing::info!(segments, of_segments, bytes, of_bytes, "indexes are being made again");
        } else {
            tracing::warn!(
                segments,
                of_segments,
                bytes,
                of_bytes,
                "indexes are missing or not this log's own; they are made again from its segments, and the log opens then"
            );
        }
        (self.is_heard, self.spoken) = (true, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::extent::extent;
    use crate::follower::open_read_only;
    use crate::log::{Opened, open};
    use crate::one_stream::{append, indexed, options};
    use crate::shared::Options;
    use crate::simulated_disk::SimulatedDisk;

    /// Returns options whose watch writes down what it is told.
    fn watched() -> (Options, Arc<Mutex<Vec<Rebuilding>>>) {
        let told: Arc<Mutex<Vec<Rebuilding>>> = Arc::default();
        let heard = Arc::clone(&told);
        let watch = RebuildWatch::new(move |done| heard.lock().push(done));
        (Options { rebuild: watch, ..options() }, told)
    }

    fn indexes(disk: &SimulatedDisk) -> Vec<String> {
        let names = disk.names().expect("names").into_iter();
        names.filter(|name| name.ends_with(".index")).collect()
    }

    /// Begins a log of twenty events in several segments, and closes it.
    fn closed() -> Arc<SimulatedDisk> {
        let disk = Arc::new(SimulatedDisk::new(7));
        let Opened { reader, mut appender, .. } = open(Arc::clone(&disk) as _, options()).expect("begun");
        (0..20).for_each(|_| append(&reader, &mut appender));
        appender.close();
        disk
    }

    #[test]
    fn an_index_of_another_log_over_the_same_stretch_is_made_again() {
        let (disk, other) = (closed(), closed());
        let pairs: Vec<_> = indexes(&disk).into_iter().zip(indexes(&other)).collect();
        assert!(pairs.len() > 1, "{pairs:?}");
        for (own, foreign) in &pairs {
            let from = other.open(foreign).expect("a file");
            let mut bytes = vec![0; from.size().expect("a size") as usize];
            from.read_exact_at(0, &mut bytes).expect("read");
            disk.remove(own).expect("removed");
            disk.create(own).and_then(|file| file.write_at(0, &bytes)).expect("written");
        }
        let opened = open(Arc::clone(&disk) as _, options()).expect("opened");
        assert_eq!(indexed(&opened.reader), (1..=20).collect::<Vec<_>>());
        assert!(opened.report.indexed > 3, "{}", opened.report.indexed);
    }

    #[test]
    fn who_opens_a_log_without_its_indexes_is_told_how_far_they_are() {
        let disk = closed();
        let (open_again, told) = watched();
        drop(open(Arc::clone(&disk) as _, open_again).expect("opened"));
        assert_eq!(*told.lock(), [], "no index is missing");

        for name in indexes(&disk) {
            disk.remove(&name).expect("removed");
        }
        let (beside, told) = watched();
        let found = extent(&*disk, false).expect("a log").expect("segments");
        let closed = found.segments.len() as u64 - 1;
        assert!(closed > 3, "{closed}");
        drop(open_read_only(Arc::clone(&disk) as _, beside, &found).expect("opened"));
        let (open_again, told_again) = watched();
        let opened = open(Arc::clone(&disk) as _, open_again).expect("opened");
        assert_eq!(indexed(&opened.reader), (1..=20).collect::<Vec<_>>());
        assert_eq!(opened.report.indexed as u64, closed);
        for told in [told, told_again] {
            let told = told.lock();
            let numbers: Vec<_> = told.iter().map(|done| (done.segments, done.of_segments)).collect();
            assert_eq!(numbers, (0..=closed).map(|done| (done, closed)).collect::<Vec<_>>());
            assert!(told.windows(2).all(|pair| pair[0].bytes < pair[1].bytes), "{told:?}");
            let last = told.last().expect("the end");
            assert!(last.bytes == last.of_bytes && told[0].bytes == 0, "{told:?}");
        }
    }
}
