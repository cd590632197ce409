//! Tests of memory over a shared tier, with simulated nodes and time that is moved.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ledgerstone_core::{BackendError, CacheStore as _, CacheTarget, LogIdentity, LogPoint, Position, Tag};
use tokio::time::{advance, sleep};

use crate::cache::{Cache, Cached};
use crate::loaded::Loaded;
use crate::local_backplane::LocalBackplane;
use crate::nodes_tests::{SharedStub, Source, node, plain};
use crate::settings::CacheSettings;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn at(position: u64) -> LogPoint {
    let log: LogIdentity = "00000000000000000000000000000007.1".parse().expect("an identity");
    LogPoint { log, position: Position(position) }
}

#[tokio::test(start_paused = true)]
async fn what_one_node_loads_the_others_find() {
    let (shared, source) = (SharedStub::new(), Source::of(7));
    let (a, b) = (node("a", plain(MINUTE), &shared, None), node("b", plain(MINUTE), &shared, None));
    assert_eq!(source.through(&a, "k").await, Some(7));
    assert_eq!(source.through(&b, "k").await, Some(7));
    assert_eq!(source.loads(), 1);
    assert_eq!(b.stats().shared_hits, 1);
    assert!(b.explain("k").await.to_string().contains("loaded by a"));
}

#[tokio::test(start_paused = true)]
async fn an_entry_keeps_its_age_on_its_way_between_nodes() {
    let (shared, source) = (SharedStub::new(), Source::of(7));
    let settings = CacheSettings { max_staleness: Some(MINUTE * 10), ..plain(MINUTE) };
    let (a, b) = (node("a", settings.clone(), &shared, None), node("b", settings, &shared, None));
    assert_eq!(source.through(&a, "k").await, Some(7));
    advance(SECOND * 59).await;
    assert_eq!(source.through(&b, "k").await, Some(7));
    advance(SECOND).await;
    assert_eq!(b.lookup("k").await.expect("read"), Cached::Miss);
}

#[tokio::test(start_paused = true)]
async fn many_nodes_that_lease_call_the_loader_once() {
    let (shared, source) = (SharedStub::new(), Source::of(7));
    source.take(SECOND);
    let settings = CacheSettings { lease: Some(MINUTE), lease_wait: SECOND * 5, ..plain(MINUTE) };
    let nodes: Vec<_> = (0..8).map(|n| node(&n.to_string(), settings.clone(), &shared, None)).collect();
    let callers: Vec<_> = nodes
        .iter()
        .map(|node| {
            let (node, source) = (node.clone(), Arc::clone(&source));
            tokio::spawn(async move { source.through(&node, "k").await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.expect("it ends"), Some(7));
    }
    assert_eq!(source.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_waits_for_anothers_lease_no_longer_than_it_may() {
    let (shared, source) = (SharedStub::new(), Source::of(7));
    let settings = CacheSettings { lease: Some(MINUTE), lease_wait: SECOND * 2, ..plain(MINUTE) };
    let cache = node("a", settings, &shared, None);
    shared.lease("k", MINUTE).await.expect("up").expect("nobody had it");
    let began = tokio::time::Instant::now();
    assert_eq!(source.through(&cache, "k").await, Some(7));
    assert!(began.elapsed() <= SECOND * 2 && began.elapsed() > SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_shared_tier_that_is_down_at_the_start_stops_nothing() {
    let (shared, source) = (SharedStub::new(), Source::of(7));
    shared.cut(true);
    let cache = node("a", plain(MINUTE), &shared, None);
    assert_eq!(source.through(&cache, "k").await, Some(7));
    assert_eq!(cache.peek("k"), Some(Arc::new(7)));
    let health = cache.health();
    assert!(health.is_degraded() && health.shared.is_some_and(|shared| !shared.is_up), "it says so");
    assert!(cache.stats().shared_failures > 0);
    shared.cut(false);
    sleep(SECOND * 2).await;
    assert_eq!(source.through(&cache, "other").await, Some(7));
    assert!(!cache.health().is_degraded());
    assert_eq!(node("b", plain(MINUTE), &shared, None).get("other").await.expect("read"), Some(Arc::new(7)));
}

#[tokio::test(start_paused = true)]
async fn a_shared_tier_that_fails_is_left_alone_for_a_while() {
    let (shared, source) = (SharedStub::new(), Source::of(7));
    let cache = node("a", CacheSettings { shared_rest: MINUTE, ..plain(MINUTE) }, &shared, None);
    shared.cut(true);
    for n in 0..100 {
        assert_eq!(source.through(&cache, &format!("k{n}")).await, Some(7));
    }
    assert_eq!(shared.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_the_shared_tier_missed_is_told_when_it_is_back_and_nothing_is_believed_before()
{
    let (shared, source) = (SharedStub::new(), Source::of(1));
    let cache = node("a", plain(MINUTE), &shared, None);
    assert_eq!(source.through(&cache, "k").await, Some(1));
    shared.cut(true);
    source.set(2);
    assert!(cache.delete("k").await.is_err(), "it says that it is not done");
    assert_eq!(source.through(&cache, "k").await, Some(2));
    cache.inner.memory.remove("k");
    shared.cut(false);
    // Back, but not told yet: what it has is not believed.
    assert_eq!(source.through(&cache, "k").await, Some(2));
    sleep(SECOND * 3).await;
    assert_eq!(cache.health().shared.expect("there is one").owed, 0);
    assert_ne!(node("b", plain(MINUTE), &shared, None).get("k").await.expect("read"), Some(Arc::new(1)));
}

#[tokio::test(start_paused = true)]
async fn what_was_set_is_what_every_node_finds() {
    let (shared, plane) = (SharedStub::new(), LocalBackplane::default());
    let a = node("a", plain(MINUTE), &shared, Some(plane.node()));
    let b = node("b", plain(MINUTE), &shared, Some(plane.node()));
    sleep(SECOND).await;
    a.set("k", 1).await.expect("set");
    assert_eq!(b.get("k").await.expect("read"), Some(Arc::new(1)));
    b.set("k", 2).await.expect("set");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(a.get("k").await.expect("read"), Some(Arc::new(2)));
    assert_eq!(b.get("k").await.expect("read"), Some(Arc::new(2)));
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_another_version_is_a_miss_and_is_counted() {
    let (shared, source) = (SharedStub::new(), Source::of(7));
    let old = node("old", plain(MINUTE), &shared, None);
    let new = node("new", CacheSettings { version: 2, ..plain(MINUTE) }, &shared, None);
    assert_eq!(source.through(&old, "k").await, Some(7));
    assert_eq!(new.get("k").await.expect("read"), None);
    assert_eq!(source.through(&new, "k").await, Some(7));
    assert_eq!((source.loads(), new.stats().undecodable), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_reads_a_view_which_lags_is_not_kept_as_new() {
    let (shared, tag) = (SharedStub::new(), Tag::new("x").expect("a tag"));
    let cache = node("a", plain(MINUTE), &shared, None);
    cache.invalidate(&[CacheTarget::Tag(tag.clone())], Some(at(10))).await.expect("told");
    let lagging = {
        let tag = tag.clone();
        || async move { Ok::<_, BackendError>(Loaded::new(1).tags([tag]).as_of(at(9))) }
    };
    assert_eq!(*cache.get_or_load("k", lagging).await.expect("loaded"), 1);
    assert_eq!(cache.peek("k"), None, "the view had not seen what was invalidated");
    let caught_up = || async move { Ok::<_, BackendError>(Loaded::new(2).tags([tag]).as_of(at(10))) };
    assert_eq!(*cache.get_or_load("k", caught_up).await.expect("loaded"), 2);
    assert_eq!(cache.peek("k"), Some(Arc::new(2)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_is_refused_by_the_shared_tier_before_any_news_arrive() {
    let (shared, source) = (SharedStub::new(), Source::of(1));
    source.take(SECOND);
    let (a, b) = (node("a", plain(MINUTE), &shared, None), node("b", plain(MINUTE), &shared, None));
    let loading = {
        let (a, source) = (a.clone(), Arc::clone(&source));
        tokio::spawn(async move { source.through(&a, "k").await })
    };
    sleep(SECOND / 2).await;
    source.set(2);
    // There is no backplane: node a hears nothing of it.
    b.delete("k").await.expect("told");
    loading.await.expect("it ends");
    assert_eq!(a.peek("k"), None);
    assert_eq!(source.through(&a, "k").await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_in_the_news_memory_is_compared_with_the_shared_tier_again() {
    let (shared, plane, source) = (SharedStub::new(), LocalBackplane::default(), Source::of(1));
    let plugs = [plane.node(), plane.node()];
    let settings = CacheSettings { max_staleness: Some(MINUTE), ..plain(MINUTE * 10) };
    let [a, b] = [("a", 0), ("b", 1)]
        .map(|(name, plug)| node(name, settings.clone(), &shared, Some(plugs[plug].clone())));
    sleep(SECOND).await;
    assert_eq!(source.through(&b, "changed").await, Some(1));
    assert_eq!(source.through(&b, "same").await, Some(1));
    plugs[1].pull();
    sleep(SECOND).await;
    assert!(b.health().is_degraded());
    source.set(2);
    a.delete("changed").await.expect("told");
    assert_eq!(source.through(&b, "changed").await, Some(1), "within the bound");
    plugs[1].plug_in();
    sleep(Duration::from_millis(1)).await;
    let loads = source.loads();
    assert_eq!(source.through(&b, "changed").await, Some(2));
    assert_eq!(source.through(&b, "same").await, Some(1));
    assert_eq!(source.loads(), loads + 1, "what had not changed came from the shared tier");
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_nobody_holds_ends_its_tasks() {
    let (shared, plane) = (SharedStub::new(), LocalBackplane::default());
    let cache: Cache<u64> = node("a", plain(MINUTE), &shared, Some(plane.node()));
    let inner = Arc::downgrade(&cache.inner);
    sleep(SECOND).await;
    drop(cache);
    sleep(SECOND * 2).await;
    assert_eq!(inner.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_other_nodes_could_not_be_told_is_an_error_and_is_told_later() {
    let (shared, plane, source) = (SharedStub::new(), LocalBackplane::default(), Source::of(1));
    let plug = plane.node();
    let settings = CacheSettings { max_staleness: Some(MINUTE), ..plain(MINUTE * 10) };
    let a = node("a", settings.clone(), &shared, Some(plug.clone()));
    let b = node("b", settings, &shared, Some(plane.node()));
    sleep(SECOND).await;
    assert_eq!(source.through(&b, "k").await, Some(1));
    plug.pull();
    source.set(2);
    assert!(a.delete("k").await.is_err());
    assert_eq!(b.peek("k"), Some(Arc::new(1)), "nobody has said that it is done");
    plug.plug_in();
    sleep(SECOND * 2).await;
    assert_eq!(b.peek("k"), None);
    assert_eq!(a.health().backplane.expect("there is one").unsaid, 0);
}
