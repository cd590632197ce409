//! Restoring into SQLite: rows beside the index, which takes them in when the store is opened.

use std::path::Path;
use std::sync::Arc;

use ledgerstone_core::{BackendError, Code, ErrorKind, LogKind, RecordedEvent};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::restore::Restore;
use crate::sqlite::database::Database;
use crate::sqlite::events::{PUT_TENANT, as_sql, checksum, table};
use crate::sqlite::failure::{BACKEND, corrupt, failed};

/// The row that stands from the first put until the last: the heads at which the restore began.
const GET_RESTORING: &str = "SELECT value FROM meta WHERE name = 'restoring'";
const PUT_RESTORING: &str = "INSERT OR IGNORE INTO meta (name, value) VALUES ('restoring', ?1)";
const DELETE_RESTORING: &str = "DELETE FROM meta WHERE name = 'restoring'";

/// A database that events are restored into.
pub(crate) struct SqliteRestore {
    database: Arc<Database>,
    connection: Connection,
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
        drop(gate);
        let application = table(LogKind::Application).head(&connection)?;
        let system = table(LogKind::System).head(&connection)?;
        Ok(Self { database, connection, began: format!("{application} {system}") })
    }
}

/// Refuses a database that holds a part of a restore: it would look whole.
pub(crate) fn check_restored(database: &Database, path: &Path) -> Result<(), BackendError> {
    let restoring: Option<String> = database.read_here(restoring)?;
    if restoring.is_none() {
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

    fn complete(&mut self) -> Result<(), BackendError> {
        let _gate = self.database.gate();
        self.connection.execute(DELETE_RESTORING, []).map_err(failed("restore"))?;
        Ok(())
    }

    fn finish(self: Box<Self>) {
        drop(self.connection);
        self.database.close();
    }
}
