//! The rows of events: written in the order of their positions, read a page at a time.

use bytes::Bytes;
use ledgerstone_core::{BackendError, LogKind, RecordedEvent, Timestamp};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, params};

use crate::sqlite::events::checksum::{vouches_for, vouches_for_record};
use crate::sqlite::failure::{corrupt, failed};

/// Why an event is damaged whose bytes are not those that were written.
const MISMATCH: &str = "its bytes do not match their checksum";

/// The statements over the table of one count.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) insert: &'static str,
    newest: &'static str,
    record: &'static str,
    whole: &'static str,
    forwards: &'static str,
    backwards: &'static str,
    records: &'static str,
    next_record: &'static str,
}

macro_rules! table {
    ($name:literal) => {
        Table {
            insert: concat!("INSERT INTO ", $name, " (position, sum, record, data) VALUES (?1, ?2, ?3, ?4)"),
            newest: concat!("SELECT coalesce(max(position), 0) FROM ", $name),
            record: concat!("SELECT position, sum, record FROM ", $name, " WHERE position = ?1"),
            whole: concat!("SELECT position, sum, record, data FROM ", $name, " WHERE position = ?1"),
            forwards: concat!(
                "SELECT position, sum, record, data FROM ",
                $name,
                " WHERE position BETWEEN ?1 AND ?2 ORDER BY position"
            ),
            backwards: concat!(
                "SELECT position, sum, record, data FROM ",
                $name,
                " WHERE position BETWEEN ?1 AND ?2 ORDER BY position DESC"
            ),
            records: concat!(
                "SELECT position, sum, record FROM ",
                $name,
                " WHERE position > ?1 ORDER BY position"
            ),
            // A restored log may lack what had been removed: the next event tells as well.
            next_record: concat!(
                "SELECT position, sum, record FROM ",
                $name,
                " WHERE position >= ?1 ORDER BY position LIMIT 1"
            ),
        }
    };
}

const EVENTS: Table = table!("events");
const SYSTEM_EVENTS: Table = table!("system_events");

/// Returns the table of a count.
pub(crate) fn table(log: LogKind) -> &'static Table {
    match log {
        LogKind::Application => &EVENTS,
        LogKind::System => &SYSTEM_EVENTS,
    }
}

/// Returns a number as SQLite keeps it; the bits stay the same.
pub(crate) fn as_sql(number: u64) -> i64 {
    number.cast_signed()
}

/// Returns a number as it was before SQLite kept it.
pub(crate) fn from_sql(number: i64) -> u64 {
    number.cast_unsigned()
}

impl Table {
    /// Returns the position of the newest event.
    pub(crate) fn newest(&self, connection: &Connection) -> Result<u64, BackendError> {
        let newest =
            connection.query_row(self.newest, [], |row| row.get(0)).map_err(failed("read the head"))?;
        Ok(from_sql(newest))
    }

    /// Returns the event at a position without its payload.
    pub(crate) fn record(
        &self,
        connection: &Connection,
        position: u64,
    ) -> Result<Option<RecordedEvent>, BackendError> {
        let mut statement = connection.prepare_cached(self.record).map_err(failed("read"))?;
        let event = statement.query_row([as_sql(position)], |row| Ok(without_payload(row)));
        Ok(event.optional().map_err(failed("read"))?.transpose()?.map(|(_, event)| event))
    }

    /// Returns when the event at a position, or the next one, was recorded.
    pub(crate) fn recorded_at(
        &self,
        connection: &Connection,
        position: u64,
    ) -> Result<Option<Timestamp>, BackendError> {
        let mut statement = connection.prepare_cached(self.next_record).map_err(failed("read"))?;
        let event = statement.query_row([as_sql(position)], |row| Ok(without_payload(row)));
        let event = event.optional().map_err(failed("read"))?.transpose()?;
        Ok(event.map(|(_, event)| event.recorded_at()))
    }

    /// Hands every event after a position to `each`, without payloads, until it says stop.
    pub(crate) fn each_after(
        &self,
        connection: &Connection,
        after: u64,
        mut each: impl FnMut(u64, RecordedEvent) -> bool,
    ) -> Result<(), BackendError> {
        let mut statement = connection.prepare_cached(self.records).map_err(failed("read"))?;
        let mut rows = statement.query([as_sql(after)]).map_err(failed("read"))?;
        while let Some(row) = rows.next().map_err(failed("read"))? {
            let (position, event) = without_payload(row)?;
            if !each(position, event) {
                break;
            }
        }
        Ok(())
    }

    /// Hands every event to `each`, with its payload, or what is wrong with it.
    pub(crate) fn each_whole(
        &self,
        connection: &Connection,
        mut each: impl FnMut(u64, Result<RecordedEvent, BackendError>),
    ) -> Result<(), BackendError> {
        let mut statement = connection.prepare(self.forwards).map_err(failed("read"))?;
        let mut rows = statement.query([i64::MIN, i64::MAX]).map_err(failed("read"))?;
        while let Some(row) = rows.next().map_err(failed("read"))? {
            let position = from_sql(row.get(0).map_err(failed("read"))?);
            let mut page = PageBuilder::new(1, 1024);
            let event = page.push(row).and_then(|()| page.finish()).map(|mut events| events.pop());
            if let Some(event) = event.transpose() {
                each(position, event);
            }
        }
        Ok(())
    }

    /// Prepares reading single events.
    pub(crate) fn whole<'c>(&self, connection: &'c Connection) -> Result<CachedStatement<'c>, BackendError> {
        connection.prepare_cached(self.whole).map_err(failed("read"))
    }

    /// Puts the events between two positions onto a page until it is full.
    pub(crate) fn scan(
        &self,
        connection: &Connection,
        (low, high): (u64, u64),
        forwards: bool,
        page: &mut PageBuilder,
    ) -> Result<(), BackendError> {
        let sql = if forwards { self.forwards } else { self.backwards };
        let mut statement = connection.prepare_cached(sql).map_err(failed("read"))?;
        let mut rows = statement.query(params![as_sql(low), as_sql(high)]).map_err(failed("read"))?;
        while !page.is_full()
            && let Some(row) = rows.next().map_err(failed("read"))?
        {
            page.push(row)?;
        }
        Ok(())
    }
}

/// Records that are being put together into one shared page.
#[derive(Debug)]
pub(crate) struct PageBuilder {
    bytes: Vec<u8>,
    /// Where each record ends, and the position of its row.
    ends: Vec<(usize, u64)>,
    most_events: usize,
    most_bytes: usize,
}

impl PageBuilder {
    /// Begins a page that takes at most so many events and about so many bytes.
    pub(crate) fn new(most_events: usize, most_bytes: usize) -> Self {
        let expected = most_events.min(1024);
        Self {
            bytes: Vec::with_capacity((expected * 256).min(most_bytes)),
            ends: Vec::with_capacity(expected),
            most_events,
            most_bytes,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.ends.len() >= self.most_events || self.bytes.len() >= self.most_bytes
    }

    /// Adds the record of a row of position, checksum, record and data.
    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<(), BackendError> {
        let position = from_sql(row.get(0).map_err(failed("read"))?);
        let sum = number(row, position)?;
        let (record, data) = (blob(row, 2, position)?, blob(row, 3, position)?);
        if !vouches_for(sum, record, data) {
            return Err(damaged(position, MISMATCH));
        }
        self.bytes.extend_from_slice(record);
        self.bytes.extend_from_slice(data);
        self.ends.push((self.bytes.len(), position));
        Ok(())
    }

    /// Turns the page into events that share its bytes.
    pub(crate) fn finish(self) -> Result<Vec<RecordedEvent>, BackendError> {
        let page = Bytes::from(self.bytes);
        let mut from = 0;
        let events = self.ends.into_iter().map(|(to, position)| {
            let record = page.slice(from..to);
            from = to;
            let event = RecordedEvent::parse(record).map_err(|error| damaged(position, error))?;
            at_its_place(event, position)
        });
        events.collect()
    }
}

/// Takes an event without its payload from a row of position, checksum and record.
fn without_payload(row: &Row<'_>) -> Result<(u64, RecordedEvent), BackendError> {
    let position = from_sql(row.get(0).map_err(failed("read"))?);
    let sum = number(row, position)?;
    let record = blob(row, 2, position)?;
    if !vouches_for_record(sum, record) {
        return Err(damaged(position, MISMATCH));
    }
    Ok((position, at_its_place(RecordedEvent::trusted(record.to_vec().into()), position)?))
}

fn number(row: &Row<'_>, position: u64) -> Result<i64, BackendError> {
    row.get(1).map_err(|error| damaged(position, error))
}

fn blob<'r>(row: &'r Row<'_>, column: usize, position: u64) -> Result<&'r [u8], BackendError> {
    let value = row.get_ref(column).map_err(failed("read"))?;
    value.as_blob().map_err(|error| damaged(position, error))
}

fn at_its_place(event: RecordedEvent, position: u64) -> Result<RecordedEvent, BackendError> {
    if event.position().0 == position {
        return Ok(event);
    }
    Err(damaged(position, "the record belongs to another position"))
}

/// Copies events onto a page of their own where most of the page they share is nobody's any more.
pub(crate) fn compact(events: &mut [RecordedEvent]) {
    let size = events.iter().map(|event| event.as_bytes().len()).sum();
    let mut page = Vec::with_capacity(size);
    events.iter().for_each(|event| page.extend_from_slice(event.as_bytes()));
    let page = Bytes::from(page);
    let mut from = 0;
    for event in events {
        let to = from + event.as_bytes().len();
        *event = RecordedEvent::trusted(page.slice(from..to));
        from = to;
    }
}

/// Says that the event at a position does not read back.
pub(crate) fn damaged(position: u64, why: impl std::fmt::Display) -> BackendError {
    corrupt("read", format_args!("the event at position {position} is damaged ({why})"))
}
