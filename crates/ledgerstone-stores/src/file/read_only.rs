//! A folder that is only read: beside its owner, up to where that says it is durable, or where nobody can write.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{
    Appended, BackendError, Batch, Capabilities, DocumentStore, ErrorKind, EventStore, EventStoreError,
    Frames, Heads, Locator, LogHead, Mark, Selection, TenantScope,
};
use ledgerstone_log::{Disk, Follower, LogError, LogReader, Options, Watermark};
use parking_lot::{Mutex, RwLock};

use crate::backend::{Backend, Closing, Resources, check_parameters, open_where_it_may_block};
use crate::file::beside::check_log;
use crate::file::events::{FileEvents, removals};
use crate::file::failure::{BACKEND, apart_from_events, failed};
use crate::file::restore::check_restored;
use crate::file::shared::Shared;
use crate::file::standing::standing;
use crate::file::{PARAMETERS, documents, read_only_disk};
use crate::group_commit::ReadLog as _;
use crate::memory::MemoryDocuments;
use crate::ownership::only_read;
use crate::sqlite::SqliteDocuments;
use crate::sqlite::database::{Database, tidy};

/// How often it is looked whether the owner has made more durable, where somebody waits for it.
const BETWEEN: Duration = Duration::from_millis(100);

/// Opens what a locator names only to read it.
pub(crate) fn open(
    locator: Locator,
    resources: Resources,
) -> BoxFuture<'static, Result<Backend, BackendError>> {
    open_where_it_may_block(BACKEND, move || open_here(&locator, &resources))
}

fn ended(error: &tokio::task::JoinError) -> BackendError {
    BackendError::new(ErrorKind::Internal, BACKEND, "read", format!("reading ended: {error}"))
}

fn open_here(locator: &Locator, resources: &Resources) -> Result<Backend, BackendError> {
    check_parameters(BACKEND, locator, PARAMETERS)?;
    let folder = Path::new(locator.place());
    check_restored(folder)?;
    // Documents first, so that they are not ahead of the log.
    let path = documents(folder);
    let database = path.exists().then(|| Database::open_read_only(&path)).transpose();
    let database = database.map_err(apart_from_events(folder))?;
    let documents: Arc<dyn DocumentStore> = match &database {
        Some(database) => {
            let documents = SqliteDocuments::open(Arc::clone(database))?;
            check_log(database, folder)?;
            Arc::new(documents)
        }
        None => Arc::new(MemoryDocuments::default()),
    };
    let events = Arc::new(ReadOnlyEvents::open(locator, resources)?);
    let closing = Arc::new(Reading { database });
    Ok(Backend::new(events, documents).closed_by(closing, None))
}

/// What is open, until it is closed.
#[derive(Debug)]
struct Reading {
    database: Option<Arc<Database>>,
}

#[async_trait]
impl Closing for Reading {
    async fn close(&self) {
        if let Some(database) = &self.database {
            database.close();
            tidy(database.path());
        }
    }
}

/// How often a log is opened again that its owner scavenges meanwhile.
const TRIES: usize = 8;

/// The events of a folder that is only read.
#[derive(Debug, Clone)]
struct ReadOnlyEvents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    events: FileEvents,
    shared: Arc<Shared>,
    following: Mutex<Following>,
}

#[derive(Debug)]
struct Following {
    disk: Arc<dyn Disk>,
    follower: Follower,
    told: Option<Watermark>,
    /// Whether what is removed was not read yet up to what was followed.
    is_stale: bool,
}

impl ReadOnlyEvents {
    fn open(locator: &Locator, resources: &Resources) -> Result<Self, BackendError> {
        let disk = read_only_disk(locator, "open")?;
        let (reader, follower) = open_log(locator, &disk, resources)?;
        let clock = Arc::clone(&resources.clock);
        let removals = RwLock::new(removals(&reader, &clock).map_err(failed("open"))?);
        let shared = Arc::new(Shared { reader, clock, removals });
        let events = FileEvents::over(Arc::clone(&shared));
        let following = Mutex::new(Following { disk, follower, told: None, is_stale: false });
        Ok(Self(Arc::new(Inner { folder: PathBuf::from(locator.place()), events, shared, following })))
    }

    /// Takes over what is durable by now, where waiting for the disk is allowed.
    async fn follow(&self) -> Result<Heads, BackendError> {
        let inner = Arc::clone(&self.0);
        let followed = tokio::task::spawn_blocking(move || inner.follow().map_err(failed("read"))).await;
        followed.unwrap_or_else(|error| Err(ended(&error)))
    }
}

/// Opens the log as it stands; again, if its owner scavenged a segment between the look at it and the opening.
fn open_log(
    locator: &Locator,
    disk: &Arc<dyn Disk>,
    resources: &Resources,
) -> Result<(LogReader, Follower), BackendError> {
    let mut tries = 0..TRIES;
    loop {
        let stands = standing(locator, "open")?;
        let mut options = Options::new(Arc::clone(&resources.ids));
        options.rebuild = resources.rebuild.clone();
        match ledgerstone_log::open_read_only(Arc::clone(disk), options, &stands) {
            Err(LogError::Replaced { .. }) if tries.next().is_some() => {}
            opened => return opened.map_err(failed("open")),
        }
    }
}

impl Inner {
    fn follow(&self) -> Result<Heads, LogError> {
        let mut following = self.following.lock();
        let Following { disk, follower, told, is_stale } = &mut *following;
        // What cannot be read now can be later; the owner's own error tells more than this one would.
        let now = Watermark::read(&**disk).ok().flatten().or(*told);
        if now != *told
            && let Some(moved_to) = now
        {
            let before = self.shared.reader.heads();
            let is_moved = follower.follow(moved_to)?;
            let has_more = self.shared.reader.heads().system > before.system;
            // If that cannot be read now, it is the next time, whether the log has moved until then or not.
            *is_stale |= is_moved && (has_more || self.shared.removals.read().keep_newest());
            if *is_stale {
                let removals = removals(&self.shared.reader, &self.shared.clock)?;
                *self.shared.removals.write() = removals;
                *is_stale = false;
            }
            *told = now;
        }
        Ok(self.shared.reader.heads())
    }
}

#[async_trait]
impl EventStore for ReadOnlyEvents {
    fn capabilities(&self) -> Capabilities {
        self.0.events.capabilities()
    }

    async fn append(&self, _: Batch) -> Result<Appended, EventStoreError> {
        Err(only_read(BACKEND, "append").into())
    }

    fn read(&self, selection: Selection) -> Frames {
        if let Err(invalid) = selection.check() {
            return stream::once(async { Err(invalid.into()) }).boxed();
        }
        let removal = self.0.events.removal(&selection);
        self.0.events.read(selection, self.0.shared.reader.heads(), removal)
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        if !self.0.folder.is_dir() {
            let message = format!("{} is not there any more", self.0.folder.display());
            return Err(BackendError::new(ErrorKind::NotFound, BACKEND, "head", message).into());
        }
        Ok(LogHead { heads: self.follow().await?, log: self.0.events.identity() })
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        let known: Option<Heads> = None;
        stream::unfold((self.clone(), known), |(events, known)| async move {
            loop {
                // What cannot be followed any more ends, and the next read says why.
                let heads = events.follow().await.ok()?;
                if known != Some(heads) {
                    return Some((heads, (events, Some(heads))));
                }
                tokio::time::sleep(BETWEEN).await;
            }
        })
        .boxed()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.0.events.marks(tenant, prefix).await
    }
}
