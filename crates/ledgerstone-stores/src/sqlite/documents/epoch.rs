//! Checkpoints of read models when the log beside them begins a new epoch.

use ledgerstone_core::{BackendError, InvalidName, LogIdentity, LogPoint, Position};
use rusqlite::{Connection, params};

use crate::sqlite::failure::{corrupt, failed};

/// Returns the checkpoints of every generation that has one, with its number and name.
pub(crate) fn checkpoints(connection: &Connection) -> Result<Vec<(i64, String, LogPoint)>, BackendError> {
    let sql = "SELECT number, name, checkpoint FROM document_collections WHERE checkpoint IS NOT NULL";
    let mut statement = connection.prepare(sql).map_err(failed("list checkpoints"))?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)));
    let rows: Vec<_> =
        rows.and_then(Iterator::collect::<Result<_, _>>).map_err(failed("list checkpoints"))?;
    let read = |(number, name, point): (i64, String, String)| {
        let point = point.parse().map_err(|error: InvalidName| corrupt("list checkpoints", error))?;
        Ok((number, name, point))
    };
    rows.into_iter().map(read).collect()
}

/// Moves the checkpoints that stand in a log, up to where it forked, into the log that goes on from there; returns
/// how many.
///
/// The events up to the fork are the same in both, so what was derived from them stays right. A checkpoint of any
/// other log stays as it is, and its read model is told to rebuild.
pub(crate) fn follow_epoch(
    connection: &Connection,
    (from, forked_at): (LogIdentity, Position),
    to: LogIdentity,
) -> Result<u64, BackendError> {
    let mut moved = 0;
    for (number, _, point) in checkpoints(connection)? {
        if point.log == from && point.position <= forked_at {
            let sql = "UPDATE document_collections SET checkpoint = ?2 WHERE number = ?1";
            let point = LogPoint { log: to, ..point }.to_string();
            connection.execute(sql, params![number, point]).map_err(failed("move checkpoints"))?;
            moved += 1;
        }
    }
    Ok(moved)
}
