//! Restoring into SQLite: rows beside the index, which takes them in when the store is opened.

use std::path::Path;
use std::sync::Arc;

use ledgerstone_core::{
    BackendError, Code, ErrorKind, Heads, IdSource as _, LogIdentity, LogKind, RecordedEvent, TimeOrderedIds,
};
use rusqlite::{Connection, OptionalExtension as _, ToSql, TransactionBehavior, params};

use crate::restore::{Restore, next_epoch};
use crate::sqlite::database::Database;
use crate::sqlite::events::{PUT_TENANT, as_sql, checksum, head, head_name, identity, table};
use crate::sqlite::failure::{BACKEND, corrupt, failed};

/// The row that stands from the first put until the last: the heads at which the restore began.
const GET_RESTORING: &str = "SELECT value FROM meta WHERE name = 'restoring'";
const PUT_RESTORING: &str = "INSERT OR IGNORE INTO meta (name, value) VALUES ('restoring', ?1)";
const DELETE_RESTORING: &str = "DELETE FROM meta WHERE name = 'restoring'";
const SET_META: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";

/// A database that events are restored into.
pub(crate) struct SqliteRestore {
    database: Arc<Database>,
    connection: Connection,
    /// Which log it was when it was opened.
    identity: LogIdentity,
    /// The heads when it was opened, as `meta` keeps them.
    began: String,
}

impl SqliteRestore {
    /// Opens a database, or makes it, and takes out what a restore before left half done; it blocks.
    pub(crate) fn open(path: &Path) -> Result<Self, BackendError> {
        let database = Database::open(path)?;
        let mut connection = database.writer()?;
        let gate = database.gate();
        undo(&mut connection)?;
        let (identity, _) = identity(&mut connection, &TimeOrderedIds)?;
        drop(gate);
        let application = head(&connection, LogKind::Application)?;
        let system = head(&connection, LogKind::System)?;
        Ok(Self { database, connection, identity, began: format!("{application} {system}") })
    }
}

/// Refuses a database that holds a part of a restore: it would look whole.
pub(crate) fn check_restored(database: &Database, path: &Path) -> Result<(), BackendError> {
    database.read_here(|connection| check_restored_file(connection, path))
}

/// Does as [`check_restored`] with a connection to the file at `path`.
pub(crate) fn check_restored_file(connection: &Connection, path: &Path) -> Result<(), BackendError> {
    if restoring(connection)?.is_none() {
        return Ok(());
    }
    let message = format!(
        "{} holds a restore that was not finished; run the same import --restore again, \
         or delete the file and restore anew",
        path.display()
    );
    Err(BackendError::new(ErrorKind::Corrupt, BACKEND, "open", message).with_code(Code::Corrupt))
}

fn restoring(connection: &Connection) -> Result<Option<String>, BackendError> {
    connection.query_row(GET_RESTORING, [], |row| row.get(0)).optional().map_err(failed("restore"))
}

/// Takes the events of an unfinished restore out; the index does not know them, as nobody opened the store.
fn undo(connection: &mut Connection) -> Result<(), BackendError> {
    let Some(began) = restoring(connection)? else { return Ok(()) };
    let heads = began.split_once(' ').and_then(|(application, system)| {
        Some((application.parse::<i64>().ok()?, system.parse::<i64>().ok()?))
    });
    let Some((application, system)) = heads else {
        return Err(corrupt(
            "restore",
            format_args!("the beginning {began:?} of an earlier restore is unclear"),
        ));
    };
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("restore"))?;
    transaction
        .execute("DELETE FROM events WHERE position > ?1", [application])
        .map_err(failed("restore"))?;
    transaction
        .execute("DELETE FROM system_events WHERE position > ?1", [system])
        .map_err(failed("restore"))?;
    if (application, system) == (0, 0) {
        transaction.execute("DELETE FROM tenants", []).map_err(failed("restore"))?;
    }
    transaction.execute(DELETE_RESTORING, []).map_err(failed("restore"))?;
    transaction.commit().map_err(failed("restore"))
}

impl Restore for SqliteRestore {
    fn put(&mut self, events: &[RecordedEvent]) -> Result<(), BackendError> {
        let _gate = self.database.gate();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("restore"))?;
        transaction.execute(PUT_RESTORING, [&self.began]).map_err(failed("restore"))?;
        let mut tenant = None;
        for event in events {
            if tenant != Some(event.tenant()) {
                let mut put = transaction.prepare_cached(PUT_TENANT).map_err(failed("restore"))?;
                put.execute([event.tenant()]).map_err(failed("restore"))?;
                tenant = Some(event.tenant());
            }
            let bytes = event.as_bytes();
            let (record, data) = bytes.split_at(bytes.len().saturating_sub(event.payload().len()));
            let mut put = transaction.prepare_cached(table(event.log()).insert).map_err(failed("restore"))?;
            let row = params![as_sql(event.position().0), checksum(record, data), record, data];
            put.execute(row).map_err(failed("restore"))?;
        }
        transaction.commit().map_err(failed("restore"))
    }

    fn complete(&mut self, origin: Option<LogIdentity>, heads: Heads) -> Result<LogIdentity, BackendError> {
        let _gate = self.database.gate();
        let forked = match origin {
            Some(origin) => format!("{origin} {} {}", heads.application, heads.system),
            None => format!("{} {}", self.identity, self.began),
        };
        let log = next_epoch(self.identity, origin, TimeOrderedIds.next_id());
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("restore"))?;
        let set = |name: &str, value: &dyn ToSql| {
            transaction.execute(SET_META, params![name, value]).map_err(failed("restore"))
        };
        for kind in [LogKind::Application, LogKind::System] {
            set(head_name(kind), &as_sql(heads.of(kind).0))?;
        }
        set("log", &log.id.to_string())?;
        set("epoch", &log.epoch)?;
        set(&format!("epoch {} forked from", log.epoch), &forked)?;
        transaction.execute(DELETE_RESTORING, []).map_err(failed("restore"))?;
        transaction.commit().map_err(failed("restore"))?;
        self.identity = log;
        Ok(log)
    }

    fn finish(self: Box<Self>) {
        drop(self.connection);
        self.database.close();
    }
}
