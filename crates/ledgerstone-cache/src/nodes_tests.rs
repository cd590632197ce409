//! What the tests of caches share: simulated nodes, a shared tier that can be cut off, and a source to load from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, CacheCapabilities, CacheEntry, CacheLease, CachePut, CacheRead, CacheStamp, CacheStore,
    CacheTarget, Clock, ErrorKind, LogPoint, Timestamp,
};
use tokio::time::Instant;

use crate::cache::Cache;
use crate::local_backplane::LocalBackplane;
use crate::memory_store::MemoryCacheStore;
use crate::settings::CacheSettings;

/// The clock that tokio pauses.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A shared tier in this process that can be cut off.
#[derive(Debug)]
pub(crate) struct SharedStub {
    store: MemoryCacheStore,
    pub(crate) is_down: AtomicBool,
    pub(crate) calls: AtomicU64,
    /// Whether it does what it is told and never answers.
    pub(crate) hangs: AtomicBool,
    /// How long an invalidation takes.
    pub(crate) millis: AtomicU64,
}

impl SharedStub {
    pub(crate) fn new() -> Arc<Self> {
        let store = MemoryCacheStore::new(Arc::new(TokioClock(Instant::now())), 1 << 24);
        let (calls, millis) = (AtomicU64::new(0), AtomicU64::new(0));
        let (is_down, hangs) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { store, is_down, calls, hangs, millis })
    }

    pub(crate) fn cut(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    async fn answer(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    fn reached(&self) -> Result<&MemoryCacheStore, BackendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return Err(BackendError::new(ErrorKind::Unavailable, "stub", "call", "it is cut off"));
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl CacheStore for SharedStub {
    fn capabilities(&self) -> CacheCapabilities {
        CacheCapabilities { backend: "stub", is_shared: true, ..self.store.capabilities() }
    }

    async fn read(&self, keys: &[&str]) -> Result<CacheRead, BackendError> {
        self.reached()?.read(keys).await
    }

    async fn put(&self, entries: Vec<(String, CacheEntry)>) -> Result<Vec<CachePut>, BackendError> {
        let answer = self.reached()?.put(entries).await;
        self.answer().await;
        answer
    }

    async fn invalidate(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<CacheStamp, BackendError> {
        let store = self.reached()?;
        let millis = self.millis.load(Ordering::SeqCst);
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        let answer = store.invalidate(targets, at).await;
        self.answer().await;
        answer
    }

    async fn lease(&self, key: &str, time: Duration) -> Result<Option<CacheLease>, BackendError> {
        self.reached()?.lease(key, time).await
    }

    async fn release(&self, lease: CacheLease) -> Result<(), BackendError> {
        self.reached()?.release(lease).await
    }
}

/// Settings without chance: a ttl, and no jitter.
pub(crate) fn plain(ttl: Duration) -> CacheSettings {
    CacheSettings { jitter: 0.0, ..CacheSettings::with_ttl(ttl) }
}

/// A node of a cache of numbers.
pub(crate) fn node(
    name: &str,
    settings: CacheSettings,
    shared: &Arc<SharedStub>,
    backplane: Option<LocalBackplane>,
) -> Cache<u64> {
    let store: Arc<dyn CacheStore> = Arc::clone(shared) as _;
    let builder = Cache::builder("numbers", settings).node(name).shared(store);
    let builder = match backplane {
        Some(backplane) => builder.backplane(Arc::new(backplane)),
        None => builder,
    };
    builder.build().expect("sound settings")
}

/// Where values are loaded from: a number that can be changed, made slow, and made to fail.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) value: AtomicU64,
    pub(crate) loads: AtomicU64,
    pub(crate) fails: AtomicBool,
    pub(crate) millis: AtomicU64,
}

impl Source {
    pub(crate) fn of(value: u64) -> Arc<Self> {
        Arc::new(Self { value: AtomicU64::new(value), ..Self::default() })
    }

    pub(crate) fn set(&self, value: u64) {
        self.value.store(value, Ordering::SeqCst);
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    pub(crate) fn take(&self, span: Duration) {
        self.millis.store(u64::try_from(span.as_millis()).expect("short"), Ordering::SeqCst);
    }

    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    /// Reads the value at once, and brings it after its time: as slow readers do.
    pub(crate) async fn load(self: Arc<Self>) -> Result<u64, BackendError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let value = self.value.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(self.millis.load(Ordering::SeqCst))).await;
        if self.fails.load(Ordering::SeqCst) {
            return Err(BackendError::new(ErrorKind::Unavailable, "source", "load", "it is down"));
        }
        Ok(value)
    }

    pub(crate) async fn through(self: &Arc<Self>, cache: &Cache<u64>, key: &str) -> Option<u64> {
        let source = Arc::clone(self);
        cache.get_or_load(key, move || source.load()).await.ok().map(|value| *value)
    }
}
