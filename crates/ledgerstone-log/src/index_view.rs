//! The index as readers see it: runs beside closed segments, and tails in memory for what has none yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use ledgerstone_core::{Code, LogKind};
use parking_lot::RwLock;

use crate::alarm::Alarm;
use crate::failure::LogError;
use crate::index::{IndexError, Run};
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
    pub(crate) standing: Arc<Standing>,
}

/// Whether a run is relied on.
#[derive(Debug, Default)]
pub(crate) struct Standing(AtomicU8);

const CONDEMNED: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Standing {
    /// Says that the run is damaged; tells whether nobody had said so before.
    fn condemn(&self) -> bool {
        self.0.compare_exchange(0, CONDEMNED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Tells whether the run is damaged and may still be made again.
    pub(crate) fn is_condemned(&self) -> bool {
        self.0.load(Ordering::Acquire) == CONDEMNED
    }

    /// Says that it is to be seen again whether the run is damaged.
    pub(crate) fn acquit(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Says that the run cannot be made again.
    pub(crate) fn give_up(&self) {
        self.0.store(GIVEN_UP, Ordering::Release);
    }

    fn is_sound(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// The index over a whole log: runs and then tails, each covering what follows the one before.
///
/// Where a run is damaged, a view answers with everything that may be there, as nobody trusts it over the log, and
/// the run is made again. A view stays as it is while the log goes on, but for what its newest tail still learns.
#[derive(Debug, Clone, Default)]
pub struct IndexView {
    runs: Vec<SegmentRun>,
    tails: Vec<Arc<RwLock<Tail>>>,
    alarm: Alarm,
}

/// The newest view.
#[derive(Debug, Default)]
pub(crate) struct Index {
    view: Arc<IndexView>,
}

impl Index {
    pub(crate) fn new(runs: Vec<SegmentRun>, tails: Vec<Arc<RwLock<Tail>>>) -> Self {
        Self { view: Arc::new(IndexView { runs, tails, alarm: Alarm::default() }) }
    }

    pub(crate) fn view(&self) -> Arc<IndexView> {
        Arc::clone(&self.view)
    }

    /// Returns the alarm that is raised where a run is damaged.
    pub(crate) fn alarm(&self) -> Alarm {
        self.view.alarm.clone()
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

    /// Puts runs in the place of one that covers the same.
    pub(crate) fn replace_run(&mut self, old: &SegmentRun, made: Vec<SegmentRun>) {
        let view = Arc::make_mut(&mut self.view);
        if let Some(at) = view.runs.iter().position(|run| Arc::ptr_eq(&run.run, &old.run)) {
            view.runs.splice(at..=at, made);
        }
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

    /// Says that a run is damaged, so that nobody looks into it any more until it was made again.
    pub(crate) fn condemn(&self, run: &SegmentRun, error: &IndexError) {
        if run.standing.condemn() {
            tracing::error!(
                code = %Code::Corrupt, %error, index = run.name,
                "an index is damaged; it is made again, and reads go through the log meanwhile"
            );
            self.alarm.raise();
        }
    }

    /// Looks into a run; nothing if it is damaged.
    fn ask<T>(
        &self,
        run: &SegmentRun,
        look: impl FnOnce(&Run) -> Result<T, IndexError>,
    ) -> Result<Option<T>, LogError> {
        if !run.standing.is_sound() {
            return Ok(None);
        }
        match look(&run.run) {
            Ok(found) => Ok(Some(found)),
            Err(IndexError::WouldWait) => Err(LogError::WouldWait),
            Err(error) => {
                self.condemn(run, &error);
                Ok(None)
            }
        }
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
            let more =
                self.ask(run, |run| run.positions(term, (low, high), forwards, room, patience, found))?;
            let more = more
                .unwrap_or_else(|| everything((low.max(before + 1), high.min(last)), forwards, room, found));
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

    /// Returns the newest position of a term, and its revision where that is known; where a run is damaged, a
    /// position up to which there may be one.
    pub fn newest(&self, term: u64, patience: Patience) -> Result<Option<(u64, Option<u64>)>, LogError> {
        for tail in self.tails.iter().rev() {
            if let Some(newest) = tail.read().newest(term) {
                return Ok(Some(newest));
            }
        }
        for run in self.runs.iter().rev().filter(|run| run.run.may_hold_term(term)) {
            match self.ask(run, |run| run.newest(term, patience))? {
                Some(None) => {}
                Some(newest) => return Ok(newest),
                None => {
                    let last = |log| run.run.covers().of(log).1;
                    return Ok(Some((last(LogKind::Application).max(last(LogKind::System)), None)));
                }
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
            if let Some(position) = self.ask(run, |run| run.position_of(term, revision, patience))?.flatten()
            {
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
            if self.ask(run, |run| run.ids(key, patience, found))?.is_none() {
                for log in [LogKind::Application, LogKind::System] {
                    let (before, last) = run.run.covers().of(log);
                    found.extend((before + 1..=last).rev().map(|position| (log, position)));
                }
            }
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

/// Adds every position of a stretch, at most `room`; tells whether there are more.
fn everything((low, high): (u64, u64), forwards: bool, room: usize, found: &mut Vec<u64>) -> bool {
    if low > high {
        return false;
    }
    let all = high - low + 1;
    let room = all.min(room as u64);
    if forwards {
        found.extend(low..low + room);
    } else {
        found.extend((high + 1 - room..=high).rev());
    }
    room < all
}
