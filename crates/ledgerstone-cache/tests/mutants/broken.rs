//! A cache store that breaks a promise: the memory store, and what is wrong with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use ledgerstone_cache::MemoryCacheStore;
use ledgerstone_core::{
    BackendError, CacheCapabilities, CacheEntry, CacheLease, CachePut, CacheRead, CacheStamp, CacheStore,
    CacheTarget, LogPoint,
};
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::Fresh;
use parking_lot::Mutex;

pub(super) type Put = Result<Vec<CachePut>, BackendError>;
type Entries = Vec<(String, CacheEntry)>;
type Asked = (String, Duration);
type Told = (Vec<CacheTarget>, Option<LogPoint>);
type Answer<R> = BoxFuture<'static, Result<R, BackendError>>;

/// The sound store beneath, and what the mutant remembers.
#[derive(Debug)]
pub(super) struct Beneath {
    pub(super) store: MemoryCacheStore,
    pub(super) told: Mutex<Vec<CacheTarget>>,
    count: AtomicU64,
}

impl Beneath {
    pub(super) async fn read(&self, keys: &[String]) -> Result<CacheRead, BackendError> {
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        self.store.read(&keys).await
    }

    pub(super) fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

/// What is wrong with a mutant, and the cases that are meant to find it.
#[derive(Debug, Clone)]
pub(super) struct Mutant {
    pub(super) name: &'static str,
    pub(super) caught_by: Vec<&'static str>,
    read: fn(Arc<Beneath>, Vec<String>) -> Answer<CacheRead>,
    put: fn(Arc<Beneath>, Entries) -> Answer<Vec<CachePut>>,
    targets: fn(CacheTarget) -> CacheTarget,
    invalidate: fn(Arc<Beneath>, Told) -> Answer<CacheStamp>,
    lease: fn(Arc<Beneath>, Asked) -> Answer<Option<CacheLease>>,
    release: fn(Arc<Beneath>, CacheLease) -> Answer<()>,
}

/// Breaks one call.
macro_rules! broken {
    (|$beneath:ident, $given:ident| $body:expr) => {
        |$beneath, $given| Box::pin(async move { $body })
    };
    (|$beneath:ident, mut $given:ident| $body:expr) => {
        |$beneath, mut $given| Box::pin(async move { $body })
    };
}
pub(super) use broken;

impl Mutant {
    /// A store with nothing wrong.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            caught_by: Vec::new(),
            read: broken!(|beneath, keys| beneath.read(&keys).await),
            put: broken!(|beneath, entries| beneath.store.put(entries).await),
            targets: |target| target,
            invalidate: broken!(|beneath, told| beneath.store.invalidate(&told.0, told.1).await),
            lease: broken!(|beneath, asked| beneath.store.lease(&asked.0, asked.1).await),
            release: broken!(|beneath, lease| beneath.store.release(lease).await),
        }
    }

    pub(super) fn read(mut self, broken: fn(Arc<Beneath>, Vec<String>) -> Answer<CacheRead>) -> Self {
        self.read = broken;
        self
    }

    pub(super) fn put(mut self, broken: fn(Arc<Beneath>, Entries) -> Answer<Vec<CachePut>>) -> Self {
        self.put = broken;
        self
    }

    pub(super) fn targets(mut self, broken: fn(CacheTarget) -> CacheTarget) -> Self {
        self.targets = broken;
        self
    }

    pub(super) fn invalidate(mut self, broken: fn(Arc<Beneath>, Told) -> Answer<CacheStamp>) -> Self {
        self.invalidate = broken;
        self
    }

    pub(super) fn lease(mut self, broken: fn(Arc<Beneath>, Asked) -> Answer<Option<CacheLease>>) -> Self {
        self.lease = broken;
        self
    }

    pub(super) fn release(mut self, broken: fn(Arc<Beneath>, CacheLease) -> Answer<()>) -> Self {
        self.release = broken;
        self
    }

    pub(super) fn caught_by(mut self, cases: &[&'static str]) -> Self {
        self.caught_by = cases.to_vec();
        self
    }

    /// Opens the mutant with nothing in it.
    pub(super) fn open(self, clock: Arc<FixedClock>) -> Fresh<Arc<dyn CacheStore>> {
        let store = MemoryCacheStore::new(Arc::clone(&clock) as _, 1 << 26);
        let beneath = Arc::new(Beneath { store, told: Mutex::default(), count: AtomicU64::new(0) });
        Fresh::new(Arc::new(Broken { beneath, mutant: self }) as _, clock)
    }
}

#[derive(Debug)]
struct Broken {
    beneath: Arc<Beneath>,
    mutant: Mutant,
}

#[async_trait]
impl CacheStore for Broken {
    fn capabilities(&self) -> CacheCapabilities {
        self.beneath.store.capabilities()
    }

    async fn read(&self, keys: &[&str]) -> Result<CacheRead, BackendError> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        (self.mutant.read)(Arc::clone(&self.beneath), keys).await
    }

    async fn put(&self, entries: Vec<(String, CacheEntry)>) -> Put {
        (self.mutant.put)(Arc::clone(&self.beneath), entries).await
    }

    async fn invalidate(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<CacheStamp, BackendError> {
        let targets: Vec<_> = targets.iter().cloned().map(self.mutant.targets).collect();
        self.beneath.told.lock().extend_from_slice(&targets);
        (self.mutant.invalidate)(Arc::clone(&self.beneath), (targets, at)).await
    }

    async fn lease(&self, key: &str, time: Duration) -> Result<Option<CacheLease>, BackendError> {
        (self.mutant.lease)(Arc::clone(&self.beneath), (key.to_owned(), time)).await
    }

    async fn release(&self, lease: CacheLease) -> Result<(), BackendError> {
        (self.mutant.release)(Arc::clone(&self.beneath), lease).await
    }
}
