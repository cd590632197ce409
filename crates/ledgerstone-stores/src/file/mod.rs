//! The `file` store: events in the log engine, documents in SQLite beside it, in one folder.

mod events;
pub(crate) mod failure;
mod plan;
mod reading;
mod restore;
mod shared;
mod writer;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::future::BoxFuture;
use ledgerstone_core::{BackendError, ErrorKind, Locator};
use ledgerstone_log::{LogError, Options, RealDisk};

pub use events::FileEvents;

use crate::backend::{Adapter, Backend, Closing, Resources, check_parameters, misplaced};
use crate::file::failure::{BACKEND, failed};
use crate::file::restore::{FileRestore, check_restored};
use crate::group_commit::GroupCommit;
use crate::inspection::Inspection;
use crate::ownership::{io_failure, owner_of_lock};
use crate::sqlite::SqliteDocuments;
use crate::sqlite::database::{Database, lock_path};

/// The row of this backend in the table of adapters.
pub(crate) const ADAPTER: Adapter = Adapter {
    scheme: BACKEND,
    about: "one folder on this machine: the log engine, nothing else needed",
    example: "file:./data",
    open,
    owner: |locator| owner_of_lock(&lock_path(&documents(Path::new(locator.place())))),
    restore: Some(|locator| Ok(Box::new(FileRestore::open(Path::new(locator.place()))?))),
    inspect: Some(inspect),
};

/// How large a segment grows, in bytes.
const SEGMENT_BYTES: &str = "segment_bytes";
/// Whether a segment has its size before it is written to: `yes`, unless told, or `no`.
const PRESIZED: &str = "presized";
/// The sizes that a segment may have: smaller ones cost a file for every few events, larger ones memory.
const SEGMENT_SIZES: RangeInclusive<u64> = 4 * 1024..=1024 * 1024 * 1024;

fn segment_bytes(text: &str) -> Result<u64, BackendError> {
    text.parse().ok().filter(|bytes| SEGMENT_SIZES.contains(bytes)).ok_or_else(|| {
        let (least, most) = (SEGMENT_SIZES.start(), SEGMENT_SIZES.end());
        misplaced(
            BACKEND,
            format!("{SEGMENT_BYTES} is {text:?}; give a number of bytes from {least} to {most}"),
        )
    })
}

fn presized(text: &str) -> Result<bool, BackendError> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(misplaced(BACKEND, format!("{PRESIZED} is {text:?}; say yes or no"))),
    }
}

/// Returns where the documents stand in a folder.
pub(crate) fn documents(folder: &Path) -> PathBuf {
    folder.join("documents.db")
}

/// Returns where the log stands in a folder.
pub(crate) fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// Reads every segment from front to back.
fn inspect(locator: &Locator) -> Result<Inspection, BackendError> {
    let folder = log(Path::new(locator.place()));
    let disk = RealDisk::open(&folder).map_err(|error| io_failure(BACKEND, "verify", &folder, error))?;
    let mut inspection = Inspection::default();
    let mut problem = |problem: &LogError| inspection.problem(problem.to_string());
    let heads = ledgerstone_log::verify(&disk, &mut problem).map_err(failed("verify"))?;
    (inspection.application, inspection.system) = (heads.0, heads.1);
    Ok(inspection)
}

fn open(locator: Locator, resources: Resources) -> BoxFuture<'static, Result<Backend, BackendError>> {
    Box::pin(async move {
        let opened = tokio::task::spawn_blocking(move || open_here(&locator, &resources)).await;
        opened.unwrap_or_else(|error| {
            let message = format!("opening ended: {error}");
            Err(BackendError::new(ErrorKind::Internal, BACKEND, "open", message))
        })
    })
}

fn open_here(locator: &Locator, resources: &Resources) -> Result<Backend, BackendError> {
    check_parameters(BACKEND, locator, &[SEGMENT_BYTES, PRESIZED])?;
    if locator.place().is_empty() {
        return Err(misplaced(BACKEND, "the locator names no folder; write it like file:./data"));
    }
    let folder = PathBuf::from(locator.place());
    if folder.is_file() {
        let message = format!("{} is a file; name a folder, or a sqlite: store", folder.display());
        return Err(misplaced(BACKEND, message));
    }
    // Its lock is that of the whole folder.
    let database = Database::open(&documents(&folder))?;
    check_restored(&folder)?;
    let ownership = database.ownership().clone();
    let documents = Arc::new(SqliteDocuments::open(Arc::clone(&database))?);
    let mut options = Options::new(Arc::clone(&resources.ids));
    if let Some(bytes) = locator.parameter(SEGMENT_BYTES) {
        options.segment_bytes = segment_bytes(bytes)?;
    }
    if let Some(text) = locator.parameter(PRESIZED) {
        options.presized = presized(text)?;
    }
    let clock = Arc::clone(&resources.clock);
    let events = Arc::new(FileEvents::open(&log(&folder), clock, options)?);
    let closing = Arc::new(Open { events: Arc::clone(&events), documents: Arc::clone(&documents), database });
    Ok(Backend::new(events, documents).closed_by(closing, Some(ownership)))
}

/// What is open, until it is closed.
#[derive(Debug)]
struct Open {
    events: Arc<GroupCommit<FileEvents>>,
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
