//! The index as readers see it: runs beside closed segments, and tails in memory for what has none yet.

use std::sync::Arc;

use ledgerstone_core::LogKind;
use parking_lot::RwLock;

use crate::failure::LogError;
use crate::index::Run;
use crate::reader::Patience;
use crate::tail::Tail;

/// A run, and which segments it covers.
#[derive(Debug, Clone)]
pub(crate) struct SegmentRun {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// How many segments.
    pub(crate) segments: usize,
    pub(crate) name: String,
    pub(crate) run: Arc<Run>,
}

/// The index over a whole log: runs and then tails, each covering what follows the one before.
///
/// A view stays as it is while the log goes on, but for what its newest tail still learns.
#[derive(Debug, Clone, Default)]
pub struct IndexView {
    runs: Vec<SegmentRun>,
    tails: Vec<Arc<RwLock<Tail>>>,
}

/// The newest view.
#[derive(Debug, Default)]
pub(crate) struct Index {
    view: Arc<IndexView>,
}

impl Index {
    pub(crate) fn new(runs: Vec<SegmentRun>, tails: Vec<Arc<RwLock<Tail>>>) -> Self {
        Self { view: Arc::new(IndexView { runs, tails }) }
    }

    pub(crate) fn view(&self) -> Arc<IndexView> {
        Arc::clone(&self.view)
    }

    /// Adds the tail of a new segment.
    pub(crate) fn push_tail(&mut self, tail: Arc<RwLock<Tail>>) {
        Arc::make_mut(&mut self.view).tails.push(tail);
    }

    /// Puts a run in the place of the tail that it was made of, which is the oldest.
    pub(crate) fn replace_tail(&mut self, tail: &Arc<RwLock<Tail>>, run: SegmentRun) {
        let view = Arc::make_mut(&mut self.view);
        view.runs.push(run);
        view.tails.retain(|held| !Arc::ptr_eq(held, tail));
    }

    /// Puts a merged run in the place of those that it was made of.
    pub(crate) fn replace_runs(&mut self, merged: SegmentRun) {
        let view = Arc::make_mut(&mut self.view);
        let inside = |run: &SegmentRun| merged.first <= run.first && run.last <= merged.last;
        let at = view.runs.iter().position(inside).unwrap_or(view.runs.len());
        view.runs.retain(|run| !inside(run));
        view.runs.insert(at, merged);
    }
}

impl IndexView {
    pub(crate) fn runs(&self) -> &[SegmentRun] {
        &self.runs
    }

    /// Adds positions of a term between `low` and `high`, in order or from the end, about `limit` of them;
    /// tells whether there may be more.
    pub fn positions(
        &self,
        (log, term): (LogKind, u64),
        (low, high): (u64, u64),
        forwards: bool,
        limit: usize,
        patience: Patience,
        found: &mut Vec<u64>,
    ) -> Result<bool, LogError> {
        let most = found.len() + limit;
        let in_run = |run: &SegmentRun, found: &mut Vec<u64>| {
            let (before, last) = run.run.covers().of(log);
            if last < low || before >= high {
                return Ok::<_, LogError>(false);
            }
            let room = most.saturating_sub(found.len());
            let more = run.run.positions(term, (low, high), forwards, room, patience, found)?;
            Ok(more || found.len() >= most)
        };
        let in_tail = |tail: &RwLock<Tail>, found: &mut Vec<u64>| {
            let room = most.saturating_sub(found.len());
            let more = tail.read().positions(term, (low, high), forwards, room, found);
            more || found.len() >= most
        };
        if forwards {
            for run in &self.runs {
                if in_run(run, found)? {
                    return Ok(true);
                }
            }
            return Ok(self.tails.iter().any(|tail| in_tail(tail, found)));
        }
        if self.tails.iter().rev().any(|tail| in_tail(tail, found)) {
            return Ok(true);
        }
        for run in self.runs.iter().rev() {
            if in_run(run, found)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tells whether a term may have positions between `low` and `high`, without reading anything; it says
    /// so wrongly about once in a hundred for each run, never the other way round.
    pub fn may_hold(&self, (log, term): (LogKind, u64), (low, high): (u64, u64)) -> bool {
        let in_tail = |tail: &Arc<RwLock<Tail>>| {
            let tail = tail.read();
            tail.head().of(log).0 >= low && tail.newest(term).is_some_and(|(newest, _)| newest >= low)
        };
        let in_run = |run: &SegmentRun| {
            let (before, last) = run.run.covers().of(log);
            last >= low && before < high && run.run.may_hold_term(term)
        };
        self.tails.iter().any(in_tail) || self.runs.iter().any(in_run)
    }

    /// Returns the newest position of a term, and its revision where that is known.
    pub fn newest(&self, term: u64, patience: Patience) -> Result<Option<(u64, Option<u64>)>, LogError> {
        for tail in self.tails.iter().rev() {
            if let Some(newest) = tail.read().newest(term) {
                return Ok(Some(newest));
            }
        }
        for run in self.runs.iter().rev().filter(|run| run.run.may_hold_term(term)) {
            if let Some(newest) = run.run.newest(term, patience)? {
                return Ok(Some(newest));
            }
        }
        Ok(None)
    }

    /// Returns where a revision of a stream stands, if the index can tell.
    pub fn position_of(&self, term: u64, revision: u64, patience: Patience) -> Result<Option<u64>, LogError> {
        for tail in self.tails.iter().rev() {
            if let Some(position) = tail.read().position_of(term, revision) {
                return Ok(Some(position));
            }
        }
        for run in self.runs.iter().rev().filter(|run| run.run.may_hold_term(term)) {
            if let Some(position) = run.run.position_of(term, revision, patience)? {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// Adds the places of events whose ids may have this key, newest first.
    pub fn ids(&self, key: u64, patience: Patience, found: &mut Vec<(LogKind, u64)>) -> Result<(), LogError> {
        for tail in self.tails.iter().rev() {
            tail.read().ids(key, found);
        }
        for run in self.runs.iter().rev().filter(|run| run.run.may_hold_id(key)) {
            run.run.ids(key, patience, found)?;
        }
        Ok(())
    }

    /// Says that a term will be looked up, so that the disk can fetch what is needed together.
    pub fn will_look_up(&self, term: u64) {
        for run in &self.runs {
            run.run.will_read(term);
        }
    }
}
