//! A reading in progress: the plan of a selection, and its frames one after another.

use ledgerstone_core::{Frame, Position, Revision, Selection, StreamId, Tenant, TenantScope};
use ledgerstone_log::{LogError, Page, Patience};

use crate::budget::Budget;
use crate::cursor::{Cursor, FRAME_EVENTS};
use crate::file::lists::{List, Lists};
use crate::file::shared::Shared;
use crate::plan::{Effort, Planner, Source, Walk};

/// How many events a frame has at most that is read on the caller's own thread.
const AT_ONCE: usize = 128;

/// A reading of one selection.
#[derive(Debug)]
pub(crate) struct Reading {
    cursor: Cursor,
    /// Whether the bounds of the selection were turned into positions.
    narrowed: bool,
    /// Whether the disk was told what will be looked up next.
    announced: bool,
    /// The first of the events that the disk was told of last.
    fetched: Option<u64>,
    /// Below this position the one stream that is read has lost everything.
    removed_below: u64,
}

impl Reading {
    pub(crate) fn new(cursor: Cursor) -> Self {
        Self { cursor, narrowed: false, announced: false, fetched: None, removed_below: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.cursor.is_done()
    }

    /// Tells whether the first frame may be read without waiting: the index leads to few events, probably, and no times
    /// have to be found in the log, which is never done without.
    pub(crate) fn may_be_quick(&self) -> bool {
        let Selection { query, recorded, .. } = &self.cursor.selection;
        recorded.is_all() && (!query.is_all() || self.cursor.left() <= AT_ONCE as u64)
    }

    /// Tells whether it takes all events as they stand.
    pub(crate) fn is_in_order(&self) -> bool {
        let Selection { query, occurred, .. } = &self.cursor.selection;
        query.is_all() && occurred.is_all()
    }

    /// Reads the next frame, or fails with [`LogError::WouldWait`] without having moved.
    pub(crate) fn frame(&mut self, shared: &Shared, patience: Patience) -> Result<Frame, LogError> {
        if !self.narrowed && !self.cursor.is_done() {
            self.narrow(shared, patience)?;
            self.narrowed = true;
        }
        let mut frame = Frame::default();
        if !self.cursor.is_done() {
            match self.plan(shared) {
                None => self.scan(shared, patience, &mut frame)?,
                Some(source) => self.walk(shared, patience, source, &mut frame)?,
            }
        }
        self.cursor.finish(&mut frame);
        Ok(frame)
    }

    /// Tells the disk what the next frame looks up first, which it fetches while another thread is woken to
    /// wait for it.
    pub(crate) fn announce(&mut self, shared: &Shared) {
        if self.narrowed
            && !self.announced
            && !self.cursor.is_done()
            && let Some(source) = self.plan(shared)
        {
            source.each(&mut List::will_be_read);
            self.announced = true;
        }
    }

    /// Returns which lists lead to what is selected; nothing means that every event has to be looked at.
    fn plan(&self, shared: &Shared) -> Option<Source<List>> {
        let Selection { tenant, query, log, .. } = &self.cursor.selection;
        let index = shared.reader.index();
        let tenants = if *tenant == TenantScope::All { shared.reader.tenants() } else { Vec::new() };
        let lists = Lists { index: &index, log: *log, walk: self.way() };
        let hasher = shared.reader.hasher();
        Planner { hasher, log: *log, tenants: &tenants, index: lists, effort: Effort::Brief }
            .plan(tenant, query)
    }

    fn way(&self) -> Walk {
        Walk { low: self.cursor.low, high: self.cursor.high, forwards: self.cursor.forwards() }
    }

    /// Looks at every event, in the order of the log.
    fn scan(&mut self, shared: &Shared, patience: Patience, frame: &mut Frame) -> Result<(), LogError> {
        let selective = !self.is_in_order();
        let log = self.cursor.selection.log;
        let mut budget = if selective { budget(patience) } else { Budget::of(FRAME_EVENTS) };
        while budget.goes_on(frame) && !self.cursor.is_done() {
            let most = if selective { FRAME_EVENTS } else { budget.events_left(&self.cursor) };
            let mut page = Page::new(most, budget.bytes_left());
            let (range, forwards) = (self.cursor.low..=self.cursor.high, self.cursor.forwards());
            let next = match shared.reader.read_stretch(log, range, forwards, &mut page, patience) {
                Err(LogError::WouldWait) if budget.is_begun() => return Ok(()),
                next => next?,
            };
            self.offer(shared, page, frame, &mut budget);
            if self.cursor.left() > 0 {
                match (next, forwards) {
                    (None, _) => self.cursor.exhausted(),
                    (Some(next), true) => self.cursor.passed(next.saturating_sub(1)),
                    (Some(next), false) => self.cursor.passed(next.saturating_add(1)),
                }
            }
        }
        Ok(())
    }

    /// Looks at the events that the plan names.
    fn walk(
        &mut self,
        shared: &Shared,
        patience: Patience,
        mut source: Source<List>,
        frame: &mut Frame,
    ) -> Result<(), LogError> {
        let walk = self.way();
        if patience == Patience::Wait && !std::mem::take(&mut self.announced) {
            source.each(&mut List::will_be_read);
        }
        let mut key = walk.first();
        let mut budget = budget(patience);
        let mut ended = false;
        while !ended && budget.goes_on(frame) && !self.cursor.is_done() {
            let mut found = Found::new(budget.bytes_left());
            let most = budget.events_left(&self.cursor);
            let read = self.find(shared, patience, (&mut source, &mut key, walk), most, &mut found);
            match read {
                Err(LogError::WouldWait) if budget.is_begun() => return Ok(()),
                read => ended = read?,
            }
            if walk.forwards {
                self.pass(&found.gone, frame);
            }
            self.offer(shared, found.page, frame, &mut budget);
            if !walk.forwards {
                self.pass(&found.gone, frame);
            }
            // A damaged index names positions at which nothing stands.
            if self.cursor.left() > 0 && key > walk.first() {
                self.cursor.passed(walk.position(key - 1));
            }
        }
        if ended && self.cursor.left() > 0 {
            self.cursor.exhausted();
        }
        Ok(())
    }

    /// Reads up to so many of the events that the plan names next; tells whether there are no more.
    fn find(
        &mut self,
        shared: &Shared,
        patience: Patience,
        (source, key, walk): (&mut Source<List>, &mut u64, Walk),
        most: usize,
        found: &mut Found,
    ) -> Result<bool, LogError> {
        let log = self.cursor.selection.log;
        let (mut candidates, mut ended) = (Vec::new(), false);
        while candidates.len() < most && found.gone.len() < FRAME_EVENTS {
            let next = source.seek(patience, *key)?.filter(|next| *next <= walk.last());
            let Some(next) = next else {
                ended = true;
                break;
            };
            *key = next + 1;
            let position = walk.position(next);
            let list = if position < self.removed_below { &mut found.gone } else { &mut candidates };
            list.push(position);
        }
        if patience == Patience::Wait && candidates.len() > 1 {
            self.fetch(shared, patience, &candidates)?;
        }
        for position in &candidates {
            if found.page.is_full() {
                *key = walk.key(*position);
                if !walk.forwards {
                    found.gone.clear();
                }
                return Ok(false);
            }
            let read = shared.reader.read(log, Position(*position), &mut found.page, patience);
            if matches!(read, Err(LogError::WouldWait)) {
                self.fetch(shared, patience, &candidates)?;
            }
            read?;
        }
        Ok(ended)
    }

    /// Tells the disk which events are read next, once.
    fn fetch(&mut self, shared: &Shared, patience: Patience, events: &[u64]) -> Result<(), LogError> {
        let first = events.first().copied();
        if std::mem::replace(&mut self.fetched, first) == first {
            return Ok(());
        }
        shared.reader.will_read(self.cursor.selection.log, events.iter().copied(), patience)
    }

    /// Passes events that are known to be removed without having been read.
    fn pass(&mut self, gone: &[u64], frame: &mut Frame) {
        for position in gone {
            self.cursor.hole(frame, Position(*position));
            self.cursor.passed(*position);
        }
    }

    fn offer(&mut self, shared: &Shared, page: Page, frame: &mut Frame, budget: &mut Budget) {
        let from = frame.events.len();
        let removals = shared.removals.read();
        for event in page.finish() {
            if self.cursor.left() == 0 {
                break;
            }
            let removal = removals.of(&event);
            self.cursor.offer(frame, event, removal);
        }
        budget.spend(frame.events.get(from..).unwrap_or_default());
    }

    /// Turns times and revisions into positions.
    fn narrow(&mut self, shared: &Shared, patience: Patience) -> Result<(), LogError> {
        let log = self.cursor.selection.log;
        let find = |tenant: &Tenant, stream: &StreamId, revision: Revision| {
            let term = shared.reader.hasher().stream(log, tenant.as_str(), stream.as_str());
            shared.reader.index().position_of(term, revision.0, patience)
        };
        self.removed_below = self.cursor.removed_below(find)?;
        if patience == Patience::OnlyCached && !self.cursor.selection.recorded.is_all() {
            return Err(LogError::WouldWait);
        }
        let high = self.cursor.high;
        self.cursor.narrow_to_times(|position| shared.reader.recorded_at(log, position, high))?;
        self.cursor.narrow_to_revisions(find)
    }
}

/// What a part of a walk has come upon.
#[derive(Debug)]
struct Found {
    page: Page,
    /// Events that are known to be removed, and were not read.
    gone: Vec<u64>,
}

impl Found {
    fn new(bytes: usize) -> Self {
        Self { page: Page::new(usize::MAX, bytes), gone: Vec::new() }
    }
}

fn budget(patience: Patience) -> Budget {
    Budget::of(if patience == Patience::OnlyCached { AT_ONCE } else { FRAME_EVENTS })
}
