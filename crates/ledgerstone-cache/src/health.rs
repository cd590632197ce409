//! How a cache is: whether its tiers and its backplane work.

use std::time::Duration;

use serde::Serialize;

use crate::cache::Cache;
use crate::shared_tier::SharedHealth;

/// How a cache is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheHealth {
    /// The cache's name.
    pub cache: String,
    /// Entries in memory, about.
    pub entries: u64,
    /// The shared tier, if there is one.
    pub shared: Option<SharedHealth>,
    /// The backplane, if there is one.
    pub backplane: Option<BackplaneHealth>,
}

/// How a backplane is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackplaneHealth {
    /// Whether it says that messages arrive.
    pub is_up: bool,
    /// How long ago an echo proved that nothing was missing; nothing before the first.
    pub vouched_ago: Option<Duration>,
    /// How many invalidations the other nodes still have to be told of.
    pub unsaid: usize,
}

impl CacheHealth {
    /// Tells whether the cache serves, but from fewer tiers than it was given.
    pub fn is_degraded(&self) -> bool {
        let shared = self.shared.as_ref().is_some_and(|shared| !shared.is_up || shared.owed > 0);
        shared || self.backplane.as_ref().is_some_and(|backplane| !backplane.is_up)
    }
}

impl<T: Send + Sync + 'static> Cache<T> {
    /// Returns how the cache is; it serves from memory whatever this says.
    pub fn health(&self) -> CacheHealth {
        let inner = &self.inner;
        let vouched = inner.memory.vouched_until();
        let ago = inner.memory.now().saturating_sub(vouched);
        CacheHealth {
            cache: inner.name.to_string(),
            entries: inner.memory.entries(),
            shared: inner.shared.as_ref().map(|(shared, _)| shared.health()),
            backplane: inner.backplane.as_ref().map(|_| BackplaneHealth {
                is_up: inner.is_backplane_up(),
                vouched_ago: (vouched > 0).then(|| Duration::from_nanos(ago)),
                unsaid: inner.unsaid.lock().len(),
            }),
        }
    }
}
