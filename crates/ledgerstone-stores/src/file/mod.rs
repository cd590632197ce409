//! The `file` store: events in the log engine, documents in SQLite beside it, in one folder.

#[cfg(test)]
mod alike_tests;
mod archive_folder;
mod backup;
mod beside;
mod events;
mod expiries;
pub(crate) mod failure;
mod lists;
mod read_only;
mod reading;
#[cfg(test)]
mod reading_tests;
mod recover;
mod restore;
mod shared;
#[cfg(test)]
mod slow_disk;
mod standing;
#[cfg(test)]
mod test_log;
mod upkeep;
mod writer;
#[cfg(test)]
mod writer_tests;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::future::BoxFuture;
use ledgerstone_core::{BackendError, Locator};
use ledgerstone_log::{Disk, LogError, Options, RealDisk, Scrub, TieredDisk};

pub use events::FileEvents;

use crate::backend::{
    Adapter, Backend, Closing, Resources, check_parameters, misplaced, open_where_it_may_block,
};
use crate::file::archive_folder::{ARCHIVE, ArchiveFolder};
use crate::file::beside::{check_log, check_own, has_log, remember_log};
use crate::file::failure::{BACKEND, apart_from_events, failed};
use crate::file::restore::{FileRestore, check_restored};
use crate::file::upkeep::FileUpkeep;
use crate::group_commit::GroupCommit;
use crate::inspection::Inspection;
use crate::ownership::{Whose, io_failure, owner_of_lock};
use crate::sqlite::SqliteDocuments;
use crate::sqlite::database::{Database, lock_path};
use crate::store_condition::StoreCondition;
use crate::upkeep::Upkeep;

/// The row of this backend in the table of adapters.
pub(crate) const ADAPTER: Adapter = Adapter {
    scheme: BACKEND,
    about: "one folder on this machine: the log engine, nothing else needed",
    example: "file:./data",
    open,
    owner: |locator| owner_of_lock(&lock_path(&documents(Path::new(locator.place())))),
    restore: Some(|locator| Ok(Box::new(FileRestore::open(Path::new(locator.place()))?))),
    inspect: Some(inspect),
    backups: Some(&backup::BACKUPS),
    open_read_only: Some(read_only::open),
};

/// How large a segment grows, in bytes.
const SEGMENT_BYTES: &str = "segment_bytes";
/// How many bytes a second are looked at for damage at most, and how many seconds lie between two rounds.
const SCRUB_PACE: &str = "scrub_bytes_per_second";
const SCRUB_EVERY: &str = "scrub_every_seconds";
/// What a locator may say.
pub(crate) const PARAMETERS: &[&str] = &[SEGMENT_BYTES, PRESIZED, ARCHIVE, SCRUB_PACE, SCRUB_EVERY];
/// A round over a tebibyte takes a day and a half at this pace, which leaves a disk to those who wait for it.
const SCRUB_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;
const SCRUB_SECONDS: u64 = 24 * 60 * 60;
/// Whether a segment has its size before it is written to: `yes`, unless told, or `no`.
const PRESIZED: &str = "presized";
/// The sizes that a segment may have: smaller ones cost a file for every few events, larger ones memory.
const SEGMENT_SIZES: RangeInclusive<u64> = 512..=1024 * 1024 * 1024;

fn segment_bytes(text: &str) -> Result<u64, BackendError> {
    text.parse().ok().filter(|bytes| SEGMENT_SIZES.contains(bytes)).ok_or_else(|| {
        let (least, most) = (SEGMENT_SIZES.start(), SEGMENT_SIZES.end());
        misplaced(
            BACKEND,
            format!("{SEGMENT_BYTES} is {text:?}; give a number of bytes from {least} to {most}"),
        )
    })
}

/// Reads how the closed part of the log is looked at.
fn scrub(locator: &Locator) -> Result<Option<Scrub>, BackendError> {
    let number = |name: &str, otherwise: u64| match locator.parameter(name) {
        None => Ok(otherwise),
        Some(text) => text.parse().map_err(|_| {
            misplaced(BACKEND, format!("{name} is {text:?}; give a whole number, or 0 to turn it off"))
        }),
    };
    let bytes_per_second = number(SCRUB_PACE, SCRUB_BYTES_PER_SECOND)?;
    let every = Duration::from_secs(number(SCRUB_EVERY, SCRUB_SECONDS)?);
    Ok((bytes_per_second > 0 && !every.is_zero()).then_some(Scrub { bytes_per_second, every }))
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

/// Opens the folder of the log, and the archive behind it if the locator names one.
fn disk(
    locator: &Locator,
    operation: &'static str,
    open: fn(&Path) -> std::io::Result<RealDisk>,
) -> Result<Arc<dyn Disk>, BackendError> {
    let open = |folder: &Path| {
        let opened = open(folder).map_err(|error| io_failure(BACKEND, operation, folder, error));
        opened.map(|disk| Arc::new(disk) as Arc<dyn Disk>)
    };
    let near = open(&log(Path::new(locator.place())))?;
    match ArchiveFolder::of(locator)? {
        None => Ok(near),
        Some(archive) => Ok(Arc::new(TieredDisk::new(near, open(&archive.path)?))),
    }
}

/// Opens the folder of the log, and the archive behind it, only to read them.
pub(crate) fn read_only_disk(
    locator: &Locator,
    operation: &'static str,
) -> Result<Arc<dyn Disk>, BackendError> {
    disk(locator, operation, |folder| RealDisk::read_only(folder))
}

/// Reads every segment from front to back.
fn inspect(locator: &Locator) -> Result<Inspection, BackendError> {
    if !log(Path::new(locator.place())).is_dir() {
        // Opening the store says what that means.
        return Ok(Inspection::default());
    }
    let disk = read_only_disk(locator, "verify")?;
    let mut inspection = Inspection::default();
    let mut problem = |problem: &LogError| inspection.problem(problem.to_string());
    let heads = ledgerstone_log::verify(&*disk, &mut problem).map_err(failed("verify"))?;
    (inspection.application, inspection.system) = (heads.0, heads.1);
    Ok(inspection)
}

fn open(locator: Locator, resources: Resources) -> BoxFuture<'static, Result<Backend, BackendError>> {
    open_where_it_may_block(BACKEND, move || open_here(&locator, &resources))
}

fn open_here(locator: &Locator, resources: &Resources) -> Result<Backend, BackendError> {
    check_parameters(BACKEND, locator, PARAMETERS)?;
    if locator.place().is_empty() {
        return Err(misplaced(BACKEND, "the locator names no folder; write it like file:./data"));
    }
    let folder = PathBuf::from(locator.place());
    if folder.is_file() {
        let message = format!("{} is a file; name a folder, or a sqlite: store", folder.display());
        return Err(misplaced(BACKEND, message));
    }
    if locator.place().starts_with("//") {
        let place = locator.place().trim_start_matches('/');
        return Err(misplaced(BACKEND, format!("write file:{place} for a folder here, or file:/{place}")));
    }
    check_own(&folder)?;
    if !documents(&folder).exists() && has_log(&folder) {
        tracing::warn!(folder = %folder.display(), "the documents are missing; read models are built anew");
    }
    // Its lock is that of the whole folder.
    let database = Database::open_of(Whose::new(BACKEND, &folder), &documents(&folder))
        .map_err(apart_from_events(&folder))?;
    check_restored(&folder)?;
    check_log(&database, &folder)?;
    let ownership = database.ownership().cloned();
    let documents = Arc::new(SqliteDocuments::open(Arc::clone(&database))?);
    let mut options = Options::new(Arc::clone(&resources.ids));
    if let Some(bytes) = locator.parameter(SEGMENT_BYTES) {
        options.segment_bytes = segment_bytes(bytes)?;
    }
    if let Some(text) = locator.parameter(PRESIZED) {
        options.presized = presized(text)?;
    }
    let clock = Arc::clone(&resources.clock);
    options.scrub = scrub(locator)?;
    options.rebuild = resources.rebuild.clone();
    let (events, shared) =
        FileEvents::open(disk(locator, "open", |folder| RealDisk::open(folder))?, clock, options)?;
    let events = Arc::new(events);
    remember_log(&database, shared.reader.identity())?;
    let condition = StoreCondition::of(shared.reader.clone());
    let upkeep = Upkeep::new(
        BACKEND,
        Arc::new(FileUpkeep::new(shared, ArchiveFolder::of(locator)?, ownership.clone())),
    );
    let closing = Arc::new(Open {
        events: Arc::clone(&events),
        documents: Arc::clone(&documents),
        database,
        upkeep: upkeep.clone(),
    });
    Ok(Backend::new(events, documents).closed_by(closing, ownership).in_condition(condition).kept_by(upkeep))
}

/// What is open, until it is closed.
#[derive(Debug)]
struct Open {
    events: Arc<GroupCommit<FileEvents>>,
    documents: Arc<SqliteDocuments>,
    database: Arc<Database>,
    upkeep: Upkeep,
}

#[async_trait]
impl Closing for Open {
    async fn close(&self) {
        let upkeep = self.upkeep.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || upkeep.close()).await {
            tracing::warn!(%error, "the upkeep was not stopped in order");
        }
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
