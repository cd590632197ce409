//! Tests of the follower of the log, over a log that the test writes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{
    Appended, BackendError, Batch, CacheTarget, Capabilities, EncodedEvent, ErrorKind, EventData, EventStore,
    EventStoreError, EventType, Frame, Frames, Heads, IdempotenceWindow, Limits, LogHead, LogIdentity, Mark,
    Position, RecordedEvent, Revision, Selection, Stamp, StreamId, Tag, Tenant, TenantScope, Timestamp,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use crate::cache::Cache;
use crate::invalidator::CacheInvalidator;
use crate::loaded::Loaded;
use crate::local_backplane::LocalBackplane;
use crate::nodes_tests::{SharedStub, node, plain};

const MINUTE: Duration = Duration::from_secs(60);

/// A log of events without payloads.
#[derive(Debug)]
struct Log {
    identity: Mutex<LogIdentity>,
    events: Mutex<Vec<RecordedEvent>>,
    heads: watch::Sender<Heads>,
    is_down: Mutex<bool>,
}

impl Log {
    fn new() -> Arc<Self> {
        let identity = LogIdentity { id: Uuid::from_u128(7), epoch: 1 };
        let heads = watch::channel(Heads::default()).0;
        Arc::new(Self {
            identity: Mutex::new(identity),
            events: Mutex::default(),
            heads,
            is_down: Mutex::new(false),
        })
    }

    fn record(&self, stream: &str, event_type: &str) {
        let mut events = self.events.lock();
        let position = Position(events.len() as u64 + 1);
        let stream = StreamId::new(stream).expect("a name");
        let data = EventData::json(Uuid::from_u128(position.0.into()), kind(event_type), "{}");
        let mut encoded = EncodedEvent::new(&Tenant::default(), Some(&stream), &data, true, true);
        let recorded_at = Timestamp::from_micros(0);
        encoded.stamp(Stamp { position, revision: Revision(0), recorded_at });
        events.push(encoded.into_recorded());
        self.heads.send_replace(Heads { application: position, ..Heads::default() });
    }

    fn restore(&self, keep: usize) {
        self.identity.lock().epoch += 1;
        self.events.lock().truncate(keep);
        self.heads.send_replace(Heads { application: Position(keep as u64), ..Heads::default() });
    }

    fn reached(&self) -> Result<(), EventStoreError> {
        let down = BackendError::new(ErrorKind::Unavailable, "stub", "read", "it is down");
        if *self.is_down.lock() { Err(down.into()) } else { Ok(()) }
    }
}

#[async_trait]
impl EventStore for Log {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            backend: "stub",
            durable: false,
            all_tenants: true,
            idempotence_window: IdempotenceWindow::WholeLog,
            limits: Limits::default(),
        }
    }

    async fn append(&self, _: Batch) -> Result<Appended, EventStoreError> {
        self.reached()?;
        Err(BackendError::new(ErrorKind::Unsupported, "stub", "append", "use record").into())
    }

    fn read(&self, selection: Selection) -> Frames {
        if let Err(error) = self.reached() {
            return stream::once(async { Err(error) }).boxed();
        }
        let events: Vec<_> =
            self.events.lock().iter().filter(|event| selection.matches(event)).cloned().collect();
        let read_to = selection.up_to.unwrap_or_default();
        // Small frames, so that positions between them are told.
        let mut frames: Vec<_> = events
            .chunks(2)
            .map(|events| Frame {
                events: events.to_vec(),
                read_to: events.last().map(RecordedEvent::position).unwrap_or_default(),
                holes: Vec::new(),
            })
            .collect();
        frames.push(Frame { read_to, ..Frame::default() });
        stream::iter(frames.into_iter().map(Ok)).boxed()
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        self.reached()?;
        Ok(LogHead { log: *self.identity.lock(), heads: *self.heads.borrow() })
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        let heads = self.heads.subscribe();
        let first = stream::once(async move { heads });
        first
            .flat_map(|heads| {
                stream::unfold((heads, true), |(mut heads, is_first)| async move {
                    if !is_first {
                        heads.changed().await.ok()?;
                    }
                    let now = *heads.borrow_and_update();
                    Some((now, (heads, false)))
                })
            })
            .boxed()
    }

    async fn marks(&self, _: TenantScope, _: &str) -> Result<Vec<Mark>, EventStoreError> {
        Ok(Vec::new())
    }
}

fn kind(name: &str) -> EventType {
    EventType::new(name).expect("a name")
}

/// Invalidates the tag that is the stream's name.
fn by_stream(event: &RecordedEvent) -> Vec<CacheTarget> {
    event.stream().and_then(|name| Tag::new(name).ok()).map(CacheTarget::Tag).into_iter().collect()
}

fn follower(log: &Arc<Log>, cache: &Cache<u64>) -> CacheInvalidator {
    let follower = CacheInvalidator::new(Arc::clone(log) as _);
    follower.invalidate_on(cache, kind("OrderPaid"), by_stream).expect("no system event")
}

async fn load(cache: &Cache<u64>, key: &str, value: u64) {
    let tag = Tag::new(key).expect("a tag");
    let load = move || async move { Ok::<_, BackendError>(Loaded::new(value).tags([tag])) };
    cache.get_or_load(key, load).await.expect("loaded");
}

#[tokio::test(start_paused = true)]
async fn an_event_invalidates_what_its_rule_names_and_nothing_else() {
    let (log, cache) = (Log::new(), Cache::builder("orders", plain(MINUTE)).build().expect("sound"));
    let follower = follower(&log, &cache);
    follower.catch_up().await.expect("up");
    load(&cache, "order-1", 1).await;
    load(&cache, "order-2", 1).await;
    log.record("order-1", "OrderPaid");
    log.record("order-2", "OrderNoted");
    follower.catch_up().await.expect("up");
    assert_eq!((cache.peek("order-1"), cache.peek("order-2")), (None, Some(Arc::new(1))));
    load(&cache, "order-1", 2).await;
    follower.catch_up().await.expect("up");
    assert_eq!(cache.peek("order-1"), Some(Arc::new(2)), "what was told once is not told again");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_while_a_load_runs_overtakes_it() {
    let (log, shared) = (Log::new(), SharedStub::new());
    let cache = node("a", plain(MINUTE), &shared, None);
    let follower = follower(&log, &cache);
    follower.catch_up().await.expect("up");
    let loading = {
        let cache = cache.clone();
        tokio::spawn(async move {
            let load = || async {
                tokio::time::sleep(MINUTE / 10).await;
                Ok::<_, BackendError>(Loaded::new(1).tags([Tag::new("order-1").expect("a tag")]))
            };
            cache.get_or_load("order-1", load).await.map(|value| *value)
        })
    };
    tokio::time::sleep(MINUTE / 20).await;
    log.record("order-1", "OrderPaid");
    follower.catch_up().await.expect("up");
    assert_eq!(loading.await.expect("it ends").expect("loaded"), 1);
    assert_eq!((cache.peek("order-1"), cache.get("order-1").await.expect("read")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_no_event_is_left_out() {
    let (log, shared) = (Log::new(), SharedStub::new());
    let before = node("before", plain(MINUTE), &shared, None);
    follower(&log, &before).catch_up().await.expect("up");
    load(&before, "order-1", 1).await;
    load(&before, "order-2", 1).await;
    drop(before);
    // Nobody follows now.
    for _ in 0..5 {
        log.record("order-1", "OrderPaid");
    }
    let after = node("after", plain(MINUTE), &shared, None);
    follower(&log, &after).catch_up().await.expect("up");
    assert_eq!(after.get("order-1").await.expect("read"), None);
    assert_eq!(after.get("order-2").await.expect("read"), Some(Arc::new(1)));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_restored_clears_the_cache() {
    let (log, shared) = (Log::new(), SharedStub::new());
    let cache = node("a", plain(MINUTE), &shared, None);
    let follower = follower(&log, &cache);
    (0..3).for_each(|_| log.record("order-9", "OrderPaid"));
    follower.catch_up().await.expect("up");
    load(&cache, "order-1", 1).await;
    log.restore(1);
    follower.catch_up().await.expect("up");
    assert_eq!((cache.peek("order-1"), cache.get("order-1").await.expect("read")), (None, None));
    load(&cache, "order-1", 2).await;
    log.record("order-1", "OrderPaid");
    follower.catch_up().await.expect("up");
    assert_eq!(cache.peek("order-1"), None, "its positions count anew");
}

#[tokio::test(start_paused = true)]
async fn a_follower_goes_on_when_the_log_and_the_shared_tier_are_back() {
    let (log, shared) = (Log::new(), SharedStub::new());
    let cache = node("a", plain(MINUTE * 10), &shared, None);
    let following = tokio::spawn(follower(&log, &cache).run());
    tokio::time::sleep(MINUTE / 60).await;
    load(&cache, "order-1", 1).await;
    *log.is_down.lock() = true;
    log.record("order-1", "OrderPaid");
    tokio::time::sleep(MINUTE / 30).await;
    shared.cut(true);
    *log.is_down.lock() = false;
    tokio::time::sleep(MINUTE / 6).await;
    shared.cut(false);
    tokio::time::sleep(MINUTE / 6).await;
    assert_eq!(cache.get("order-1").await.expect("read"), None);
    log.record("order-2", "OrderPaid");
    tokio::time::sleep(MINUTE / 60).await;
    let reached = crate::named_cache::NamedCache::reached(&cache).await.expect("up");
    assert_eq!(reached.map(|point| point.position), Some(Position(2)));
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn who_follows_next_lets_every_node_compare_its_memory_again() {
    let (log, shared, plane) = (Log::new(), SharedStub::new(), LocalBackplane::default());
    let reads = node("reads", plain(MINUTE * 10), &shared, Some(plane.node()));
    let follows = node("follows", plain(MINUTE * 10), &shared, Some(plane.node()));
    follower(&log, &follows).catch_up().await.expect("up");
    tokio::time::sleep(MINUTE / 60).await;
    load(&reads, "order-1", 1).await;
    // As a process does that ends between telling the shared tier and telling the nodes.
    let point = ledgerstone_core::LogPoint { log: *log.identity.lock(), position: Position(1) };
    log.record("order-1", "OrderPaid");
    let target = CacheTarget::Tag(Tag::new("order-1").expect("a tag"));
    ledgerstone_core::CacheStore::invalidate(&*shared, &[target], Some(point)).await.expect("up");
    assert_eq!(reads.peek("order-1"), Some(Arc::new(1)));
    follower(&log, &follows).catch_up().await.expect("up");
    tokio::time::sleep(MINUTE / 60).await;
    assert_eq!((reads.peek("order-1"), reads.get("order-1").await.expect("read")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn what_makes_nothing_untrue_moves_the_position_once_and_disturbs_nobody() {
    let (log, shared, plane) = (Log::new(), SharedStub::new(), LocalBackplane::default());
    let cache = node("a", plain(MINUTE * 10), &shared, Some(plane.node()));
    let other = node("b", plain(MINUTE * 10), &shared, Some(plane.node()));
    let follower = follower(&log, &cache)
        .invalidate_on(&cache, kind("OrderSeen"), |_| Vec::new())
        .expect("no system event");
    follower.catch_up().await.expect("up");
    tokio::time::sleep(MINUTE / 60).await;
    let seen = || {
        let calls = shared.calls.load(std::sync::atomic::Ordering::SeqCst);
        let counted = (cache.stats().invalidations, other.stats().invalidations);
        (calls, counted, cache.inner.memory.heard())
    };
    let (calls, counted, heard) = seen();
    for _ in 0..5 {
        log.record("order-1", "OrderNoted");
        log.record("order-1", "OrderSeen");
    }
    follower.catch_up().await.expect("up");
    tokio::time::sleep(MINUTE / 60).await;
    // One question how far it was told, and one move.
    assert_eq!(seen(), (calls + 2, counted, heard));
    let reached = crate::named_cache::NamedCache::reached(&cache).await.expect("up");
    assert_eq!(reached.map(|point| point.position), Some(Position(10)));
}

#[tokio::test(start_paused = true)]
async fn system_events_are_refused_as_rules() {
    let (log, cache) = (Log::new(), Cache::<u64>::builder("orders", plain(MINUTE)).build().expect("sound"));
    let follower = CacheInvalidator::new(log as _);
    assert!(follower.invalidate_on(&cache, kind("$forgotten"), by_stream).is_err());
}
