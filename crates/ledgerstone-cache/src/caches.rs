//! The caches of a process by name: for its settings, its metrics, its readiness and its command line.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerstone_core::{BackendError, ErrorKind, nearest};
use parking_lot::RwLock;

use crate::cache::Cache;
use crate::counts::CacheStats;
use crate::health::CacheHealth;
use crate::named_cache::NamedCache;
use crate::settings::{CacheSettings, InvalidCacheSettings};

/// The caches of a process; a clone is the same registry.
#[derive(Debug, Clone, Default)]
pub struct Caches {
    settings: Arc<BTreeMap<String, CacheSettings>>,
    caches: Arc<RwLock<BTreeMap<String, Arc<dyn NamedCache>>>>,
}

impl Caches {
    /// Takes the settings of each cache by its name, and refuses contradictions.
    pub fn from_settings(settings: BTreeMap<String, CacheSettings>) -> Result<Self, InvalidCacheSettings> {
        for (name, one) in &settings {
            one.check().map_err(|error| InvalidCacheSettings {
                reason: format!("cache {name}: {}", error.reason),
                ..error
            })?;
        }
        Ok(Self { settings: Arc::new(settings), caches: Arc::default() })
    }

    /// Returns the settings of a cache: what was configured under its name, or what holds for all.
    pub fn settings(&self, name: &str) -> CacheSettings {
        self.settings.get(name).cloned().unwrap_or_default()
    }

    /// Adds a cache; two of one name are refused, since their metrics and messages would mix.
    pub fn add<T: Send + Sync + 'static>(&self, cache: &Cache<T>) -> Result<(), BackendError> {
        let mut caches = self.caches.write();
        if caches.contains_key(cache.name()) {
            let message = format!("there is a cache {} already; give this one another name", cache.name());
            return Err(BackendError::new(ErrorKind::Misconfigured, "cache", "add", message));
        }
        caches.insert(cache.name().to_owned(), Arc::new(cache.clone()));
        Ok(())
    }

    /// Returns a cache by its name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn NamedCache>> {
        self.caches.read().get(name).map(Arc::clone)
    }

    /// Returns a cache by its name, or an error that names the nearest.
    pub fn find(&self, name: &str) -> Result<Arc<dyn NamedCache>, BackendError> {
        self.get(name).ok_or_else(|| {
            let names = self.names();
            let meant = nearest(name, names.iter().map(String::as_str));
            let hint = meant
                .map_or_else(|| format!("there are {names:?}"), |meant| format!("did you mean {meant}?"));
            BackendError::new(
                ErrorKind::NotFound,
                "cache",
                "find",
                format!("there is no cache {name}; {hint}"),
            )
        })
    }

    /// Returns the names, in order.
    pub fn names(&self) -> Vec<String> {
        self.caches.read().keys().cloned().collect()
    }

    /// Returns how each cache is.
    pub fn health(&self) -> Vec<CacheHealth> {
        self.caches.read().values().map(|cache| cache.health()).collect()
    }

    /// Returns what each cache has counted.
    pub fn stats(&self) -> Vec<(String, CacheStats)> {
        self.caches.read().iter().map(|(name, cache)| (name.clone(), cache.stats())).collect()
    }

    /// Sets the metrics of every cache; called before they are exposed.
    pub fn publish_metrics(&self) {
        self.caches.read().values().for_each(|cache| cache.publish_metrics());
    }
}
