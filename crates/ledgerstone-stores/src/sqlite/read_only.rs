//! A file that is only read, as it stands when it is opened: where nothing can be written beside it, too.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{
    Appended, BackendError, Batch, Capabilities, EventStore, EventStoreError, Frames, Heads, Locator,
    LogHead, Mark, Selection, TenantScope,
};
use parking_lot::Mutex;

use crate::backend::{Backend, Closing, Resources, check_parameters, open_where_it_may_block};
use crate::group_commit::ReadLog as _;
use crate::ownership::{Whose, only_read};
use crate::sqlite::database::{Database, lock_path, tidy};
use crate::sqlite::failure::BACKEND;
use crate::sqlite::restore::check_restored;
use crate::sqlite::{SqliteDocuments, SqliteEvents};

/// Opens what a locator names only to read it.
pub(crate) fn open(
    locator: Locator,
    resources: Resources,
) -> BoxFuture<'static, Result<Backend, BackendError>> {
    open_where_it_may_block(BACKEND, move || open_here(&locator, &resources))
}

fn open_here(locator: &Locator, resources: &Resources) -> Result<Backend, BackendError> {
    check_parameters(BACKEND, locator, &[])?;
    let path = Path::new(locator.place());
    // What an owner commits meanwhile would not be seen.
    let lock = Whose::new(BACKEND, path).share(&lock_path(path))?;
    let is_tidy = Database::is_tidy(path);
    let database = Database::open_read_only(path)?;
    check_restored(&database, path)?;
    let documents = Arc::new(SqliteDocuments::open(Arc::clone(&database))?);
    let (events, heads) = SqliteEvents::open_read_only(Arc::clone(&database), Arc::clone(&resources.clock))?;
    let events = Arc::new(ReadOnlyEvents { events, heads });
    Ok(Backend::new(events, documents)
        .closed_by(Arc::new(Reading { database, lock: Mutex::new(lock), is_tidy }), None))
}

/// What is open, until it is closed.
#[derive(Debug)]
struct Reading {
    database: Arc<Database>,
    /// Nobody owns the file as long as it is read.
    lock: Mutex<Option<File>>,
    /// Whether nothing stood beside the file when it was opened, so that nothing need stay there.
    is_tidy: bool,
}

#[async_trait]
impl Closing for Reading {
    async fn close(&self) {
        let (database, lock, is_tidy) = (Arc::clone(&self.database), self.lock.lock().take(), self.is_tidy);
        let closed = tokio::task::spawn_blocking(move || {
            database.close();
            drop(lock);
            if is_tidy {
                tidy(database.path());
            }
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "the database was not closed in order");
        }
    }
}

/// The events of a file that is only read.
#[derive(Debug)]
struct ReadOnlyEvents {
    events: SqliteEvents,
    heads: Heads,
}

#[async_trait]
impl EventStore for ReadOnlyEvents {
    fn capabilities(&self) -> Capabilities {
        self.events.capabilities()
    }

    async fn append(&self, _: Batch) -> Result<Appended, EventStoreError> {
        Err(only_read(BACKEND, "append").into())
    }

    fn read(&self, selection: Selection) -> Frames {
        if let Err(invalid) = selection.check() {
            return stream::once(async { Err(invalid.into()) }).boxed();
        }
        let removal = self.events.removal(&selection);
        self.events.read(selection, self.heads, removal)
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        Ok(LogHead { heads: self.heads, log: self.events.identity() })
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        let heads = self.heads;
        stream::once(async move { heads }).chain(stream::pending()).boxed()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.events.marks(tenant, prefix).await
    }
}
