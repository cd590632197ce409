//! What the writer, the readers and the indexer share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerstone_core::{Heads, IdSource, LogIdentity, LogKind, Position};
use parking_lot::{Mutex, RwLock};

use crate::condition::Condition;
use crate::disk::Disk;
use crate::failure::LogError;
use crate::index_view::Index;
use crate::rebuilding::RebuildWatch;
use crate::scrubber::Scrub;
use crate::segment::{OpenSegment, Segment};
use crate::state::State;
use crate::terms::TermHasher;
use crate::warm_segments::WarmSegments;

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// About how large a segment grows.
    pub segment_bytes: u64,
    /// Whether a segment has its size before it is written to, rather than growing with each commit.
    pub presized: bool,
    /// How many bytes the tables of places of closed segments take in memory at most.
    pub places_bytes: usize,
    /// How many files of closed segments are kept open at most; one whose table is not in memory takes two.
    pub open_segments: usize,
    /// Whether indexes are written and merged on a thread of their own, or by the writer in turn.
    pub background: bool,
    /// How closed segments and indexes are looked at for damage, if they are.
    pub scrub: Option<Scrub>,
    /// Who is told how far it is if indexes have to be made again as the log opens.
    pub rebuild: RebuildWatch,
    /// Gives a new log its id, and segments what their checksums begin with.
    pub ids: Arc<dyn IdSource>,
}

impl Options {
    /// Takes what suits a machine that does other things as well.
    pub fn new(ids: Arc<dyn IdSource>) -> Self {
        let mebi = 1024 * 1024;
        Self {
            segment_bytes: 64 * mebi,
            presized: true,
            places_bytes: 96 * mebi as usize,
            open_segments: 256,
            background: true,
            scrub: None,
            rebuild: RebuildWatch::default(),
            ids,
        }
    }
}

/// What the writer, the readers and the indexer share.
///
/// The index may know a little more than what is durable: readers stop at the heads that they are given.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) identity: LogIdentity,
    pub(crate) seed: u64,
    /// In the order of their numbers; the last one grows.
    pub(crate) segments: RwLock<Vec<Arc<Segment>>>,
    pub(crate) warm: Mutex<WarmSegments>,
    pub(crate) index: RwLock<Index>,
    pub(crate) state: RwLock<State>,
    pub(crate) durable: RwLock<Heads>,
    pub(crate) condition: Mutex<Condition>,
    /// Held by who replaces or moves closed segments, one at a time.
    pub(crate) upkeep: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: Options,
        (identity, seed): (LogIdentity, u64),
        segments: Vec<Arc<Segment>>,
        (state, index, durable): (State, Index, Heads),
    ) -> Self {
        let warm = WarmSegments::new(options.places_bytes, options.open_segments);
        Self {
            disk,
            options,
            identity,
            seed,
            segments: RwLock::new(segments),
            warm: Mutex::new(warm),
            index: RwLock::new(index),
            state: RwLock::new(state),
            durable: RwLock::new(durable),
            condition: Mutex::new(Condition::default()),
            upkeep: Mutex::new(()),
        }
    }

    pub(crate) fn hasher(&self) -> TermHasher {
        TermHasher::new(self.seed)
    }

    /// Finds the segment that a position belongs to, and the last position of it that may be there.
    pub(crate) fn segment_of(&self, log: LogKind, position: u64) -> Option<(Arc<Segment>, Position)> {
        let segments = self.segments.read();
        let behind = segments.partition_point(|segment| segment.header.heads.of(log).0 < position);
        let segment = segments.get(behind.checked_sub(1)?)?;
        let last = segments.get(behind).map_or(Position(u64::MAX), |next| next.header.heads.of(log));
        Some((Arc::clone(segment), last))
    }

    /// Opens a segment and keeps it open for a while; `None` if that means waiting and it must not.
    pub(crate) fn warm(&self, segment: &Arc<Segment>, wait: bool) -> Result<Arc<OpenSegment>, LogError> {
        if let Some(open) = segment.opened() {
            return Ok(open);
        }
        if !wait {
            return Err(LogError::WouldWait);
        }
        let open = segment.open(&*self.disk)?;
        self.warm.lock().keep(segment, open.places.read().bytes());
        Ok(open)
    }

    /// Opens the newest closed segments ahead, as many as are kept open, so that no reader waits for that.
    ///
    /// What cannot be opened is left to the reader that needs it, who can say so.
    pub(crate) fn warm_up(&self, stop: &AtomicBool) {
        let closed: Vec<_> = self.segments.read().iter().rev().skip(1).map(Arc::clone).collect();
        let mut bytes = 0;
        for segment in closed.iter().take(self.options.open_segments / 2) {
            if bytes >= self.options.places_bytes / 4 * 3 || stop.load(Ordering::Relaxed) {
                return;
            }
            let Ok(open) = self.warm(segment, true) else { return };
            bytes += open.places.read().bytes();
        }
    }

    /// Puts a segment in the place of the one with its number, which readers that hold it go on reading.
    pub(crate) fn replace(&self, segment: &Arc<Segment>) {
        let mut segments = self.segments.write();
        let held = segments.iter_mut().find(|held| held.header.number == segment.header.number);
        let Some(held) = held else { return };
        let old = std::mem::replace(held, Arc::clone(segment));
        drop(segments);
        self.warm.lock().forget(&old);
    }
}
