//! Caching for ledgerstone: values in memory, bytes in a shared tier, one load a key, and a stated bound on how
//! old an answer may be.
//!
//! ```
//! use std::time::Duration;
//!
//! use ledgerstone_cache::{Cache, CacheSettings, Loaded};
//! use ledgerstone_core::{BackendError, Tag};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let orders: Cache<Vec<String>> =
//!     Cache::builder("orders", CacheSettings::with_ttl(Duration::from_secs(60))).build()?;
//! let of_ada = Tag::new("customer:ada")?;
//!
//! let tag = of_ada.clone();
//! let load = || async move { Ok::<_, BackendError>(Loaded::new(vec!["order-1".to_owned()]).tags([tag])) };
//! assert_eq!(orders.get_or_load("ada", load).await?.len(), 1);
//!
//! // From memory now, until somebody says that what Ada has ordered has changed.
//! assert!(orders.peek("ada").is_some());
//! orders.invalidate_tag(&of_ada).await?;
//! assert!(orders.peek("ada").is_none());
//! # Ok(())
//! # }
//! ```
//!
//! [`Cache`] lists what is promised about staleness; [`CacheInvalidator`] lets the events of the log invalidate.

mod backplane;
mod builder;
mod cache;
mod cache_error;
mod caches;
mod counts;
mod duration_text;
mod envelope;
mod explain;
mod flights;
mod health;
mod inner;
mod invalidator;
#[cfg(test)]
mod invalidator_tests;
mod key_hasher;
mod landed;
mod loaded;
mod loading;
#[cfg(test)]
mod loading_tests;
mod local_backplane;
mod markers;
mod memory_store;
mod memory_tier;
mod named_cache;
mod news;
#[cfg(test)]
mod nodes_tests;
#[cfg(feature = "redis")]
mod redis_backplane;
#[cfg(feature = "redis")]
mod redis_store;
mod settings;
mod shared_tier;
mod slot;
#[cfg(test)]
mod staleness_tests;
#[cfg(test)]
mod tiered_tests;
mod unfinished;
#[cfg(test)]
mod unfinished_tests;

pub use backplane::{Backplane, Signal};
pub use builder::CacheBuilder;
pub use cache::{Cache, Cached};
pub use cache_error::CacheError;
pub use caches::Caches;
pub use counts::CacheStats;
pub use explain::{EntryReport, Explanation};
pub use health::{BackplaneHealth, CacheHealth};
pub use invalidator::CacheInvalidator;
pub use loaded::Loaded;
pub use local_backplane::LocalBackplane;
pub use memory_store::MemoryCacheStore;
pub use named_cache::NamedCache;
#[cfg(feature = "redis")]
pub use redis_backplane::RedisBackplane;
#[cfg(feature = "redis")]
pub use redis_store::{RedisCacheSettings, RedisCacheStore};
pub use settings::{CacheSettings, InvalidCacheSettings};
pub use shared_tier::SharedHealth;
pub use slot::Origin;
