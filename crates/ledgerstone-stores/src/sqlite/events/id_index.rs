//! The index over event ids, as it stands in the table `event_ids`.
//!
//! Each run of positions has sorted blocks of its own, so that writing them goes from left to right
//! whatever the ids look like. A lookup asks the runs whose keys may be among: for time-ordered ids one or
//! two of them, for random ids those whose filter does not say "certainly not here".

use ledgerstone_core::{BackendError, LogKind};
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::sqlite::events::filter::{Filter, filter_hash};
use crate::sqlite::events::records::{as_sql, from_sql};
use crate::sqlite::events::tail::{RUN, Run};
use crate::sqlite::failure::{corrupt, failed};

/// How many ids stand in a block: as many as fit into a cell of the tree without overflowing.
const BLOCK_IDS: usize = if cfg!(test) { 4 } else { 96 };
/// The bytes of an id's entry: eight of its key, two of its place in the run.
const ENTRY: usize = 10;

const BLOCKS_BEFORE: &str =
    "SELECT ids FROM event_ids WHERE run = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";
const BLOCKS: &str = "SELECT ids FROM event_ids WHERE run = ?1 ORDER BY first";
const FIRST_BLOCK: &str = "SELECT ids FROM event_ids WHERE run = ?1 ORDER BY first LIMIT 1";
const LAST_BLOCK: &str = "SELECT ids FROM event_ids WHERE run = ?1 ORDER BY first DESC LIMIT 1";
const NEXT_RUN: &str = "SELECT run FROM event_ids WHERE run > ?1 ORDER BY run LIMIT 1";

/// What is known in memory of the merged runs.
#[derive(Debug)]
pub(crate) struct IdIndex {
    runs: Vec<RunIds>,
    /// The smallest and the largest key of all runs.
    least: u64,
    most: u64,
}

#[derive(Debug)]
struct RunIds {
    run: u64,
    least: u64,
    most: u64,
    /// Which keys there may be between, where the ids are random.
    filter: Option<Filter>,
}

/// A row of the table: the smallest key in the block, and the block.
pub(crate) type IdRow = (u64, Vec<u8>);

impl Default for IdIndex {
    fn default() -> Self {
        Self { runs: Vec::new(), least: u64::MAX, most: 0 }
    }
}

impl IdIndex {
    /// Reads which ids there are.
    pub(crate) fn load(connection: &Connection) -> Result<Self, BackendError> {
        let mut index = Self::default();
        let mut next = connection.prepare_cached(NEXT_RUN).map_err(failed("open"))?;
        let mut last = -1_i64;
        while let Some(run) =
            next.query_row([last], |row| row.get::<_, i64>(0)).optional().map_err(failed("open"))?
        {
            last = run;
            let edges = [FIRST_BLOCK, LAST_BLOCK].map(|sql| edge_block(connection, sql, run));
            let [first, newest] = edges;
            let least = entries(&first?).next().map_or(0, |(key, _)| key);
            let most = entries(&newest?).last().map_or(u64::MAX, |(key, _)| key);
            let filter = if is_random(least, most) { Some(load_filter(connection, run)?) } else { None };
            index.push(RunIds { run: from_sql(run), least, most, filter });
        }
        Ok(index)
    }

    /// Notes that a run stands in the table now.
    pub(crate) fn add(&mut self, log: LogKind, base: u64, rows: &[IdRow]) {
        let ids = || rows.iter().flat_map(|(_, block)| entries(block)).map(|(key, _)| key);
        let (least, most) = (ids().next().unwrap_or(0), ids().last().unwrap_or(u64::MAX));
        let filter = is_random(least, most).then(|| filter(ids()));
        self.push(RunIds { run: number(log, base), least, most, filter });
    }

    fn push(&mut self, run: RunIds) {
        self.least = self.least.min(run.least);
        self.most = self.most.max(run.most);
        self.runs.push(run);
    }

    /// Adds the places of events whose ids have this key, newest run first.
    pub(crate) fn find(
        &self,
        connection: &Connection,
        key: u64,
        found: &mut Vec<(LogKind, u64)>,
    ) -> Result<(), BackendError> {
        if key < self.least || key > self.most {
            return Ok(());
        }
        let mut hash = None;
        for run in self.runs.iter().rev().filter(|run| (run.least..=run.most).contains(&key)) {
            if let Some(filter) = &run.filter
                && !filter.may_hold(*hash.get_or_insert_with(|| filter_hash(key)))
            {
                continue;
            }
            let mut blocks = connection.prepare_cached(BLOCKS_BEFORE).map_err(failed("look up an id"))?;
            let keys = params![as_sql(run.run), ordered(key)];
            let mut rows = blocks.query(keys).map_err(failed("look up an id"))?;
            while let Some(row) = rows.next().map_err(failed("look up an id"))? {
                let block = row.get_ref(0).map_err(failed("look up an id"))?;
                let block = block.as_blob().map_err(|error| corrupt("look up an id", error))?;
                let hits = entries(block).filter(|(held, _)| *held == key);
                let place = |slot: u16| base_of(run.run) + 1 + u64::from(slot);
                found.extend(hits.map(|(_, slot)| (log_of(run.run), place(slot))));
            }
        }
        Ok(())
    }
}

/// Tells whether the ids of a run are spread over more than time-ordered ids ever are.
fn is_random(least: u64, most: u64) -> bool {
    // The first 48 bits of a time-ordered id count milliseconds: these are 34 years.
    most.saturating_sub(least) > 1 << 56
}

fn filter(keys: impl Iterator<Item = u64>) -> Filter {
    let mut filter = Filter::new(RUN as usize);
    keys.for_each(|key| filter.insert(filter_hash(key)));
    filter
}

fn load_filter(connection: &Connection, run: i64) -> Result<Filter, BackendError> {
    let mut blocks = connection.prepare_cached(BLOCKS).map_err(failed("open"))?;
    let mut rows = blocks.query([run]).map_err(failed("open"))?;
    let mut filter = Filter::new(RUN as usize);
    while let Some(row) = rows.next().map_err(failed("open"))? {
        let block = row.get_ref(0).map_err(failed("open"))?.as_blob().unwrap_or_default();
        entries(block).for_each(|(key, _)| filter.insert(filter_hash(key)));
    }
    Ok(filter)
}

fn edge_block(connection: &Connection, sql: &str, run: i64) -> Result<Vec<u8>, BackendError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed("open"))?;
    statement.query_row([run], |row| row.get(0)).map_err(failed("open"))
}

/// Returns the key of an id: its first 48 bits, in which time-ordered ids count milliseconds, and 16 bits
/// of a hash, because ids of the same millisecond may count on in their last bits only.
pub(crate) fn id_key(id: Uuid) -> u64 {
    let (first, _) = id.as_u64_pair();
    let rest = xxhash_rust::xxh3::xxh3_64(id.as_bytes());
    first & !0xffff | rest & 0xffff
}

/// Encodes the ids of a run as rows of the table.
pub(crate) fn encode_ids(run: &Run) -> Vec<IdRow> {
    let mut ids: Vec<_> = run.ids.iter().map(|(key, slots)| (*key, slots.as_slice())).collect();
    ids.sort_unstable_by_key(|(key, _)| *key);
    let mut rows: Vec<IdRow> = Vec::with_capacity(ids.len() / BLOCK_IDS + 1);
    for (key, slots) in ids {
        // Equal keys stay together, so that looking at one block before is enough.
        if rows.last().is_none_or(|(_, block)| block.len() >= BLOCK_IDS * ENTRY) {
            rows.push((key, Vec::with_capacity(BLOCK_IDS * ENTRY)));
        }
        let Some((_, block)) = rows.last_mut() else { continue };
        for slot in slots {
            block.extend_from_slice(&key.to_le_bytes());
            block.extend_from_slice(&slot.to_le_bytes());
        }
    }
    rows
}

/// Returns the number of the run of a count that begins after `base`.
pub(crate) fn number(log: LogKind, base: u64) -> u64 {
    base / RUN * 2 + u64::from(log == LogKind::System)
}

/// Returns a key as a number of SQLite that sorts alike.
pub(crate) fn ordered(key: u64) -> i64 {
    (key ^ (1 << 63)).cast_signed()
}

/// Returns the count of a run, and the position before its first.
pub(crate) fn place_of_run(run: u64) -> (LogKind, u64) {
    (log_of(run), base_of(run))
}

/// Returns the keys of ids in a block of the run that begins after `base`, and where their events stand.
pub(crate) fn positions_by_id(block: &[u8], base: u64) -> impl Iterator<Item = (u64, u64)> {
    entries(block).map(move |(key, slot)| (key, base + 1 + u64::from(slot)))
}

fn base_of(run: u64) -> u64 {
    run / 2 * RUN
}

fn log_of(run: u64) -> LogKind {
    if run % 2 == 1 { LogKind::System } else { LogKind::Application }
}

fn entries(block: &[u8]) -> impl Iterator<Item = (u64, u16)> {
    block.chunks_exact(ENTRY).filter_map(|entry| {
        let (key, slot) = entry.split_first_chunk::<8>()?;
        Some((u64::from_le_bytes(*key), u16::from_le_bytes(slot.try_into().ok()?)))
    })
}
