//! Merging: the oldest full run of the tail goes into the tables, a few rows with every commit.

use ledgerstone_core::{BackendError, LogKind};
use rusqlite::{Connection, params};

use crate::sqlite::events::id_index::{IdRow, encode_ids, number, ordered};
use crate::sqlite::events::postings::encode_blocks;
use crate::sqlite::events::records::as_sql;
use crate::sqlite::events::tail::{RUN, Run, Slots};
use crate::sqlite::failure::failed;

/// How many rows are merged with a commit at least.
const LEAST_ROWS: usize = if cfg!(test) { 3 } else { 16 };

const PUT_POSTING: &str = "INSERT OR REPLACE INTO postings (term, first, positions) VALUES (?1, ?2, ?3)";
const PUT_IDS: &str = "INSERT OR REPLACE INTO event_ids (run, first, ids) VALUES (?1, ?2, ?3)";
const PUT_INDEXED: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";

/// A run on its way into the tables, in the order of their keys.
#[derive(Debug)]
pub(crate) struct Merge {
    log: LogKind,
    base: u64,
    rows: Vec<(i64, u64, std::ops::Range<usize>)>,
    bytes: Vec<u8>,
    pub(crate) ids: Vec<IdRow>,
    next_row: usize,
    next_id: usize,
}

/// The name in `meta` of how far the tables know a count.
pub(crate) fn indexed_name(log: LogKind) -> &'static str {
    match log {
        LogKind::Application => "indexed",
        LogKind::System => "indexed_system",
    }
}

impl Merge {
    /// Sorts a run that begins after `base`.
    pub(crate) fn new(log: LogKind, base: u64, run: &Run) -> Self {
        let mut rows = Vec::with_capacity(run.streams.len() + run.terms.len());
        let mut bytes = Vec::with_capacity(rows.capacity() * 4);
        let mut add = |term: u64, slots: &Slots, first_revision: Option<u64>| {
            let positions = slots.as_slice().iter().map(|slot| base + 1 + u64::from(*slot));
            encode_blocks(positions, first_revision, |first, block| {
                let from = bytes.len();
                bytes.extend_from_slice(block);
                rows.push((term.cast_signed(), first, from..bytes.len()));
            });
        };
        run.streams.iter().for_each(|(term, stream)| add(*term, &stream.slots, stream.first_revision));
        run.terms.iter().for_each(|(term, slots)| add(*term, slots, None));
        rows.sort_unstable_by_key(|(term, first, _)| (*term, *first));
        Self { log, base, rows, bytes, ids: encode_ids(run), next_row: 0, next_id: 0 }
    }

    /// Returns how many rows to merge beside `events` new events, so that a run is done by half of the next.
    pub(crate) fn quota(&self, events: usize) -> usize {
        (self.rows.len() + self.ids.len()) * events * 2 / RUN as usize + LEAST_ROWS
    }

    /// Writes the next rows, and with the last of them how far the tables reach now.
    pub(crate) fn step(&mut self, connection: &Connection, quota: usize) -> Result<(), BackendError> {
        let ids = self.ids.iter().skip(self.next_id).take(quota);
        let mut put = connection.prepare_cached(PUT_IDS).map_err(failed("merge the index"))?;
        let run = as_sql(number(self.log, self.base));
        for (first, block) in ids {
            put.execute(params![run, ordered(*first), block]).map_err(failed("merge the index"))?;
            self.next_id += 1;
        }
        let rows = self.rows.iter().skip(self.next_row).take(quota);
        let mut put = connection.prepare_cached(PUT_POSTING).map_err(failed("merge the index"))?;
        for (term, first, block) in rows {
            let block = self.bytes.get(block.clone()).unwrap_or_default();
            put.execute(params![term, as_sql(*first), block]).map_err(failed("merge the index"))?;
            self.next_row += 1;
        }
        if self.is_complete() {
            let indexed = params![indexed_name(self.log), as_sql(self.base + RUN)];
            let mut put = connection.prepare_cached(PUT_INDEXED).map_err(failed("merge the index"))?;
            put.execute(indexed).map_err(failed("merge the index"))?;
        }
        Ok(())
    }

    /// Tells whether every row was written.
    pub(crate) fn is_complete(&self) -> bool {
        self.next_row == self.rows.len() && self.next_id == self.ids.len()
    }

    /// Returns the count that the run belongs to, and the position before its first.
    pub(crate) fn place(&self) -> (LogKind, u64) {
        (self.log, self.base)
    }
}
