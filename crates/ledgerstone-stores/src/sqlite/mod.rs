//! The `sqlite` store: events, marks and documents in one file that people can open.

mod backup;
mod checkpointer;
pub(crate) mod copying;
pub(crate) mod database;
#[cfg(test)]
mod database_tests;
pub(crate) mod documents;
mod events;
pub(crate) mod failure;
mod read_only;
#[cfg(test)]
mod read_only_tests;
mod restore;
#[cfg(test)]
mod restore_tests;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::future::BoxFuture;
use ledgerstone_core::{BackendError, Locator};

pub use documents::SqliteDocuments;
pub use events::SqliteEvents;

use crate::backend::{
    Adapter, Backend, Closing, Resources, check_parameters, misplaced, open_where_it_may_block,
};
use crate::group_commit::GroupCommit;
use crate::ownership::owner_of_lock;
use crate::sqlite::database::{Database, lock_path};
use crate::sqlite::failure::BACKEND;
use crate::sqlite::restore::{SqliteRestore, check_restored};

/// The row of this backend in the table of adapters.
pub(crate) const ADAPTER: Adapter = Adapter {
    scheme: BACKEND,
    about: "one file on this machine, nothing else needed; people can open it",
    example: "sqlite:app.db",
    open,
    owner: |locator| owner_of_lock(&lock_path(&PathBuf::from(locator.place()))),
    restore: Some(|locator| Ok(Box::new(SqliteRestore::open(&PathBuf::from(locator.place()))?))),
    inspect: Some(|locator| events::inspect(&PathBuf::from(locator.place()))),
    backups: Some(&backup::BACKUPS),
    open_read_only: Some(read_only::open),
};

fn open(locator: Locator, resources: Resources) -> BoxFuture<'static, Result<Backend, BackendError>> {
    open_where_it_may_block(BACKEND, move || open_here(&locator, &resources))
}

fn open_here(locator: &Locator, resources: &Resources) -> Result<Backend, BackendError> {
    check_parameters(BACKEND, locator, &[])?;
    if locator.place().is_empty() {
        return Err(misplaced(BACKEND, "the locator names no file; write it like sqlite:app.db"));
    }
    let path = PathBuf::from(locator.place());
    let database = Database::open(&path)?;
    check_restored(&database, &path)?;
    let ownership = database.ownership().cloned();
    let documents = Arc::new(SqliteDocuments::open(Arc::clone(&database))?);
    let events = SqliteEvents::open(Arc::clone(&database), Arc::clone(&resources.clock), &*resources.ids)?;
    let events = Arc::new(events);
    let closing = Arc::new(Open { events: Arc::clone(&events), documents: Arc::clone(&documents), database });
    Ok(Backend::new(events, documents).closed_by(closing, ownership))
}

/// What is open, until it is closed.
#[derive(Debug)]
struct Open {
    events: Arc<GroupCommit<SqliteEvents>>,
    documents: Arc<SqliteDocuments>,
    database: Arc<Database>,
}

#[async_trait]
impl Closing for Open {
    async fn close(&self) {
        self.events.close().await;
        let (documents, database) = (Arc::clone(&self.documents), Arc::clone(&self.database));
        let closed = tokio::task::spawn_blocking(move || {
            documents.close();
            database.close();
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "the database was not closed in order");
        }
    }
}
