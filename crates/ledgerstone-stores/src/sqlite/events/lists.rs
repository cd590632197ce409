//! The lists of positions that the tables have, and what the tail adds to them.

use ledgerstone_core::BackendError;
use rusqlite::{Connection, params};

use crate::plan::{self, Index, Key, Source, Walk};
use crate::sqlite::events::postings::Block;
use crate::sqlite::events::records::{as_sql, from_sql};
use crate::sqlite::events::tail::Tail;
use crate::sqlite::failure::{corrupt, failed};

/// How many positions of a list are taken from the tail at once.
const TAIL_POSITIONS: usize = if cfg!(test) { 12 } else { 4096 };
/// How many blocks are fetched at once.
const BLOCKS: usize = if cfg!(test) { 2 } else { 16 };

const FORWARDS: &str = "SELECT first, positions FROM postings WHERE term = ?1 AND first BETWEEN \
    coalesce((SELECT max(first) FROM postings WHERE term = ?1 AND first <= ?2), ?2) AND ?3 \
    ORDER BY first LIMIT ?4";
const BACKWARDS: &str = "SELECT first, positions FROM postings WHERE term = ?1 AND first BETWEEN ?2 AND ?3 \
    ORDER BY first DESC LIMIT ?4";

/// The index of one count, for one walk.
#[derive(Debug)]
pub(crate) struct Lists<'a> {
    pub(crate) tail: &'a Tail,
    pub(crate) walk: Walk,
}

impl Index for Lists<'_> {
    type List = List;

    fn list(&self, key: Key) -> List {
        let Walk { low, high, forwards } = self.walk;
        let (tail, cut) = self.tail.positions(key, (low, high), forwards, TAIL_POSITIONS);
        let (Key::Stream(term) | Key::Term(term)) = key;
        // Where the tail has more than was taken, the walk ends after the last one that was.
        let horizon = if cut { tail.last().map(|last| self.walk.key(*last)) } else { None };
        List {
            term: term.cast_signed(),
            walk: Walk { high: high.min(self.tail.indexed()), ..self.walk },
            tail: tail.into_iter().map(|position| self.walk.key(position)).collect(),
            buffer: Vec::new(),
            at: 0,
            at_tail: 0,
            fetched: false,
            horizon: horizon.unwrap_or(u64::MAX),
        }
    }
}

/// Returns the last key up to which a source knows everything.
pub(crate) fn horizon(source: &Source<List>) -> u64 {
    let mut horizon = u64::MAX;
    source.each(&mut |list| horizon = horizon.min(list.horizon));
    horizon
}

/// One list of positions: blocks from the table, and what the tail adds.
#[derive(Debug)]
pub(crate) struct List {
    term: i64,
    /// What the table is asked for.
    walk: Walk,
    /// Keys from the tail.
    tail: Vec<u64>,
    at_tail: usize,
    /// Keys from the table.
    buffer: Vec<u64>,
    at: usize,
    /// Whether the table has no more.
    fetched: bool,
    horizon: u64,
}

impl plan::List for List {
    type Look<'a> = &'a Connection;
    type Error = BackendError;

    fn seek(&mut self, connection: &Connection, key: u64) -> Result<Option<u64>, BackendError> {
        let skipped = self.tail.get(self.at_tail..).unwrap_or_default().partition_point(|held| *held < key);
        self.at_tail += skipped;
        let in_tail = self.tail.get(self.at_tail).copied();
        // Backwards, the tail comes first.
        if !self.walk.forwards && in_tail.is_some() {
            return Ok(in_tail);
        }
        loop {
            let skipped = self.buffer.get(self.at..).unwrap_or_default().partition_point(|held| *held < key);
            self.at += skipped;
            if let Some(held) = self.buffer.get(self.at) {
                return Ok(Some(*held));
            }
            if self.fetched {
                return Ok(in_tail);
            }
            self.fetch(connection, key)?;
        }
    }
}

impl List {
    /// Fetches the next blocks that may hold `key` or what follows it.
    fn fetch(&mut self, connection: &Connection, key: u64) -> Result<(), BackendError> {
        let walk = self.walk;
        let from = walk.position(key);
        self.buffer.clear();
        self.at = 0;
        let (low, high) =
            if walk.forwards { (from.max(walk.low), walk.high) } else { (0, from.min(walk.high)) };
        if low > high || walk.low > walk.high {
            self.fetched = true;
            return Ok(());
        }
        let sql = if walk.forwards { FORWARDS } else { BACKWARDS };
        let mut statement = connection.prepare_cached(sql).map_err(failed("look up"))?;
        let keys = params![self.term, as_sql(low), as_sql(high), BLOCKS as i64];
        let mut rows = statement.query(keys).map_err(failed("look up"))?;
        let mut blocks = 0;
        while let Some(row) = rows.next().map_err(failed("look up"))? {
            blocks += 1;
            let block = decode(row)?;
            let first = block.positions.first().copied().unwrap_or_default();
            let inside = block.positions.into_iter().filter(|at| (walk.low..=walk.high).contains(at));
            if walk.forwards {
                self.buffer.extend(inside);
            } else {
                let from = self.buffer.len();
                self.buffer.extend(inside.map(|at| walk.key(at)));
                if let Some(block) = self.buffer.get_mut(from..) {
                    block.reverse();
                }
                self.fetched |= first <= walk.low;
            }
        }
        self.fetched |= blocks < BLOCKS;
        Ok(())
    }
}

/// Decodes a row of first position and block.
pub(crate) fn decode(row: &rusqlite::Row<'_>) -> Result<Block, BackendError> {
    let first = from_sql(row.get(0).map_err(failed("look up"))?);
    let bytes = row.get_ref(1).map_err(failed("look up"))?;
    let block = bytes.as_blob().ok().and_then(|bytes| Block::decode(first, bytes));
    block.ok_or_else(|| corrupt("look up", format_args!("the index before position {first} is damaged")))
}
