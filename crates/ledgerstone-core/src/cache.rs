//! The cache port: copies of what can be made again, kept for a while, and never older than what is known.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{BackendError, ErrorKind};
use crate::position::LogPoint;
use crate::tag::Tag;

/// Keeps bytes under keys for a time, and refuses what an invalidation has overtaken.
///
/// An adapter makes these promises, and the conformance suite holds it to each:
///
/// 1. *Faithful.* What was put is read back as it was put, with its tags and its times, until it is replaced,
///    invalidated, expired or evicted. No bytes at all are a value too.
/// 2. *Never late.* An entry is not read once its [`expires_after`](CacheEntry::expires_after) is over; the
///    age that comes with it is counted by a clock that no other machine shares.
/// 3. *Invalidated is gone.* When [`invalidate`](Self::invalidate) has answered, no entry that it covers, by
///    key, tag, prefix or all, is read again; others stay.
/// 4. *Overtaken is refused.* An entry whose stamp was read before an invalidation that covers it is refused
///    when it is put after, and says so; so a slow load never brings an older state back.
/// 5. *Ordered by the log.* An invalidation at a position covers only what is stamped before that position,
///    however often and in whatever order positions are told. The position told last is in later stamps.
/// 6. *One log.* What was stamped by another log, or by an earlier life of it, is gone when a new one is told;
///    an earlier life that is told late changes no position.
/// 7. *Put now is newest.* An entry without a stamp replaces whatever began before it.
/// 8. *Many at once.* Answers stand in the order of the question, one for each, doubles included.
/// 9. *Leased once.* Of many who ask for a lease of a key one gets it, until it is released or over; fences
///    rise, a fence of before releases nothing, and an entry under it does not replace one under a later.
/// 10. *Bounded.* A key, a tag or a value above its limit is refused before anything is written.
#[doc(alias = "ICache")]
#[async_trait]
pub trait CacheStore: Debug + Send + Sync + 'static {
    /// Returns what this store is.
    fn capabilities(&self) -> CacheCapabilities;

    /// Reads entries, and the stamp that whoever now begins to load a missing one has to put it with.
    async fn read(&self, keys: &[&str]) -> Result<CacheRead, BackendError>;

    /// Puts entries; each is stored or overtaken by itself.
    async fn put(&self, entries: Vec<(String, CacheEntry)>) -> Result<Vec<CachePut>, BackendError>;

    /// Makes everything that `targets` cover unreadable, or, with a position, what is stamped before it.
    ///
    /// No targets and a position tell that all invalidations up to there were told.
    async fn invalidate(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<CacheStamp, BackendError>;

    /// Takes the lease of a key for a time, or nothing if somebody else has it.
    async fn lease(&self, key: &str, time: Duration) -> Result<Option<CacheLease>, BackendError>;

    /// Gives a lease back.
    async fn release(&self, lease: CacheLease) -> Result<(), BackendError>;
}

/// What a cache store is, beyond its promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheCapabilities {
    /// The name of the technology.
    pub backend: &'static str,
    /// Whether several processes see the same entries.
    pub is_shared: bool,
    /// The largest size of a value in bytes.
    pub max_value_bytes: usize,
}

/// What a cache store knew when it was asked: the place of a load that begins then, among invalidations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CacheStamp {
    /// Which life of the store; one that lost its memory begins another.
    pub incarnation: u64,
    /// How many invalidations without a position there were.
    pub generation: u64,
    /// Up to where the log's invalidations were told.
    pub log: Option<LogPoint>,
}

/// Bytes to keep, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    /// The bytes.
    pub value: Bytes,
    /// By which it is invalidated, besides its key.
    pub tags: Vec<Tag>,
    /// The age from which it is stale.
    pub fresh_for: Duration,
    /// The age from which it is not read any more.
    pub expires_after: Duration,
    /// What the store said when its load began; nothing for a value that is newer than all of them.
    pub stamp: Option<CacheStamp>,
    /// The fence of the lease under which it was loaded.
    pub fence: Option<u64>,
}

impl CacheEntry {
    /// The largest size of a key or a prefix in bytes.
    pub const MAX_KEY_BYTES: usize = 512;
    /// The largest number of tags.
    pub const MAX_TAGS: usize = 64;
    /// The longest time of an entry: 366 days.
    pub const MAX_LIFE: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    /// The longest time of a load: what takes longer may be overtaken unseen by a store that forgets.
    pub const MAX_LOAD: Duration = Duration::from_secs(60 * 60);

    /// Checks an entry and its key against what `capabilities` allow.
    pub fn check(&self, key: &str, capabilities: &CacheCapabilities) -> Result<(), BackendError> {
        check_key(key, capabilities.backend)?;
        let refuse = |message: String| {
            let kind = ErrorKind::Invalid;
            Err(BackendError::new(kind, capabilities.backend, "put", message))
        };
        if self.value.len() > capabilities.max_value_bytes {
            let (size, limit) = (self.value.len(), capabilities.max_value_bytes);
            return refuse(format!("the value has {size} bytes and the limit is {limit}; cache less of it"));
        }
        if self.tags.len() > Self::MAX_TAGS {
            return refuse(format!("it has {} tags and the limit is {}", self.tags.len(), Self::MAX_TAGS));
        }
        if self.expires_after > Self::MAX_LIFE || self.expires_after.is_zero() {
            return refuse("it expires at once or after more than 366 days; choose a time between".into());
        }
        Ok(())
    }
}

/// Checks that a key is not empty, not too long, and free of control characters.
fn check_key(key: &str, backend: &'static str) -> Result<(), BackendError> {
    crate::text::check("a cache key", key, CacheEntry::MAX_KEY_BYTES).map_err(|error| {
        BackendError::new(ErrorKind::Invalid, backend, "check the key", error.to_string()).with_source(error)
    })
}

/// An entry that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheHit {
    /// The entry.
    pub entry: CacheEntry,
    /// How long ago it was put.
    pub age: Duration,
}

/// The answer to a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheRead {
    /// What a load that begins now is to be stamped with.
    pub stamp: CacheStamp,
    /// What was found, in the order of the keys.
    pub found: Vec<Option<CacheHit>>,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CachePut {
    /// It is kept.
    Stored,
    /// It is not: something that covers it was invalidated after its load had begun, or a later lease stored.
    Overtaken,
}

/// What to invalidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheTarget {
    /// One key.
    Key(String),
    /// Whatever carries this tag.
    Tag(Tag),
    /// Whatever has a key that begins with this, compared as bytes.
    Prefix(String),
    /// Everything.
    All,
}

impl CacheTarget {
    /// Checks the size of what it names.
    pub fn check(&self, backend: &'static str) -> Result<(), BackendError> {
        match self {
            Self::Key(text) | Self::Prefix(text) => check_key(text, backend),
            Self::Tag(_) | Self::All => Ok(()),
        }
    }

    /// Tells whether it covers an entry with this key and these tags.
    pub fn covers(&self, key: &str, tags: &[Tag]) -> bool {
        match self {
            Self::Key(one) => one == key,
            Self::Tag(tag) => tags.contains(tag),
            Self::Prefix(prefix) => key.starts_with(prefix),
            Self::All => true,
        }
    }
}

/// The right to load a key, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheLease {
    /// The key.
    pub key: String,
    /// A number that is larger than that of every lease before.
    pub fence: u64,
}
