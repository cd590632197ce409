//! A log: opened once, written by one appender, read by many.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ledgerstone_core::{Heads, LogIdentity, LogKind, Mark, Position, Tenant, TenantScope, Timestamp};

use crate::appender::Appender;
use crate::condition::Condition;
use crate::disk::Disk;
use crate::failure::LogError;
use crate::growing_segment::GrowingSegment;
use crate::index::{Covers, Run};
use crate::index_view::{Index, IndexView, SegmentRun};
use crate::indexer::{Indexer, parse_run_name, run_name, stamp};
use crate::new_segment::{new_segment, salt};
use crate::page::Page;
use crate::reader::Patience;
use crate::rebuilding::{RebuildWatch, Unindexed, index_again};
use crate::recovery::{Recovered, Report, recover};
use crate::scrubber::Scrubber;
use crate::segment::Segment;
use crate::segment_header::SegmentHeader;
use crate::shared::{Options, Shared};
use crate::state::State;
use crate::terms::TermHasher;

/// The reading half of a log; clones read the same.
#[derive(Debug, Clone)]
pub struct LogReader {
    pub(crate) shared: Arc<Shared>,
}

/// A log that was opened.
#[derive(Debug)]
pub struct Opened {
    /// Reads it.
    pub reader: LogReader,
    /// Writes it.
    pub appender: Appender,
    /// What was found and done.
    pub report: Report,
}

/// Opens the log in a folder, or begins one; nobody else may write to the folder meanwhile.
pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Opened, LogError> {
    match recover(&*disk)? {
        Some(recovered) => open_recovered(disk, options, recovered),
        None => begin(disk, options),
    }
}

fn begin(disk: Arc<dyn Disk>, options: Options) -> Result<Opened, LogError> {
    let identity = LogIdentity { id: options.ids.next_id(), epoch: 1 };
    let seed = xxhash_rust::xxh3::xxh3_64(options.ids.next_id().as_bytes());
    let empty = (State::default(), Index::default(), Heads::default());
    let shared = Arc::new(Shared::new(disk, options, (identity, seed), Vec::new(), empty));
    let header = SegmentHeader {
        number: 1,
        previous: 0,
        previous_end: 0,
        log: identity,
        salt: salt(&shared),
        seed,
        heads: Heads::default(),
        recorded_at: Timestamp::from_micros(i64::MIN),
        batches_at: 0,
        scavenged: None,
    };
    let growing = new_segment(&shared, header, None).map_err(|failed| failed.error)?;
    shared.segments.write().push(Arc::clone(&growing.segment));
    shared.index.write().push_tail(Arc::clone(&growing.tail));
    finish(shared, growing, (header.recorded_at, 1), Report::default())
}

fn open_recovered(disk: Arc<dyn Disk>, options: Options, recovered: Recovered) -> Result<Opened, LogError> {
    let Recovered { identity, seed, segments, growing, state, heads, recorded_at, newest_number, mut report } =
        recovered;
    let closed = segments.get(..segments.len().saturating_sub(1)).unwrap_or_default();
    let next = segments.iter().skip(1).map(|segment| segment.header.heads);
    let runs = open_runs(&disk, closed, next, TermHasher::new(seed), &options.rebuild)?;
    report.indexed = runs.made;
    let index = Index::new(runs.runs, vec![Arc::clone(&growing.tail)]);
    let shared = Arc::new(Shared::new(disk, options, (identity, seed), segments, (state, index, heads)));
    finish(shared, growing, (recorded_at, newest_number), report)
}

fn finish(
    shared: Arc<Shared>,
    growing: GrowingSegment,
    (recorded_at, newest_number): (Timestamp, u64),
    report: Report,
) -> Result<Opened, LogError> {
    let indexer = Indexer::start(&shared)?;
    let scrubber = Scrubber::start(&shared)?;
    let appender =
        Appender::new(Arc::clone(&shared), (indexer, scrubber), growing, recorded_at, newest_number);
    Ok(Opened { reader: LogReader { shared }, appender, report })
}

/// The indexes of the closed segments.
pub(crate) struct OpenRuns {
    /// In order.
    pub(crate) runs: Vec<SegmentRun>,
    /// How many of them were missing and made again.
    pub(crate) made: usize,
}

/// Opens the indexes of the closed segments, makes those that are missing, and takes others away.
pub(crate) fn open_runs(
    disk: &Arc<dyn Disk>,
    closed: &[Arc<Segment>],
    next_heads: impl Iterator<Item = Heads>,
    hasher: TermHasher,
    watch: &RebuildWatch,
) -> Result<OpenRuns, LogError> {
    let heads: Vec<Heads> = next_heads.collect();
    let names = disk.names().map_err(LogError::disk("listing", "the folder"))?;
    let mut kept: Vec<(u64, u64, u64)> = names.iter().filter_map(|name| parse_run_name(name)).collect();
    // The widest first.
    kept.sort_unstable_by_key(|(_, last, _)| std::cmp::Reverse(*last));
    let (mut runs, mut missing): (Vec<SegmentRun>, Vec<Unindexed>) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(segment) = closed.get(at) {
        let rest = closed.get(at..).unwrap_or_default();
        match kept.iter().find_map(|name| find_run(disk, *name, rest, heads.get(at..)?)) {
            Some(run) => {
                at += run.segments;
                runs.push(run);
            }
            None => {
                missing.push((Arc::clone(segment), heads.get(at).copied()));
                at += 1;
            }
        }
    }
    let made = index_again(&**disk, &missing, hasher, watch)?;
    let made_again = made.len();
    runs.extend(made);
    runs.sort_unstable_by_key(|run| run.first);
    for name in names.iter().filter(|name| name.ends_with(".index")) {
        if !runs.iter().any(|run| run.name == *name) {
            // It can be made again, so it does not matter whether it goes.
            let _ = disk.remove(name);
        }
    }
    Ok(OpenRuns { runs, made: made_again })
}

/// Opens the run of a name if it is one over the first segments of those that are left.
fn find_run(
    disk: &Arc<dyn Disk>,
    (first, last, stamped): (u64, u64, u64),
    rest: &[Arc<Segment>],
    next_heads: &[Heads],
) -> Option<SegmentRun> {
    let segment = rest.first().filter(|segment| segment.header.number == first)?;
    let segments = rest.iter().take_while(|segment| segment.header.number <= last).count();
    let inside = rest.get(..segments)?;
    let fits =
        inside.last()?.header.number == last && stamp(inside.iter().map(|segment| &**segment)) == stamped;
    let name = run_name(first, last, stamped);
    let run = if fits { Run::open(disk.open(&name).ok()?).ok()? } else { return None };
    let covered = next_heads.get(segments - 1).map(|next| Covers::between(segment.header.heads, *next));
    // A file of another log under this name would leave events out, even one over the same stretch.
    let is_own = run.stamp() == stamped && covered.is_none_or(|covered| run.covers() == covered);
    is_own.then(|| SegmentRun { first, last, segments, name, run: Arc::new(run), standing: Arc::default() })
}

impl LogReader {
    /// Returns which log this is.
    pub fn identity(&self) -> LogIdentity {
        self.shared.identity
    }

    /// Returns the newest durable positions.
    pub fn heads(&self) -> Heads {
        *self.shared.durable.read()
    }

    /// Returns what is known of the files since the log was opened.
    pub fn condition(&self) -> Condition {
        self.shared.condition.lock().clone()
    }

    /// Returns what hashes the terms that events are found by.
    pub fn hasher(&self) -> TermHasher {
        self.shared.hasher()
    }

    /// Returns the index as it stands.
    pub fn index(&self) -> Arc<IndexView> {
        self.shared.index.read().view()
    }

    /// Puts the record at a position on the page; tells whether there is one. If it fails, the page stays as it was.
    pub fn read(
        &self,
        log: LogKind,
        position: Position,
        page: &mut Page,
        patience: Patience,
    ) -> Result<bool, LogError> {
        self.shared.read_one(log, position.0, page, patience)
    }

    /// Puts the records between two positions on the page, in order or from the end, until it is full or a
    /// segment ends; returns the position to go on at, if any is left. If it fails, the page stays as it was.
    pub fn read_stretch(
        &self,
        log: LogKind,
        range: RangeInclusive<u64>,
        forwards: bool,
        page: &mut Page,
        patience: Patience,
    ) -> Result<Option<u64>, LogError> {
        self.shared.read_stretch(log, range, forwards, page, patience)
    }

    /// Says that these records will be read, so that the disk can fetch them together; without patience it leaves
    /// out those of segments that would have to be opened.
    pub fn will_read(
        &self,
        log: LogKind,
        positions: impl Iterator<Item = u64>,
        patience: Patience,
    ) -> Result<(), LogError> {
        self.shared.will_read(log, positions, patience)
    }

    /// Returns when the first event from a position on, up to `high`, was recorded.
    pub fn recorded_at(&self, log: LogKind, position: u64, high: u64) -> Result<Option<Timestamp>, LogError> {
        self.shared.recorded_at(log, position, high)
    }

    /// Returns the marks whose names begin with `prefix`, those that expired left out.
    pub fn marks(&self, scope: &TenantScope, prefix: &str, now: Timestamp) -> Vec<Mark> {
        self.shared.state.read().marks(scope, prefix, now)
    }

    /// Returns whose events there are.
    pub fn tenants(&self) -> Vec<Tenant> {
        self.shared.state.read().tenants().cloned().collect()
    }
}
