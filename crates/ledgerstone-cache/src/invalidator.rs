//! Invalidation by the events of the log: a follower that turns what happened into what is no longer true.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ledgerstone_core::{
    CacheTarget, EventStore, EventStoreError, EventType, Frame, InvalidName, LogHead, LogIdentity, LogKind,
    LogPoint, Position, Query, QueryItem, RecordedEvent, Retry, Selection, TenantScope,
};
use rand::Rng as _;

use crate::named_cache::NamedCache;

/// Says what an event makes untrue.
type Rule = Box<dyn Fn(&RecordedEvent) -> Vec<CacheTarget> + Send + Sync>;

/// The most targets that are told at once.
const AT_ONCE: usize = 256;

const RETRY: Retry =
    Retry { attempts: u32::MAX, base: Duration::from_millis(50), cap: Duration::from_secs(5) };

/// Follows the log and invalidates caches by its events.
///
/// 1. An event invalidates at its own position or a later one, never an earlier one; so an entry whose load
///    began when the position was known stays.
/// 2. How far it has come is kept where the entries are: after a crash it goes on from there, and no event is
///    left out. What was told twice does nothing the second time, so every node may run one.
/// 3. A cache that knows another log, an earlier life of it, a position beyond its head, or none, is cleared,
///    and followed from the head.
/// 4. A failure of the log or of the shared tier is tried again for ever, and the position stands still.
pub struct CacheInvalidator {
    events: Arc<dyn EventStore>,
    scope: TenantScope,
    followed: Vec<Followed>,
}

struct Followed {
    cache: Arc<dyn NamedCache>,
    has_begun: AtomicBool,
    rules: HashMap<EventType, Vec<Rule>>,
}

impl CacheInvalidator {
    /// Makes one for a log; by default it sees the events of every tenant, if the store can show them.
    pub fn new(events: Arc<dyn EventStore>) -> Self {
        let scope = if events.capabilities().all_tenants { TenantScope::All } else { TenantScope::default() };
        Self { events, scope, followed: Vec::new() }
    }

    /// Sees the events of these tenants only.
    #[must_use]
    pub fn of(mut self, scope: TenantScope) -> Self {
        self.scope = scope;
        self
    }

    /// Lets events of a type invalidate what `targets` says of each, in one cache.
    ///
    /// Types of system events are refused: they have positions of their own.
    pub fn invalidate_on(
        mut self,
        cache: &(impl NamedCache + Clone),
        event_type: EventType,
        targets: impl Fn(&RecordedEvent) -> Vec<CacheTarget> + Send + Sync + 'static,
    ) -> Result<Self, InvalidName> {
        if event_type.log() == LogKind::System {
            let reason = "system events are counted apart; invalidate by what the application records";
            return Err(InvalidName::new("a type that invalidates", event_type.as_str(), reason));
        }
        let known = self.followed.iter().position(|followed| followed.cache.name() == cache.name());
        let index = known.unwrap_or_else(|| {
            self.followed.push(Followed {
                cache: Arc::new(cache.clone()),
                has_begun: AtomicBool::new(false),
                rules: HashMap::new(),
            });
            self.followed.len() - 1
        });
        self.followed[index].rules.entry(event_type).or_default().push(Box::new(targets));
        Ok(self)
    }

    /// Follows until it is dropped; an application spawns this.
    pub async fn run(self) {
        join_all(self.followed.iter().map(|followed| self.follow(followed))).await;
    }

    /// Follows up to the head as it is now, and returns it: for tests, and before a start goes on.
    pub async fn catch_up(&self) -> Result<LogHead, EventStoreError> {
        let head = self.events.head().await?;
        for followed in &self.followed {
            self.catch_up_one(followed).await?;
        }
        Ok(head)
    }

    async fn follow(&self, followed: &Followed) {
        let mut attempt = 0;
        loop {
            let mut changes = self.events.changes();
            // The first is told at once.
            while changes.next().await.is_some() {
                while let Err(error) = self.catch_up_one(followed).await {
                    attempt += 1;
                    tracing::warn!(cache = followed.cache.name(), %error, "the cache cannot follow the log; trying again");
                    self.pause(attempt).await;
                }
                attempt = 0;
            }
            attempt += 1;
            self.pause(attempt).await;
        }
    }

    async fn pause(&self, attempt: u32) {
        let wait = RETRY.wait(attempt.min(16), rand::rng().random()).unwrap_or(RETRY.cap);
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
    }

    async fn catch_up_one(&self, followed: &Followed) -> Result<(), EventStoreError> {
        if !followed.has_begun.load(Ordering::Relaxed) {
            followed.cache.begin_following().await?;
            followed.has_begun.store(true, Ordering::Relaxed);
        }
        let began = followed.cache.begin_proof();
        let LogHead { log, heads } = self.events.head().await?;
        let head = LogPoint { log, position: heads.application };
        let from = match followed.cache.reached().await? {
            Some(reached) if reached.log == log && reached.position <= head.position => reached.position,
            _ => {
                followed.cache.invalidate(&[CacheTarget::All], None).await?;
                followed.cache.invalidate(&[CacheTarget::All], Some(head)).await?;
                head.position
            }
        };
        if from < head.position {
            let types = QueryItem::types(followed.rules.keys().cloned());
            let selection = Selection::query(Query::from(types)).after(from).up_to(head.position);
            let mut frames = self.events.read(selection.of(self.scope.clone()));
            let mut told = from;
            while let Some(frame) = frames.try_next().await? {
                told = heed(followed, log, frame).await?.unwrap_or(told);
            }
            // What made nothing untrue moves the position, once.
            if told < head.position {
                tell(followed, log, &mut Vec::new(), head.position).await?;
            }
        }
        followed.cache.end_proof(began);
        Ok(())
    }
}

/// Tells a cache what the events of a frame make untrue, in their order; returns up to where it was told
/// anything.
async fn heed(
    followed: &Followed,
    log: LogIdentity,
    frame: Frame,
) -> Result<Option<Position>, EventStoreError> {
    let (mut targets, mut told) = (Vec::new(), None);
    for event in &frame.events {
        let rules = EventType::new(event.event_type()).ok().and_then(|name| followed.rules.get(&name));
        for target in rules.into_iter().flatten().flat_map(|rule| rule(event)) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        // The position is one that all of them are at or before.
        if targets.len() >= AT_ONCE {
            tell(followed, log, &mut targets, event.position()).await?;
            told = Some(event.position());
        }
    }
    if !targets.is_empty() {
        tell(followed, log, &mut targets, frame.read_to).await?;
        told = Some(frame.read_to);
    }
    Ok(told)
}

async fn tell(
    followed: &Followed,
    log: LogIdentity,
    targets: &mut Vec<CacheTarget>,
    position: Position,
) -> Result<(), EventStoreError> {
    let point = LogPoint { log, position };
    Ok(followed.cache.invalidate(&std::mem::take(targets), Some(point)).await?)
}

impl fmt::Debug for CacheInvalidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caches: Vec<_> = self.followed.iter().map(|followed| followed.cache.name()).collect();
        f.debug_struct("CacheInvalidator").field("caches", &caches).finish_non_exhaustive()
    }
}
