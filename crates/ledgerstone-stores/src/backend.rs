//! A backend: what opening a locator yields, and what it takes to open one.

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::future::BoxFuture;
use ledgerstone_core::{
    BackendError, Clock, Code, DocumentStore, ErrorKind, EventStore, HttpClient, IdSource, Locator,
    SystemClock, TimeOrderedIds, nearest,
};
use ledgerstone_log::RebuildWatch;

use crate::backup::Backups;
use crate::inspection::Inspection;
use crate::ownership::{Owner, Ownership};
use crate::restore::Restore;
use crate::store_condition::StoreCondition;
use crate::upkeep::Upkeep;

/// What a backend is given: time, ids, and a way to the network.
#[derive(Clone)]
pub struct Resources {
    /// Tells when events are recorded and marks expire.
    pub clock: Arc<dyn Clock>,
    /// Gives a new log its id.
    pub ids: Arc<dyn IdSource>,
    /// Sends requests, for the backends that need it.
    pub http: Option<Arc<dyn HttpClient>>,
    /// What a server asks for.
    pub token: Option<String>,
    /// Who is told how far it is if indexes have to be made again before the store opens.
    pub rebuild: RebuildWatch,
}

impl Debug for Resources {
    /// Leaves the token out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resources")
            .field("clock", &self.clock)
            .field("ids", &self.ids)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

impl Default for Resources {
    /// Takes the machine's clock and time-ordered ids, and no way to the network.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(TimeOrderedIds),
            http: None,
            token: None,
            rebuild: RebuildWatch::default(),
        }
    }
}

/// The two stores at one place, and the lock on it.
#[derive(Debug, Clone)]
pub struct Backend {
    /// The events.
    pub events: Arc<dyn EventStore>,
    /// The documents.
    pub documents: Arc<dyn DocumentStore>,
    /// The lock on the data, where one process owns it.
    pub ownership: Option<Ownership>,
    /// The condition of the files, where this process looks at them.
    pub condition: Option<StoreCondition>,
    /// Reclaims and moves what the files hold, where that can be done.
    pub upkeep: Option<Upkeep>,
    closing: Option<Arc<dyn Closing>>,
}

/// What a backend still does when it is closed.
#[async_trait]
pub(crate) trait Closing: Debug + Send + Sync {
    /// Finishes what has been begun and gives everything free.
    async fn close(&self);
}

impl Backend {
    /// Puts two stores together.
    pub fn new(events: Arc<dyn EventStore>, documents: Arc<dyn DocumentStore>) -> Self {
        Self { events, documents, ownership: None, condition: None, upkeep: None, closing: None }
    }

    /// Adds what is done at the end, and the lock that it gives free.
    pub(crate) fn closed_by(mut self, closing: Arc<dyn Closing>, ownership: Option<Ownership>) -> Self {
        self.closing = Some(closing);
        self.ownership = ownership;
        self
    }

    /// Adds who tells in which condition the files are.
    #[cfg_attr(not(feature = "file"), expect(dead_code, reason = "no other store looks at its files"))]
    pub(crate) fn in_condition(mut self, condition: StoreCondition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Adds what looks after the files; whoever closes the backend closes it before.
    pub(crate) fn kept_by(mut self, upkeep: Upkeep) -> Self {
        self.upkeep = Some(upkeep);
        self
    }

    /// Commits what has queued, refuses everything after it, and gives the data free.
    ///
    /// It closes the stores for every clone of this backend.
    pub async fn close(self) {
        if let Some(closing) = self.closing {
            closing.close().await;
        }
    }
}

/// Opens a locator.
type Open = fn(Locator, Resources) -> BoxFuture<'static, Result<Backend, BackendError>>;

/// Opens a locator to restore into it.
type OpenRestore = fn(&Locator) -> Result<Box<dyn Restore>, BackendError>;

/// Looks at the files of what a locator names.
type Inspect = fn(&Locator) -> Result<Inspection, BackendError>;

/// A row of the table of adapters.
#[derive(Debug, Clone, Copy)]
pub struct Adapter {
    /// The scheme of its locators.
    pub scheme: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// How a locator of it looks.
    pub example: &'static str,
    /// Opens a locator of the scheme.
    pub(crate) open: Open,
    /// Tells which other process holds what a locator names.
    pub(crate) owner: fn(&Locator) -> Option<Owner>,
    /// Opens what a locator names to restore into it, where that can be done.
    pub(crate) restore: Option<OpenRestore>,
    /// Looks at the files of what a locator names, where it has files.
    pub(crate) inspect: Option<Inspect>,
    /// Takes and restores backups, where it has files.
    pub(crate) backups: Option<&'static Backups>,
    /// Opens a locator only to read it, beside its owner, where that can be done.
    pub(crate) open_read_only: Option<Open>,
}

/// Every scheme that some build of ledgerstone knows, with the feature that it needs.
const FEATURES: &[(&str, &str)] =
    &[("file", "file"), ("sqlite", "sqlite"), ("http", "http"), ("https", "http")];

/// Returns the adapter for a locator, or says which schemes there are.
pub(crate) fn find_adapter<'a>(
    adapters: &'a [Adapter],
    locator: &Locator,
) -> Result<&'a Adapter, BackendError> {
    let scheme = locator.scheme();
    if let Some(adapter) = adapters.iter().find(|adapter| adapter.scheme == scheme) {
        return Ok(adapter);
    }
    let schemes: Vec<_> = adapters.iter().map(|adapter| adapter.scheme).collect();
    let feature = FEATURES.iter().find(|(known, _)| *known == scheme).map(|(_, feature)| *feature);
    let message = match (feature, nearest(scheme, schemes.iter().copied())) {
        (Some(feature), _) => {
            format!("this build has no {scheme:?} backend; build it with the feature {feature}")
        }
        (None, Some(nearest)) => format!(
            "no backend has the scheme {scheme:?}; did you mean {nearest}? There are {}",
            schemes.join(", ")
        ),
        (None, None) => {
            format!("no backend has the scheme {scheme:?}; there are {}", schemes.join(", "))
        }
    };
    Err(misplaced("store", message))
}

/// Tells which process holds what a locator names now, this one included; nothing if it is free.
pub fn owner_of(locator: &Locator) -> Option<Owner> {
    let adapter = find_adapter(crate::ADAPTERS, locator).ok()?;
    (adapter.owner)(locator)
}

/// Tells whether a locator names files on this machine.
pub fn has_files(locator: &Locator) -> bool {
    find_adapter(crate::ADAPTERS, locator).is_ok_and(|adapter| adapter.inspect.is_some())
}

/// Opens what a locator names only to read it, and changes nothing there.
///
/// A folder is read beside its owner, and what that makes durable shows after a moment; a database is read while
/// nobody owns it. Appends and commits of documents are refused.
pub async fn open_read_only(locator: &Locator, resources: &Resources) -> Result<Backend, BackendError> {
    let adapter = find_adapter(crate::ADAPTERS, locator)?;
    let Some(open) = adapter.open_read_only else {
        let message = format!("a {}: store cannot be opened only to be read; open it", adapter.scheme);
        return Err(BackendError::new(ErrorKind::Unsupported, adapter.scheme, "open", message));
    };
    open(locator.clone(), resources.clone()).await
}

/// Tells whether what a locator names can be opened only to read it.
pub fn can_read_only(locator: &Locator) -> bool {
    find_adapter(crate::ADAPTERS, locator).is_ok_and(|adapter| adapter.open_read_only.is_some())
}

/// Tells whether events can be restored into what a locator names.
pub fn can_restore(locator: &Locator) -> Result<bool, BackendError> {
    Ok(find_adapter(crate::ADAPTERS, locator)?.restore.is_some())
}

/// Opens what a locator names in order to restore events into it; it blocks.
pub fn restore(locator: &Locator) -> Result<Box<dyn Restore>, BackendError> {
    let adapter = find_adapter(crate::ADAPTERS, locator)?;
    let Some(restore) = adapter.restore else {
        let message = "events cannot be restored here; restore into an embedded store, such as sqlite:app.db";
        return Err(BackendError::new(ErrorKind::Unsupported, adapter.scheme, "restore", message));
    };
    restore(locator)
}

/// Looks at the files of what a locator names without changing them, whoever has it open; it blocks.
///
/// Nothing is answered where the backend has no files of its own here.
pub fn inspect(locator: &Locator) -> Result<Option<Inspection>, BackendError> {
    let adapter = find_adapter(crate::ADAPTERS, locator)?;
    adapter.inspect.map(|inspect| inspect(locator)).transpose()
}

/// Opens a store on a thread that may block.
pub(crate) fn open_where_it_may_block(
    backend: &'static str,
    open: impl FnOnce() -> Result<Backend, BackendError> + Send + 'static,
) -> BoxFuture<'static, Result<Backend, BackendError>> {
    Box::pin(async move {
        tokio::task::spawn_blocking(open).await.unwrap_or_else(|error| {
            let message = format!("opening ended: {error}");
            Err(BackendError::new(ErrorKind::Internal, backend, "open", message))
        })
    })
}

/// Refuses parameters of a locator that nobody understands.
pub(crate) fn check_parameters(
    backend: &'static str,
    locator: &Locator,
    known: &[&'static str],
) -> Result<(), BackendError> {
    let mut given: Vec<&str> = locator.parameter_names().collect();
    given.sort_unstable();
    if let Some(twice) = given.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(misplaced(
            backend,
            format!("the locator's parameter {} stands twice; give it once", twice[0]),
        ));
    }
    let Some(unknown) = locator.parameter_names().find(|name| !known.contains(name)) else { return Ok(()) };
    let hint = match nearest(unknown, known.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None if known.is_empty() => format!("{backend} takes none"),
        None => format!("there are {}", known.join(", ")),
    };
    Err(misplaced(backend, format!("the locator's parameter {unknown:?} is not known; {hint}")))
}

/// Says that a locator makes no sense.
pub(crate) fn misplaced(backend: &'static str, message: impl Into<String>) -> BackendError {
    BackendError::new(ErrorKind::Misconfigured, backend, "open", message).with_code(Code::Locator)
}
