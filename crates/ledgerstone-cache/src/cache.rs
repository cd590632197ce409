//! The typed handle of a cache: what applications hold, clone and call.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use ledgerstone_core::{BackendError, CacheStamp, CacheTarget, LogPoint, Retryable, Tag};

use crate::builder::CacheBuilder;
use crate::cache_error::CacheError;
use crate::counts::CacheStats;
use crate::inner::{Facts, Inner};
use crate::landed::{Load, Wants};
use crate::loaded::Loaded;
use crate::settings::CacheSettings;
use crate::slot::{Origin, Standing};
use crate::unfinished::Unfinished;

/// A cache of `T` by text keys, in memory and, where one was given, in a shared tier behind it.
///
/// A clone is the same cache. What it promises about staleness, where *served* means from memory or from the
/// shared tier:
///
/// 1. When an invalidation has answered without an error, this node serves nothing that it covers and that was
///    loaded before, and neither does the shared tier.
/// 2. Every other node with a backplane that works stops serving it when the message arrives.
/// 3. Whatever happens to the backplane, known or unknown, no node serves it longer than
///    [`max_staleness`](CacheSettings::max_staleness) after that answer: an entry in memory that no news vouches
///    for is compared with the shared tier again, or loaded.
/// 4. A load that began before an invalidation of its key or of one of its tags never brings the older state
///    back, in any tier; the order is that of the log's positions, and of the shared tier's count where an
///    invalidation has none. No clock of another machine is compared with.
/// 5. An invalidation that answered with an error, since the shared tier or the backplane did not take it, holds
///    on this node at once, and both are told as soon as they can be while this process lives. Where it came
///    from the log and the process ended, whoever follows the log next lets every node compare its memory again.
/// 6. Stale for its age is served only where the settings allow it, and never what was invalidated.
pub struct Cache<T: Send + Sync + 'static> {
    pub(crate) inner: Arc<Inner<T>>,
}

// Not derived: the value itself need not be cloned.
impl<T: Send + Sync + 'static> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// What a cache knows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cached<T> {
    /// This is its value; an empty list is one.
    Hit(Arc<T>),
    /// It is known that there is none.
    Absent,
    /// Nothing is known.
    Miss,
}

impl<T> Cached<T> {
    /// Returns the value, if there is one.
    pub fn into_value(self) -> Option<Arc<T>> {
        match self {
            Self::Hit(value) => Some(value),
            Self::Absent | Self::Miss => None,
        }
    }
}

impl<T: Send + Sync + 'static> Cache<T> {
    /// Begins to build the cache of this name.
    pub fn builder(name: &str, settings: CacheSettings) -> CacheBuilder<T> {
        CacheBuilder::new(name, settings)
    }

    /// Returns the name, by which metrics and reports know it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns a fresh value that this node has in memory; asks nobody and begins no load.
    #[inline]
    pub fn peek(&self, key: &str) -> Option<Arc<T>> {
        self.inner.memory.hit(key).or_else(|| self.in_memory(key).and_then(Cached::into_value))
    }

    /// Returns the value of a key from memory, from the shared tier, or by the cache's own loader if it has one.
    #[inline]
    pub async fn get(&self, key: &str) -> Result<Option<Arc<T>>, CacheError> {
        if let Some(value) = self.inner.memory.hit(key) {
            return Ok(Some(value));
        }
        self.get_slowly(key).await
    }

    async fn get_slowly(&self, key: &str) -> Result<Option<Arc<T>>, CacheError> {
        match &self.inner.loader {
            Some(loader) => self.inner.obtain(key, Wants::Anything, loader(key)).await,
            None => Ok(self.lookup(key).await?.into_value()),
        }
    }

    /// Returns what both tiers know of a key, without loading anything.
    pub async fn lookup(&self, key: &str) -> Result<Cached<T>, CacheError> {
        let found = self.lookup_many(&[key]).await?;
        Ok(found.into_iter().next().unwrap_or(Cached::Miss))
    }

    /// Returns what both tiers know of each key, in their order, with one question to the shared tier.
    pub async fn lookup_many(&self, keys: &[&str]) -> Result<Vec<Cached<T>>, CacheError> {
        let mut found: Vec<_> = keys.iter().map(|key| self.in_memory(key)).collect();
        let missing: Vec<_> = (0..keys.len()).filter(|index| found[*index].is_none()).collect();
        if let (Some((shared, _)), false) = (&self.inner.shared, missing.is_empty()) {
            self.inner.settle().await;
            let asked: Vec<&str> = missing.iter().map(|index| keys[*index]).collect();
            let begun = self.inner.memory.begin();
            if let Some(read) = shared.read(&asked).await {
                self.inner.memory.reach(read.stamp.log);
                for (index, hit) in missing.into_iter().zip(read.found) {
                    let is_fresh = |hit: &ledgerstone_core::CacheHit| hit.age < hit.entry.fresh_for;
                    let slot = hit.filter(is_fresh).and_then(|hit| self.inner.adopt(keys[index], hit, begun));
                    if let Some(slot) = slot {
                        self.inner.counts.shared_hits.add();
                        found[index] = Some(slot.value.clone().map_or(Cached::Absent, Cached::Hit));
                    }
                }
            }
        }
        let misses = found.iter().filter(|found| found.is_none()).count();
        (0..misses).for_each(|_| {
            self.inner.counts.misses.add();
        });
        Ok(found.into_iter().map(|found| found.unwrap_or(Cached::Miss)).collect())
    }

    fn in_memory(&self, key: &str) -> Option<Cached<T>> {
        let (slot, standing) = self.inner.memory.look(key)?;
        let is_fresh = matches!(standing, Standing::Fresh | Standing::Eager);
        is_fresh.then(|| self.inner.serve(&slot).map_or(Cached::Absent, Cached::Hit))
    }

    /// Returns the values of many keys in their order, as [`get`](Self::get) does of one, but loads nothing.
    pub async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Arc<T>>>, CacheError> {
        let found = self.lookup_many(keys).await?;
        Ok(found.into_iter().map(Cached::into_value).collect())
    }

    /// Tells whether there is a value under a key, without loading it.
    pub async fn exists(&self, key: &str) -> Result<bool, CacheError> {
        Ok(matches!(self.lookup(key).await?, Cached::Hit(_)))
    }

    /// Returns the value of a key, and loads it if it is not there: once for all who want it meanwhile.
    ///
    /// The load runs in a task of its own: a caller that gives up neither ends nor repeats it.
    #[inline]
    pub async fn get_or_load<F, Fut, V, E>(&self, key: &str, load: F) -> Result<Arc<T>, CacheError>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        V: Into<Loaded<T>>,
        E: Error + Retryable + Send + Sync + 'static,
    {
        if let Some(value) = self.inner.memory.hit(key) {
            return Ok(value);
        }
        let value = self.inner.obtain(key, Wants::Value, self.load(load)).await?;
        value.ok_or_else(|| CacheError::Lost { cache: Arc::clone(&self.inner.name) })
    }

    /// Returns the value of a key, or that there is none, which the load may find out and the cache remembers.
    #[inline]
    pub async fn find_or_load<F, Fut, V, E>(&self, key: &str, load: F) -> Result<Option<Arc<T>>, CacheError>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        V: Into<Loaded<T>>,
        E: Error + Retryable + Send + Sync + 'static,
    {
        if let Some(value) = self.inner.memory.hit(key) {
            return Ok(Some(value));
        }
        self.inner.obtain(key, Wants::Anything, self.load(load)).await
    }

    fn load<F, Fut, V, E>(&self, load: F) -> Load<T>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        V: Into<Loaded<T>>,
        E: Error + Retryable + Send + Sync + 'static,
    {
        let name = Arc::clone(&self.inner.name);
        Box::new(move || {
            let loading = load();
            Box::pin(async move {
                let loaded = loading.await;
                loaded.map(Into::into).map_err(|error| CacheError::load(&name, error))
            })
        })
    }

    /// Sets the value of a key; whatever was being loaded for it is overtaken.
    ///
    /// An error means that the shared tier or the other nodes could not be told: this node has the new value, and the old one is
    /// removed there as soon as it can be.
    pub async fn set(&self, key: &str, value: impl Into<Loaded<T>>) -> Result<(), CacheError> {
        self.set_many([(key.to_owned(), value)]).await
    }

    /// Sets the values of many keys, with one call of the shared tier.
    pub async fn set_many<V: Into<Loaded<T>>>(
        &self,
        values: impl IntoIterator<Item = (String, V)>,
    ) -> Result<(), CacheError> {
        let values = values.into_iter().map(|(key, value)| {
            let loaded: Loaded<T> = value.into();
            let Loaded { value, tags, ttl, as_of } = loaded;
            (key, Loaded { value: value.map(Arc::new), tags, ttl, as_of })
        });
        self.put_newest(values.collect()).await
    }

    /// Writes a value by the cache's writer, and then sets it; what could not be written is not cached.
    pub async fn write(&self, key: &str, value: impl Into<Loaded<T>>) -> Result<(), CacheError> {
        let Some(writer) = &self.inner.writer else {
            let message = "the cache was built without a writer; give it one, or use set";
            let kind = ledgerstone_core::ErrorKind::Misconfigured;
            return Err(BackendError::new(kind, "cache", "write", message).into());
        };
        let Loaded { value, tags, ttl, as_of } = value.into();
        let value = value.map(Arc::new);
        let targets = [CacheTarget::Key(key.to_owned())];
        targets.iter().try_for_each(|target| target.check("cache"))?;
        let mut unfinished = Unfinished::new(&self.inner, &targets);
        let written = match &value {
            Some(value) => writer(key, Arc::clone(value)).await,
            None => Ok(()),
        };
        let answer = match written {
            Ok(()) => self.put_newest(vec![(key.to_owned(), Loaded { value, tags, ttl, as_of })]).await,
            Err(error) => {
                // Nobody knows what was written: whoever asks next has to look.
                let _ = self.delete(key).await;
                Err(error)
            }
        };
        unfinished.is_done();
        answer
    }

    async fn put_newest(&self, values: Vec<(String, Loaded<Arc<T>>)>) -> Result<(), CacheError> {
        let inner = &self.inner;
        let targets: Vec<_> = values.iter().map(|(key, _)| CacheTarget::Key(key.clone())).collect();
        targets.iter().try_for_each(|target| target.check("cache"))?;
        let (mut slots, mut entries) = (Vec::new(), Vec::new());
        for (key, loaded) in values {
            let spans = inner.spans(&loaded);
            let Loaded { value, tags, as_of, .. } = loaded;
            let origin = Origin::Set { node: inner.node.clone() };
            let begun = inner.memory.begin();
            let facts = Facts {
                tags,
                stamp: CacheStamp { log: as_of.or(begun.stamp.log), ..begun.stamp },
                known_at: begun.at,
                age: std::time::Duration::ZERO,
                fresh_for: spans.0,
                expires_after: spans.1,
                origin,
                from_shared: false,
            };
            let slot = inner.slot(value, facts);
            if inner.shared.is_some() {
                entries.push((key.clone(), inner.entry(&slot, spans, None, None)?));
            }
            slots.push((key, slot));
        }
        let mut unfinished = Unfinished::new(inner, &targets);
        let answer = match &inner.shared {
            Some((shared, _)) => shared.set(entries).await.map_err(CacheError::from),
            None => Ok(()),
        };
        // Where a shared tier has the values, the next question gets them from there, in the order of its puts.
        let is_shared = inner.shared.is_some() && answer.is_ok();
        inner.memory.set(&targets, if is_shared { Vec::new() } else { slots });
        unfinished.is_here();
        let said = inner.tell(&targets, None).await.map_err(CacheError::from);
        unfinished.is_done();
        answer.and(said)
    }

    /// Removes a key everywhere.
    pub async fn delete(&self, key: &str) -> Result<(), CacheError> {
        self.invalidate(&[CacheTarget::Key(key.to_owned())], None).await
    }

    /// Removes many keys everywhere.
    pub async fn delete_many(&self, keys: &[&str]) -> Result<(), CacheError> {
        let targets: Vec<_> = keys.iter().map(|key| CacheTarget::Key((*key).to_owned())).collect();
        self.invalidate(&targets, None).await
    }

    /// Removes whatever carries a tag, everywhere.
    pub async fn invalidate_tag(&self, tag: &Tag) -> Result<(), CacheError> {
        self.invalidate(&[CacheTarget::Tag(tag.clone())], None).await
    }

    /// Removes whatever has a key that begins with `prefix`, everywhere.
    pub async fn invalidate_prefix(&self, prefix: &str) -> Result<(), CacheError> {
        self.invalidate(&[CacheTarget::Prefix(prefix.to_owned())], None).await
    }

    /// Removes everything, everywhere.
    pub async fn clear(&self) -> Result<(), CacheError> {
        self.invalidate(&[CacheTarget::All], None).await
    }

    /// Removes what `targets` cover, or, with a position of the log, what was loaded before it.
    ///
    /// An error means that the shared tier or the other nodes could not be told; see promise 5.
    pub async fn invalidate(&self, targets: &[CacheTarget], at: Option<LogPoint>) -> Result<(), CacheError> {
        Ok(self.inner.invalidate(targets, at).await?)
    }

    /// Returns what was counted since the cache was built.
    pub fn stats(&self) -> CacheStats {
        self.inner.memory.settle();
        self.inner.stats()
    }
}
