//! A reading in progress: the plan of a selection, and its frames one after another.

use ledgerstone_core::{BackendError, Frame, LogKind, Position, Revision, Selection, TenantScope};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::cursor::{Cursor, FRAME_BYTES, FRAME_EVENTS};
use crate::plan::{Effort, Planner, Source, Walk};
use crate::sqlite::events::lists::{List, Lists, decode, horizon};
use crate::sqlite::events::records::{PageBuilder, as_sql, compact, damaged, table};
use crate::sqlite::events::shared::Shared;
use crate::sqlite::failure::failed;

/// How many pages are looked through before a frame is handed out in which little matched.
const ROUNDS: usize = if cfg!(test) { 2 } else { 16 };
/// Below this revision a stream is read from its beginning rather than searched.
const NEAR: u64 = if cfg!(test) { 2 } else { 32 };
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
        let mut budget = Budget::default();
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
        let mut budget = Budget::default();
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
        budget.bytes += kept.iter().map(|event| event.as_bytes().len()).sum::<usize>();
        budget.rounds += 1;
        Ok(())
    }

    /// Turns times and revisions into positions.
    fn narrow(&mut self, shared: &Shared, connection: &Connection) -> Result<(), BackendError> {
        let selection = self.cursor.selection.clone();
        let span = selection.recorded;
        if let Some(from) = span.from {
            let low = self.first_recorded(connection, from)?;
            self.cursor.narrow(low, u64::MAX);
        }
        if let Some(to) = span.to {
            let high = self.first_recorded(connection, to)?;
            self.cursor.narrow(0, high.saturating_sub(1));
        }
        let (TenantScope::One(tenant), Some(stream)) = (&selection.tenant, selection.query.as_stream())
        else {
            return Ok(());
        };
        let find = |revision: Revision| {
            let term = shared.hasher.stream(selection.log, tenant.as_str(), stream.as_str());
            position_of(shared, connection, selection.log, term, revision.0)
        };
        if let Some(from) = selection.from_revision.filter(|from| from.0 >= NEAR) {
            if let Some(low) = find(from)? {
                self.cursor.narrow(low, u64::MAX);
            } else if let Some(newest) = find(Revision(from.0 - 1))? {
                // Whoever asks for what follows the newest event asks whether there is any.
                self.cursor.narrow(newest + 1, u64::MAX);
            }
        }
        if let Some(to) = selection.to_revision
            && let Some(high) = find(to)?
        {
            self.cursor.narrow(0, high);
        }
        self.removed_below = self.removed(find)?;
        Ok(())
    }

    /// Returns below which position everything of the stream is removed, as far as that is easily told.
    fn removed(
        &self,
        find: impl Fn(Revision) -> Result<Option<u64>, BackendError>,
    ) -> Result<u64, BackendError> {
        let selection = &self.cursor.selection;
        let exact = selection.to_revision.is_none()
            && selection.from_revision.is_none()
            && selection.occurred.is_all()
            && selection.log == LogKind::Application;
        let removal = self.cursor.removal();
        match removal {
            Some(removal) if exact && removal.tombstoned => Ok(u64::MAX),
            Some(removal) if exact => Ok(find(removal.floor())?.unwrap_or_default()),
            _ => Ok(0),
        }
    }

    /// Returns the first position that was recorded at `time` or later, or what follows the highest.
    fn first_recorded(
        &self,
        connection: &Connection,
        time: ledgerstone_core::Timestamp,
    ) -> Result<u64, BackendError> {
        let table = table(self.cursor.selection.log);
        let (mut low, mut high) = (self.cursor.low, self.cursor.high.saturating_add(1));
        while low < high {
            let middle = low + (high - low) / 2;
            // Nothing stands there or later where the newest events were removed before a restore.
            if table.recorded_at(connection, middle)?.is_none_or(|recorded| recorded >= time) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }
}

/// How much more goes into a frame.
#[derive(Debug, Default)]
struct Budget {
    rounds: usize,
    bytes: usize,
}

impl Budget {
    fn goes_on(&self, frame: &Frame) -> bool {
        self.rounds < ROUNDS
            && self.bytes < FRAME_BYTES
            && frame.events.len() < FRAME_EVENTS
            && frame.holes.len() < FRAME_EVENTS
    }

    fn bytes_left(&self) -> usize {
        FRAME_BYTES.saturating_sub(self.bytes)
    }

    fn events_left(&self, cursor: &Cursor) -> usize {
        usize::try_from(cursor.left()).unwrap_or(FRAME_EVENTS).min(FRAME_EVENTS)
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
