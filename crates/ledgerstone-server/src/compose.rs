//! The composition root: the one file that knows a port and the adapter behind it.

use std::path::Path;
use std::sync::Arc;

use ledgerstone::core::{Clock, Code, ErrorKind, HttpClient, IdSource, Locator, SystemClock, TimeOrderedIds};
use ledgerstone::engine::{ReadModelOptions, ReadModels};
use ledgerstone::http::{ClientOptions, ReqwestClient};
use ledgerstone::stores::{self, Backend, Inspection, Owner, Resources, Restore, inspect, open, owner_of};

use crate::app::App;
use crate::failure::Failure;
use crate::remote::Remote;
use crate::settings::Settings;

/// What a command wants of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To read: a store that is not there is not made.
    Read,
    /// To write: a store that is not there is made.
    Write,
}

/// A store that was opened: by this process, or through the server that owns it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The stores.
    pub backend: Backend,
    /// The server, if they are its.
    pub remote: Option<Remote>,
    /// Where they are.
    pub locator: Locator,
}

/// Opens the configured store, or goes through the server that owns it.
pub async fn open_store(settings: &Settings, access: Access) -> Result<Opened, Failure> {
    let owner = owner(&settings.store).await?;
    let server = owner.as_ref().and_then(|owner| owner.address.as_deref());
    if let Some(address) = server {
        let locator: Locator = format!("http://{address}").parse()?;
        return open_at(settings, locator).await;
    }
    if access == Access::Read && is_missing(&settings.store) {
        let message = format!("there is no store at {}", settings.store);
        return Err(Failure::not_found(message).with_help(
            "name the store with --store or LEDGERSTONE__STORE; ledgerstone doctor shows what is used",
        ));
    }
    open_at(settings, settings.store.clone()).await
}

/// Opens the configured store in this process, whoever owns it.
pub async fn open_own(settings: &Settings) -> Result<Opened, Failure> {
    open_at(settings, settings.store.clone()).await
}

async fn open_at(settings: &Settings, locator: Locator) -> Result<Opened, Failure> {
    let client: Arc<dyn HttpClient> = Arc::new(ReqwestClient::new(ClientOptions::default())?);
    let token = settings.server.token.clone();
    let resources = Resources {
        clock: clock(),
        ids: ids(),
        http: Some(Arc::clone(&client)),
        token: token.as_ref().map(|token| token.expose().to_owned()),
    };
    let backend = open(&locator, &resources).await?;
    let is_server = matches!(locator.scheme(), "http" | "https");
    let remote = is_server.then(|| {
        let base = format!("{}:{}", locator.scheme(), locator.place());
        Remote::new(client, &base, token, settings.tenant.clone())
    });
    Ok(Opened { backend, remote, locator })
}

/// Builds what the server serves, and what commands use without one.
pub fn app(backend: &Backend) -> App {
    App {
        events: Arc::clone(&backend.events),
        documents: Arc::clone(&backend.documents),
        read_models: read_models(backend),
        clock: clock(),
        ids: ids(),
    }
}

/// Puts read models on a backend; they are not loaded yet.
pub fn read_models(backend: &Backend) -> ReadModels {
    let options = ReadModelOptions { clock: clock(), ids: ids(), ..ReadModelOptions::default() };
    ReadModels::new(Arc::clone(&backend.events), Arc::clone(&backend.documents), options)
}

/// Returns the clock of this process.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// Returns where new ids come from.
pub fn ids() -> Arc<dyn IdSource> {
    Arc::new(TimeOrderedIds)
}

/// Tells which other process holds a store.
pub async fn owner(locator: &Locator) -> Result<Option<Owner>, Failure> {
    let locator = locator.clone();
    // Looking at a lock may wait for a moment.
    let owner = tokio::task::spawn_blocking(move || owner_of(&locator)).await.map_err(anyhow::Error::new)?;
    Ok(owner.filter(|owner| owner.pid != std::process::id()))
}

/// Looks at the files of a store, whoever has it open; nothing where it has none here.
pub async fn inspect_files(locator: &Locator) -> Result<Option<Inspection>, Failure> {
    if is_missing(locator) {
        return Ok(None);
    }
    let locator = locator.clone();
    let inspected = tokio::task::spawn_blocking(move || inspect(&locator)).await;
    Ok(inspected.map_err(anyhow::Error::new)??)
}

/// Tells whether events can be restored into a store by this process.
pub fn can_restore(locator: &Locator) -> Result<bool, Failure> {
    Ok(stores::can_restore(locator)?)
}

/// Opens a store to restore into it; it blocks, and takes out what a restore that was killed had put.
pub fn open_restore(locator: &Locator) -> Result<Box<dyn Restore>, Failure> {
    Ok(stores::restore(locator)?)
}

/// Tells whether a locator names files on this machine.
pub fn has_files(locator: &Locator) -> bool {
    stores::has_files(locator)
}

/// Tells whether a locator names files that are not there, or a folder with nothing in it.
pub fn is_missing(locator: &Locator) -> bool {
    let is_empty = |path: &Path| path.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    let path = Path::new(locator.place());
    has_files(locator) && !locator.place().is_empty() && (!path.exists() || is_empty(path))
}

/// Refuses what only the process that holds a store can do.
pub fn only_local(opened: &Opened, what: &str) -> Result<(), Failure> {
    if opened.remote.is_none() {
        return Ok(());
    }
    let message = format!("{what} cannot be done through a server");
    Err(Failure::new(ErrorKind::Unsupported, Code::Unsupported, message)
        .with_help("stop the server and give the command the store itself"))
}
