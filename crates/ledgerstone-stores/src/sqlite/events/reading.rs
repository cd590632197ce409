//! A reading in progress: the plan of a selection, and its frames one after another.

use ledgerstone_core::{BackendError, Frame, LogKind, Position, Revision, Selection, StreamId, Tenant};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::budget::Budget;
use crate::cursor::{Cursor, FRAME_EVENTS};
use crate::plan::{Effort, Planner, Source, Walk};
use crate::sqlite::events::lists::{List, Lists, decode, horizon};
use crate::sqlite::events::records::{PageBuilder, as_sql, compact, damaged, table};
use crate::sqlite::events::shared::Shared;
use crate::sqlite::failure::failed;

/// The row of a block that begins at a position or before it.
const FLOOR: &str =
    "SELECT first, positions FROM postings WHERE term = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";

/// A reading of one selection.
#[derive(Debug)]
pub(crate) struct Reading {
    cursor: Cursor,
    /// Whether the bounds of the selection were turned into positions.
    narrowed: bool,
    /// Below this position everything of the stream is removed.
    removed_below: u64,
}

impl Reading {
    pub(crate) fn new(cursor: Cursor) -> Self {
        Self { cursor, narrowed: false, removed_below: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.cursor.is_done()
    }

    /// Reads the next frame; it blocks.
    pub(crate) fn frame(&mut self, shared: &Shared, connection: &Connection) -> Result<Frame, BackendError> {
        if !self.narrowed && !self.cursor.is_done() {
            self.narrow(shared, connection)?;
            self.narrowed = true;
        }
        let mut frame = Frame::default();
        let walk = Walk { low: self.cursor.low, high: self.cursor.high, forwards: self.cursor.forwards() };
        if !self.cursor.is_done() {
            let Selection { tenant, query, log, .. } = &self.cursor.selection;
            let source = {
                let tail = shared.tail(*log).read();
                let tenants = shared.tenants.read();
                let (hasher, lists) = (shared.hasher, Lists { tail: &tail, walk });
                Planner { hasher, log: *log, tenants: &tenants, index: lists, effort: Effort::Brief }
                    .plan(tenant, query)
            };
            match source {
                None => self.scan(shared, connection, &mut frame)?,
                Some(source) => self.walk(shared, connection, walk, source, &mut frame)?,
            }
        }
        self.cursor.finish(&mut frame);
        Ok(frame)
    }

    /// Looks at every event, in the order of the log.
    fn scan(
        &mut self,
        shared: &Shared,
        connection: &Connection,
        frame: &mut Frame,
    ) -> Result<(), BackendError> {
        let table = table(self.cursor.selection.log);
        let selective = !self.cursor.selection.query.is_all() || !self.cursor.selection.occurred.is_all();
        let mut budget = Budget::of(FRAME_EVENTS);
        while budget.goes_on(frame) && !self.cursor.is_done() {
            let most = if selective { FRAME_EVENTS } else { budget.events_left(&self.cursor) };
            let mut page = PageBuilder::new(most, budget.bytes_left());
            table.scan(connection, (self.cursor.low, self.cursor.high), self.cursor.forwards(), &mut page)?;
            let more = page.is_full();
            self.offer(shared, page, frame, &mut budget)?;
            if !more && self.cursor.left() > 0 {
                self.cursor.exhausted();
            }
        }
        Ok(())
    }

    /// Looks at the events that the plan names.
    fn walk(
        &mut self,
        shared: &Shared,
        connection: &Connection,
        walk: Walk,
        mut source: Source<List>,
        frame: &mut Frame,
    ) -> Result<(), BackendError> {
        // One snapshot, begun after the plan was made: it may know more than the plan, never less.
        let snapshot = connection.unchecked_transaction().map_err(failed("read"))?;
        let connection = &*snapshot;
        let horizon = horizon(&source);
        let mut statement = table(self.cursor.selection.log).whole(connection)?;
        let mut key = walk.first();
        let mut budget = Budget::of(FRAME_EVENTS);
        let mut goes_on = true;
        while goes_on && budget.goes_on(frame) && !self.cursor.is_done() {
            let mut page = PageBuilder::new(budget.events_left(&self.cursor), budget.bytes_left());
            while !page.is_full() && frame.holes.len() < FRAME_EVENTS {
                let next = source.seek(connection, key)?.filter(|next| *next <= walk.last());
                let Some(next) = next.filter(|next| *next <= horizon) else {
                    goes_on = false;
                    break;
                };
                key = next + 1;
                let position = walk.position(next);
                if position < self.removed_below {
                    self.cursor.hole(frame, Position(position));
                    // A page never holds more than is wanted, so what it holds is offered all the same.
                    self.cursor.passed(position);
                    continue;
                }
                let mut rows = statement.query([as_sql(position)]).map_err(failed("read"))?;
                match rows.next().map_err(failed("read"))? {
                    Some(row) => page.push(row)?,
                    None => return Err(damaged(position, "it is not there")),
                }
            }
            self.offer(shared, page, frame, &mut budget)?;
        }
        if !goes_on && self.cursor.left() > 0 {
            match horizon {
                u64::MAX => self.cursor.exhausted(),
                horizon => self.cursor.passed(walk.position(horizon)),
            }
        }
        Ok(())
    }

    fn offer(
        &mut self,
        shared: &Shared,
        page: PageBuilder,
        frame: &mut Frame,
        budget: &mut Budget,
    ) -> Result<(), BackendError> {
        let events = page.finish()?;
        let (before, offered) = (frame.events.len(), events.len());
        let removals = shared.removals.read();
        for event in events {
            if self.cursor.left() == 0 {
                break;
            }
            let removal = removals.of(&event);
            self.cursor.offer(frame, event, removal);
        }
        let kept = frame.events.get_mut(before..).unwrap_or_default();
        if kept.len() * 4 < offered {
            compact(kept);
        }
        budget.spend(kept);
        Ok(())
    }

    /// Turns times and revisions into positions.
    fn narrow(&mut self, shared: &Shared, connection: &Connection) -> Result<(), BackendError> {
        let log = self.cursor.selection.log;
        let find = |tenant: &Tenant, stream: &StreamId, revision: Revision| {
            let term = shared.hasher.stream(log, tenant.as_str(), stream.as_str());
            position_of(shared, connection, log, term, revision.0)
        };
        self.cursor.narrow_to_times(|position| table(log).recorded_at(connection, position))?;
        self.cursor.narrow_to_revisions(find)?;
        self.removed_below = self.cursor.removed_below(find)?;
        Ok(())
    }
}

/// Finds where a revision of a stream stands, if the index can tell.
pub(super) fn position_of(
    shared: &Shared,
    connection: &Connection,
    log: LogKind,
    term: u64,
    revision: u64,
) -> Result<Option<u64>, BackendError> {
    let (found, indexed) = {
        let tail = shared.tail(log).read();
        (tail.position_of(term, revision), tail.indexed())
    };
    if found.is_some() {
        return Ok(found);
    }
    let mut statement = connection.prepare_cached(FLOOR).map_err(failed("look up"))?;
    let (mut low, mut high) = (1, indexed);
    while low <= high {
        let middle = low + (high - low) / 2;
        let keys = params![term.cast_signed(), as_sql(middle)];
        let block = statement.query_row(keys, |row| Ok(decode(row))).optional().map_err(failed("look up"))?;
        let Some(block) = block.transpose()? else {
            low = middle + 1;
            continue;
        };
        let Some(first_revision) = block.first_revision else { return Ok(None) };
        if let Some(position) = block.position_of(revision) {
            return Ok(Some(position));
        }
        let first = block.positions.first().copied().unwrap_or_default();
        let last = block.positions.last().copied().unwrap_or_default();
        if revision < first_revision {
            high = first.saturating_sub(1);
        } else {
            low = middle.max(last) + 1;
        }
    }
    Ok(None)
}
