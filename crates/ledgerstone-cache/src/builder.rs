//! The building of a cache: which tiers it has, and what loads and writes for it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ledgerstone_core::{BackendError, CacheStore, ErrorKind, Retryable};
use parking_lot::Mutex;
use rand::Rng as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use crate::backplane::Backplane;
use crate::cache::Cache;
use crate::cache_error::CacheError;
use crate::counts::Counts;
use crate::envelope::Codec;
use crate::flights::Flights;
use crate::inner::{Inner, KeyLoader, KeyWriter};
use crate::landed::Load;
use crate::loaded::Loaded;
use crate::memory_tier::{MemoryTier, Weigher};
use crate::news;
use crate::settings::CacheSettings;
use crate::shared_tier::SharedTier;
use crate::slot::{StaleAges, nanos};

/// Builds a [`Cache`].
pub struct CacheBuilder<T> {
    name: Arc<str>,
    settings: CacheSettings,
    node: String,
    shared: Option<(Arc<dyn CacheStore>, Codec<T>)>,
    backplane: Option<Arc<dyn Backplane>>,
    weigher: Option<Weigher<T>>,
    loader: Option<KeyLoader<T>>,
    writer: Option<KeyWriter<T>>,
    random: fn() -> u64,
}

impl<T: Send + Sync + 'static> CacheBuilder<T> {
    pub(crate) fn new(name: &str, settings: CacheSettings) -> Self {
        Self {
            name: name.into(),
            settings,
            node: format!("{:016x}", rand::rng().random::<u64>()),
            shared: None,
            backplane: None,
            weigher: None,
            loader: None,
            writer: None,
            random: || rand::rng().random(),
        }
    }

    /// Names this node; a random name is what it has otherwise. Two nodes must not share one.
    #[must_use]
    pub fn node(mut self, node: &str) -> Self {
        node.clone_into(&mut self.node);
        self
    }

    /// Puts a shared tier behind memory.
    #[must_use]
    pub fn shared(mut self, store: Arc<dyn CacheStore>) -> Self
    where
        T: Serialize + DeserializeOwned,
    {
        self.shared = Some((store, Codec::json()));
        self
    }

    /// Lets the nodes of the cache hear each other.
    #[must_use]
    pub fn backplane(mut self, backplane: Arc<dyn Backplane>) -> Self {
        self.backplane = Some(backplane);
        self
    }

    /// Weighs entries; without it each weighs one.
    #[must_use]
    pub fn weigher(mut self, weigh: impl Fn(&str, Option<&T>) -> u32 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Arc::new(weigh));
        self
    }

    /// Lets [`get`](Cache::get) load what is not there.
    #[must_use]
    pub fn read_through<F, Fut, V, E>(mut self, load: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        V: Into<Loaded<T>>,
        E: Error + Retryable + Send + Sync + 'static,
    {
        let (load, name) = (Arc::new(load), Arc::clone(&self.name));
        self.loader = Some(Arc::new(move |key: &str| {
            let (load, name, key) = (Arc::clone(&load), Arc::clone(&name), key.to_owned());
            let begin: Load<T> = Box::new(move || {
                let loading = load(key);
                Box::pin(async move {
                    let loaded = loading.await;
                    loaded.map(Into::into).map_err(|error| CacheError::load(&name, error))
                })
            });
            begin
        }));
        self
    }

    /// Lets [`write`](Cache::write) write before it caches.
    #[must_use]
    pub fn write_through<F, Fut, E>(mut self, write: F) -> Self
    where
        F: Fn(String, Arc<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Error + Retryable + Send + Sync + 'static,
    {
        let name = Arc::clone(&self.name);
        self.writer = Some(Arc::new(move |key: &str, value| {
            let (writing, name) = (write(key.to_owned(), value), Arc::clone(&name));
            Box::pin(async move { writing.await.map_err(|error| CacheError::load(&name, error)) })
        }));
        self
    }

    /// Draws the jitter from here: for tests.
    #[must_use]
    pub fn random(mut self, random: fn() -> u64) -> Self {
        self.random = random;
        self
    }

    /// Builds the cache; with a shared tier or a backplane it must be called within a tokio runtime.
    ///
    /// Nothing is connected to, and a shared tier that is down stops nothing.
    pub fn build(self) -> Result<Cache<T>, BackendError> {
        let refuse = |message: String| BackendError::new(ErrorKind::Misconfigured, "cache", "build", message);
        let name = Arc::clone(&self.name);
        self.settings.check().map_err(|error| refuse(format!("cache {name}: {error}")).with_source(error))?;
        let has_company = self.shared.is_some() || self.backplane.is_some();
        let runtime = Handle::try_current();
        if let (true, Err(error)) = (has_company, &runtime) {
            return Err(refuse(format!("cache {name}: build it within a tokio runtime: {error}")));
        }
        let counts = Arc::new(Counts::new(&name));
        let assumed = self.shared.as_ref().map(|_| CacheSettings::DEFAULT_MAX_STALENESS);
        let bound = self.settings.max_staleness.or(assumed).map(nanos);
        let ages = StaleAges {
            while_revalidate: self.settings.stale_while_revalidate.map(nanos).unwrap_or_default(),
            on_error: self.settings.stale_on_error.map(nanos).unwrap_or_default(),
        };
        let memory =
            MemoryTier::new(self.settings.max_weight, self.weigher, bound, ages, Arc::clone(&counts));
        let rest = self.settings.shared_rest;
        let shared =
            self.shared.map(|(store, codec)| (SharedTier::new(store, rest, Arc::clone(&counts)), codec));
        let inner = Arc::new(Inner {
            name,
            node: self.node,
            settings: self.settings,
            memory,
            shared,
            backplane: self.backplane,
            backplane_is_up: AtomicBool::new(false),
            unsaid: Mutex::default(),
            flights: Flights::default(),
            counts,
            loader: self.loader,
            writer: self.writer,
            random: self.random,
        });
        if has_company {
            news::follow(&inner, bound);
        }
        Ok(Cache { inner })
    }
}

impl<T> fmt::Debug for CacheBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
