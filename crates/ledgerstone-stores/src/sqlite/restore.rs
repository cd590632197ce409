//! Restoring into SQLite: rows beside the index, which takes them in when the store is opened.

use std::path::Path;
use std::sync::Arc;

use ledgerstone_core::{BackendError, RecordedEvent};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::restore::Restore;
use crate::sqlite::database::Database;
use crate::sqlite::events::{PUT_TENANT, as_sql, table};
use crate::sqlite::failure::failed;

/// A database that events are restored into.
pub(crate) struct SqliteRestore {
    database: Arc<Database>,
    connection: Connection,
}

impl SqliteRestore {
    /// Opens a database, or makes it; it blocks.
    pub(crate) fn open(path: &Path) -> Result<Self, BackendError> {
        let database = Database::open(path)?;
        let connection = database.writer()?;
        Ok(Self { database, connection })
    }
}

impl Restore for SqliteRestore {
    fn put(&mut self, events: &[RecordedEvent]) -> Result<(), BackendError> {
        let _gate = self.database.gate();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("restore"))?;
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
            put.execute(params![as_sql(event.position().0), record, data]).map_err(failed("restore"))?;
        }
        transaction.commit().map_err(failed("restore"))
    }

    fn finish(self: Box<Self>) {
        drop(self.connection);
        self.database.close();
    }
}
