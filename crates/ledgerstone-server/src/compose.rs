//! The composition root: the one file that knows a port and the adapter behind it.

use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "redis")]
use std::time::Duration;

use ledgerstone::cache::{Cache, CacheBuilder, CacheSettings};
#[cfg(feature = "redis")]
use ledgerstone::cache::{RedisBackplane, RedisCacheSettings, RedisCacheStore};
#[cfg(feature = "redis")]
use ledgerstone::core::RateRule;
use ledgerstone::core::{
    BackendError, Clock, Code, ErrorKind, HttpClient, IdSource, Locator, SystemClock, TimeOrderedIds,
};
use ledgerstone::engine::{ReadModelOptions, ReadModels};
use ledgerstone::http::{ClientOptions, ReqwestClient};
use ledgerstone::resilience::RateLimits;
#[cfg(feature = "redis")]
use ledgerstone::resilience::{RedisRateLimiter, RedisRateOptions, SharedRateOptions, SharedRates};
use ledgerstone::stores::{
    self, Backend, BackupChecked, BackupRestored, BackupTaken, Inspection, Owner, RebuildWatch, Resources,
    Restore, Watch, inspect, open, owner_of,
};

use crate::app::App;
use crate::failure::Failure;
use crate::outward::StoredValue;
use crate::remote::Remote;
use crate::settings::{Secret, Settings};

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
    /// Whether they are only read.
    pub is_read_only: bool,
}

/// Opens the configured store, or goes through the server that owns it.
pub async fn open_store(
    settings: &Settings,
    access: Access,
    rebuild: RebuildWatch,
) -> Result<Opened, Failure> {
    let owner = owner(&settings.store).await?;
    let server = owner.as_ref().and_then(|owner| owner.address.as_deref());
    if let Some(address) = server {
        let locator: Locator = format!("http://{address}").parse()?;
        return open_at(settings, locator, rebuild).await;
    }
    if access == Access::Read && is_missing(&settings.store) {
        return Err(missing(&settings.store));
    }
    let can_read = access == Access::Read && stores::can_read_only(&settings.store);
    if can_read && owner.is_some() {
        return open_reading(settings, rebuild).await;
    }
    match open_at(settings, settings.store.clone(), rebuild.clone()).await {
        // Who may only read can still do that.
        Err(failure) if can_read && failure.code() == Code::ReadOnly => open_reading(settings, rebuild).await,
        opened => opened,
    }
}

/// Returns the server that the configured store is, or that owns it, if one runs.
pub async fn server_of(settings: &Settings) -> Result<Option<Remote>, Failure> {
    let is_server = matches!(settings.store.scheme(), "http" | "https");
    let owner = if is_server { None } else { owner(&settings.store).await? };
    let address = owner.as_ref().and_then(|owner| owner.address.as_deref());
    let locator: Locator = match (is_server, address) {
        (true, _) => settings.store.clone(),
        (false, Some(address)) => format!("http://{address}").parse()?,
        (false, None) => return Ok(None),
    };
    let client: Arc<dyn HttpClient> = Arc::new(ReqwestClient::new(ClientOptions::default())?);
    let base = format!("{}:{}", locator.scheme(), locator.place());
    let server = Remote::new(client, &base, settings.server.token.clone(), settings.tenant.clone());
    server.check_answers(&locator).await?;
    Ok(Some(server))
}

/// Opens the configured store only to read it, whoever owns it.
pub async fn open_reading(settings: &Settings, rebuild: RebuildWatch) -> Result<Opened, Failure> {
    if is_missing(&settings.store) {
        return Err(missing(&settings.store));
    }
    let resources = Resources { clock: clock(), ids: ids(), rebuild, ..Resources::default() };
    let backend = stores::open_read_only(&settings.store, &resources).await?;
    Ok(Opened { backend, remote: None, locator: settings.store.clone(), is_read_only: true })
}

/// Opens the configured store to check its events: nothing of a folder that nobody owns is changed, not even a torn
/// end cut.
pub async fn open_to_check(settings: &Settings, rebuild: RebuildWatch) -> Result<Opened, Failure> {
    if settings.store.scheme() == "file" && owner(&settings.store).await?.is_none() {
        return open_reading(settings, rebuild).await;
    }
    open_store(settings, Access::Read, rebuild).await
}

/// Opens the configured store in this process, whoever owns it.
pub async fn open_own(settings: &Settings, rebuild: RebuildWatch) -> Result<Opened, Failure> {
    open_at(settings, settings.store.clone(), rebuild).await
}

async fn open_at(settings: &Settings, locator: Locator, rebuild: RebuildWatch) -> Result<Opened, Failure> {
    let client: Arc<dyn HttpClient> = Arc::new(ReqwestClient::new(ClientOptions::default())?);
    let token = settings.server.token.clone();
    let resources = Resources {
        clock: clock(),
        ids: ids(),
        http: Some(Arc::clone(&client)),
        token: token.as_ref().map(|token| token.expose().to_owned()),
        rebuild,
    };
    let backend = open(&locator, &resources).await?;
    let is_server = matches!(locator.scheme(), "http" | "https");
    let remote = is_server.then(|| {
        let base = format!("{}:{}", locator.scheme(), locator.place());
        Remote::new(client, &base, token, settings.tenant.clone())
    });
    if let Some(server) = &remote {
        server.check_answers(&locator).await?;
    }
    Ok(Opened { backend, remote, locator, is_read_only: false })
}

/// What reaches other systems, for what stands between them and this process.
#[derive(Debug, Clone)]
pub struct Adapters {
    /// Sends requests.
    pub http: Arc<dyn HttpClient>,
    /// The Redis that nodes share, if one is configured.
    redis: Option<Secret>,
    /// What the keys there begin with.
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "only Redis has such keys"))]
    prefix: String,
    /// The name of this process among the nodes.
    node: String,
}

/// Takes what the settings say of other systems; nothing is connected yet.
pub fn adapters(settings: &Settings) -> Result<Adapters, Failure> {
    let http: Arc<dyn HttpClient> = Arc::new(ReqwestClient::new(ClientOptions::default())?);
    let node = ids().next_id().simple().to_string();
    let prefix = settings.redis_prefix.clone();
    Ok(Adapters { http, redis: settings.redis.clone(), prefix, node })
}

impl Adapters {
    /// Returns a registry of rate limits that knows where nodes share them.
    pub fn rate_limits(&self) -> RateLimits {
        let limits = RateLimits::new(clock());
        #[cfg(feature = "redis")]
        if let Some(url) = self.redis.clone() {
            let options =
                RedisRateOptions { prefix: format!("{}:limits", self.prefix), ..RedisRateOptions::default() };
            let open = move |name: &str, rules: &[RateRule]| -> Result<Arc<dyn SharedRates>, BackendError> {
                let limiter = RedisRateLimiter::new(name, rules, url.expose(), options.clone())?;
                Ok(Arc::new(limiter))
            };
            return limits.with_shared(SharedRateOptions::of_node(&self.node), open);
        }
        limits
    }

    /// Builds a cache, in the memory of this process or shared with others too; within a runtime.
    pub(crate) fn cache(
        &self,
        name: &str,
        settings: CacheSettings,
        shared: bool,
    ) -> Result<Cache<StoredValue>, BackendError> {
        let builder = Cache::builder(name, settings).node(&self.node).weigher(StoredValue::weight);
        match shared {
            false => builder.build(),
            true => self.share(name, builder)?.build(),
        }
    }

    #[cfg(feature = "redis")]
    fn share(
        &self,
        name: &str,
        builder: CacheBuilder<StoredValue>,
    ) -> Result<CacheBuilder<StoredValue>, BackendError> {
        const PATIENCE: Duration = Duration::from_secs(2);
        let Some(url) = &self.redis else { return Err(self.no_redis(name)) };
        let prefix = format!("{}:cache:{name}", self.prefix);
        let settings = RedisCacheSettings { prefix: prefix.clone(), ..RedisCacheSettings::default() };
        let store = RedisCacheStore::new(url.expose(), settings)?;
        let backplane = RedisBackplane::new(url.expose(), &format!("{prefix}:news"), PATIENCE)?;
        Ok(builder.shared(Arc::new(store)).backplane(Arc::new(backplane)))
    }

    #[cfg(not(feature = "redis"))]
    fn share(
        &self,
        name: &str,
        _builder: CacheBuilder<StoredValue>,
    ) -> Result<CacheBuilder<StoredValue>, BackendError> {
        Err(self.no_redis(name))
    }

    fn no_redis(&self, cache: &str) -> BackendError {
        let what = if cfg!(feature = "redis") && self.redis.is_none() {
            "no Redis is configured; name one by redis.url"
        } else {
            "this build has no Redis; build it with the feature redis"
        };
        let message = format!("caches.{cache} is shared, and {what}, or leave `shared` out");
        BackendError::new(ErrorKind::Misconfigured, "cache", "open", message)
    }
}

/// Builds what the server serves, and what commands use without one.
pub fn app(backend: &Backend) -> App {
    App {
        events: Arc::clone(&backend.events),
        documents: Arc::clone(&backend.documents),
        read_models: read_models(backend),
        condition: backend.condition.clone(),
        upkeep: backend.upkeep.clone(),
        outward: None,
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

/// Takes a backup of a store into a folder, whoever has it open; it blocks.
pub fn back_up(locator: &Locator, to: &Path, watch: Watch<'_>) -> Result<BackupTaken, Failure> {
    if is_missing(locator) {
        return Err(missing(locator));
    }
    Ok(stores::back_up(locator, to, clock().now(), watch)?)
}

/// Reads a whole backup and says what is wrong with it; it blocks.
pub fn check_backup(from: &Path, watch: Watch<'_>) -> Result<BackupChecked, Failure> {
    Ok(stores::check_backup(from, watch)?)
}

/// Makes a store of a backup; it blocks.
pub fn restore_backup(from: &Path, to: &Locator, watch: Watch<'_>) -> Result<BackupRestored, Failure> {
    Ok(stores::restore_backup(from, to, watch)?)
}

fn missing(locator: &Locator) -> Failure {
    Failure::not_found(format!("there is no store at {locator}"))
        .with_help("name the store with --store or LEDGERSTONE__STORE; ledgerstone doctor shows what is used")
}

/// Tells whether a locator names files on this machine.
pub fn has_files(locator: &Locator) -> bool {
    stores::has_files(locator)
}

/// Tells whether a locator names files that are not there, or a folder that holds no store.
pub fn is_missing(locator: &Locator) -> bool {
    let path = Path::new(locator.place());
    // A folder of somebody else's files is not written to by who only looks.
    let holds_nothing = || {
        let parts = ["documents.db", "log", "log.restoring", "restoring"];
        locator.scheme() == "file" && path.is_dir() && !parts.iter().any(|part| path.join(part).exists())
    };
    has_files(locator) && !locator.place().is_empty() && (!path.exists() || holds_nothing())
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
