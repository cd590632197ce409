//! A cache store in Redis: every call is one script, so each is decided at once; no KEYS, no SCAN, no FLUSHALL.
//!
//! An invalidation costs what it names: it writes one marker for each tag, key or prefix, and entries that carry
//! one are refused when they are read, and expire by themselves. All keys of a store share one hash slot. The
//! server should not evict keys without a time to live (`volatile-*` or `noeviction`); a tag's marker that was
//! evicted all the same makes its entries unreadable, not stale.

mod answers;
mod scripts;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, CacheCapabilities, CacheEntry, CacheLease, CachePut, CacheRead, CacheStamp, CacheStore,
    CacheTarget, ErrorKind, LogPoint,
};
use rand::Rng as _;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, FromRedisValue, RedisError, ScriptInvocation};

use answers::{Hits, Meta};
use scripts::{INVALIDATE, LEASE, PUT, READ, RELEASE};

const BACKEND: &str = "redis";
const CAPABILITIES: CacheCapabilities =
    CacheCapabilities { backend: BACKEND, is_shared: true, max_value_bytes: 16 * 1024 * 1024 };

/// Where the shared tier is, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisCacheSettings {
    /// What the names of all keys begin with; two caches, or two logs, must not share one.
    pub prefix: String,
    /// How long a call may take, connecting included.
    pub timeout: Duration,
}

impl Default for RedisCacheSettings {
    fn default() -> Self {
        Self { prefix: "ledgerstone".into(), timeout: Duration::from_millis(250) }
    }
}

/// Keeps entries in Redis, for every node that names the same server and prefix.
pub struct RedisCacheStore {
    connection: ConnectionManager,
    settings: RedisCacheSettings,
    /// What all keys begin with; the braces put them into one slot of a cluster.
    names: String,
}

impl RedisCacheStore {
    /// Makes a store for the server at `url`, and connects when it is first asked: a server that is down
    /// stops nothing. It must be called within a tokio runtime.
    pub fn new(url: &str, settings: RedisCacheSettings) -> Result<Self, BackendError> {
        let refuse = |error: RedisError| {
            let message = format!("the address is not understood, write redis://host:6379: {error}");
            BackendError::new(ErrorKind::Misconfigured, BACKEND, "open", message).with_source(error)
        };
        if let Err(error) = tokio::runtime::Handle::try_current() {
            let message = "open it within a tokio runtime";
            return Err(
                BackendError::new(ErrorKind::Misconfigured, BACKEND, "open", message).with_source(error)
            );
        }
        let client = Client::open(url).map_err(refuse)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(settings.timeout))
            .set_response_timeout(Some(settings.timeout))
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(refuse)?;
        let names = format!("{{{}}}:", settings.prefix);
        Ok(Self { connection, settings, names })
    }

    /// Begins a call of a script; every script takes these first.
    fn begin<'a>(&self, script: &'a redis::Script) -> ScriptInvocation<'a> {
        let mut call = script.key(format!("{}meta", self.names));
        // Kept by whoever is the first to ask a store that knows nothing.
        call.arg(&self.names).arg(rand::rng().random::<u64>());
        call
    }

    async fn run<R: FromRedisValue>(
        &self,
        operation: &'static str,
        call: &ScriptInvocation<'_>,
    ) -> Result<R, BackendError> {
        let mut connection = self.connection.clone();
        let limit = self.settings.timeout;
        match tokio::time::timeout(limit, call.invoke_async(&mut connection)).await {
            Ok(answer) => answer.map_err(|error| failed(operation, error)),
            Err(elapsed) => {
                let message = format!("no answer within {limit:?}; memory goes on alone");
                Err(BackendError::new(ErrorKind::TimedOut, BACKEND, operation, message).with_source(elapsed))
            }
        }
    }
}

/// Classifies what the driver said.
fn failed(operation: &'static str, error: RedisError) -> BackendError {
    use redis::ErrorKind as Said;
    let kind = match error.kind() {
        _ if error.is_timeout() => ErrorKind::TimedOut,
        Said::AuthenticationFailed => ErrorKind::Denied,
        Said::InvalidClientConfig => ErrorKind::Misconfigured,
        Said::Parse | Said::UnexpectedReturnType => ErrorKind::Corrupt,
        Said::Server(redis::ServerErrorKind::NoPerm) => ErrorKind::Denied,
        Said::Server(redis::ServerErrorKind::ResponseError) | Said::Extension => ErrorKind::Internal,
        _ => ErrorKind::Unavailable,
    };
    BackendError::new(kind, BACKEND, operation, error.to_string()).with_source(error)
}

impl fmt::Debug for RedisCacheStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCacheStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[async_trait]
impl CacheStore for RedisCacheStore {
    fn capabilities(&self) -> CacheCapabilities {
        CAPABILITIES
    }

    async fn read(&self, keys: &[&str]) -> Result<CacheRead, BackendError> {
        let mut call = self.begin(&READ);
        keys.iter().for_each(|key| {
            call.arg(*key);
        });
        let (incarnation, generation, log, position, hits): (String, String, String, String, Hits) =
            self.run("read", &call).await?;
        let stamp = answers::stamp(&(incarnation, generation, log, position))?;
        Ok(CacheRead { stamp, found: answers::hits(hits)? })
    }

    async fn put(&self, entries: Vec<(String, CacheEntry)>) -> Result<Vec<CachePut>, BackendError> {
        for (key, entry) in &entries {
            entry.check(key, &CAPABILITIES)?;
        }
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.begin(&PUT);
        for (key, entry) in &entries {
            scripts::add_entry(&mut call, key, entry);
        }
        let answers: Vec<u64> = self.run("put", &call).await?;
        let outcome = |answer| if answer == 0 { CachePut::Overtaken } else { CachePut::Stored };
        Ok(answers.into_iter().map(outcome).collect())
    }

    async fn invalidate(
        &self,
        targets: &[CacheTarget],
        at: Option<LogPoint>,
    ) -> Result<CacheStamp, BackendError> {
        targets.iter().try_for_each(|target| target.check(BACKEND))?;
        let mut call = self.begin(&INVALIDATE);
        scripts::add_point(&mut call, at);
        for target in targets {
            let (kind, text) = match target {
                CacheTarget::Key(key) => ("k", key.as_str()),
                CacheTarget::Tag(tag) => ("t", tag.as_str()),
                CacheTarget::Prefix(prefix) => ("p", prefix.as_str()),
                CacheTarget::All => ("a", ""),
            };
            call.arg(kind).arg(text);
        }
        let meta: Meta = self.run("invalidate", &call).await?;
        answers::stamp(&meta)
    }

    async fn lease(&self, key: &str, time: Duration) -> Result<Option<CacheLease>, BackendError> {
        CacheTarget::Key(key.to_owned()).check(BACKEND)?;
        let mut call = self.begin(&LEASE);
        call.arg(key).arg(scripts::millis(time));
        let fence: Option<u64> = self.run("lease", &call).await?;
        Ok(fence.map(|fence| CacheLease { key: key.to_owned(), fence }))
    }

    async fn release(&self, lease: CacheLease) -> Result<(), BackendError> {
        let mut call = self.begin(&RELEASE);
        call.arg(&lease.key).arg(lease.fence);
        let _: u64 = self.run("release", &call).await?;
        Ok(())
    }
}
