//! The store and whole caches over a real Redis: the suite, two nodes, and a server that dies and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledgerstone_cache::{
    Backplane, Cache, CacheSettings, Loaded, RedisBackplane, RedisCacheSettings, RedisCacheStore,
};
use ledgerstone_core::{BackendError, CacheStore, Tag};
use ledgerstone_testkit::conformance::{CaseError, CaseResult, Fresh, Trials, cache};
use ledgerstone_testkit::servers::RedisServer;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(10);

/// Adds the suite over Redis, and the stories.
pub(crate) fn add(trials: &mut Trials) {
    trials.run("redis", cache::suite(), |clock| async move {
        let url = RedisServer::shared_url()?;
        Ok(Fresh::new(Arc::new(store(&url, &Uuid::new_v4().to_string())?) as _, clock))
    });
    trials.add("redis::what_one_node_invalidates_another_drops", what_one_node_invalidates_another_drops);
    trials.add("redis::many_nodes_load_once_under_a_lease", many_nodes_load_once_under_a_lease);
    trials.add("redis::a_server_that_is_down_at_the_start_stops_nothing", down_at_the_start);
    trials.add("redis::a_server_that_dies_and_comes_back_is_used_again", dies_and_comes_back);
    trials.add("redis::a_server_that_hangs_is_not_waited_for", hangs);
    trials.add("redis::a_marker_that_was_evicted_makes_a_miss", evicted_markers_make_a_miss);
}

fn store(url: &str, prefix: &str) -> Result<RedisCacheStore, BackendError> {
    // The suite's calls are many at once, on a machine that does other things as well.
    let settings = RedisCacheSettings { prefix: prefix.to_owned(), timeout: Duration::from_secs(5) };
    RedisCacheStore::new(url, settings)
}

fn node(name: &str, url: &str, prefix: &str, settings: CacheSettings) -> Result<Cache<u64>, CaseError> {
    let timeout = Duration::from_millis(500);
    let settings_of_store = RedisCacheSettings { prefix: prefix.to_owned(), timeout };
    let store: Arc<dyn CacheStore> = Arc::new(RedisCacheStore::new(url, settings_of_store)?);
    let backplane: Arc<dyn Backplane> = Arc::new(RedisBackplane::new(url, prefix, timeout)?);
    Ok(Cache::builder("numbers", settings).node(name).shared(store).backplane(backplane).build()?)
}

fn settings() -> CacheSettings {
    CacheSettings {
        shared_rest: Duration::from_millis(50),
        ..CacheSettings::with_ttl(Duration::from_secs(600))
    }
}

async fn load(cache: &Cache<u64>, key: &str, value: u64) -> Result<u64, CaseError> {
    let tag = Tag::new("x")?;
    let load = move || async move { Ok::<_, BackendError>(Loaded::new(value).tags([tag])) };
    Ok(*cache.get_or_load(key, load).await?)
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) -> CaseResult {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.map_err(|_| format!("not in time: {what}").into())
}

fn hears(cache: &Cache<u64>) -> bool {
    cache.health().backplane.is_some_and(|backplane| backplane.is_up && backplane.vouched_ago.is_some())
}

async fn what_one_node_invalidates_another_drops() -> CaseResult {
    let (url, prefix) = (RedisServer::shared_url()?, Uuid::new_v4().to_string());
    let (a, b) = (node("a", &url, &prefix, settings())?, node("b", &url, &prefix, settings())?);
    until("both hear", || hears(&a) && hears(&b)).await?;
    assert_eq!((load(&a, "k", 1).await?, load(&b, "k", 2).await?), (1, 1));
    assert!(b.peek("k").is_some());
    a.invalidate_tag(&Tag::new("x")?).await?;
    assert_eq!(load(&a, "k", 3).await?, 3, "at once where it was said");
    until("the other node hears of it", || b.peek("k").is_none()).await?;
    assert_eq!(load(&b, "k", 4).await?, 3);
    a.set("k", 5).await?;
    until("the other node hears of it", || b.peek("k").is_none()).await?;
    assert_eq!(load(&b, "k", 6).await?, 5);
    Ok(())
}

async fn many_nodes_load_once_under_a_lease() -> CaseResult {
    let (url, prefix) = (RedisServer::shared_url()?, Uuid::new_v4().to_string());
    let (lease, lease_wait) = (Some(Duration::from_secs(60)), PATIENCE);
    let settings = CacheSettings { lease, lease_wait, ..settings() };
    let loads = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..6 {
        let cache = node(&n.to_string(), &url, &prefix, settings.clone())?;
        let loads = Arc::clone(&loads);
        tasks.spawn(async move {
            let load = move || async move {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, BackendError>(7)
            };
            cache.get_or_load("k", load).await.map(|value| *value)
        });
    }
    while let Some(answer) = tasks.join_next().await {
        assert_eq!(answer??, 7);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    Ok(())
}

async fn down_at_the_start() -> CaseResult {
    let server = RedisServer::start()?;
    server.kill();
    let cache = node("a", &server.url(), "p", settings())?;
    assert_eq!(load(&cache, "k", 1).await?, 1);
    assert_eq!(cache.peek("k"), Some(Arc::new(1)), "memory serves");
    assert!(cache.health().is_degraded());
    assert!(cache.stats().shared_failures > 0);
    server.restart()?;
    until("the backplane comes up", || hears(&cache)).await?;
    let waiting = async {
        loop {
            cache.delete("k").await.ok();
            if load(&cache, "k", 2).await.is_ok() && !cache.health().is_degraded() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await?;
    Ok(())
}

async fn dies_and_comes_back() -> CaseResult {
    let server = RedisServer::start()?;
    let cache = node("a", &server.url(), "p", settings())?;
    until("the backplane comes up", || hears(&cache)).await?;
    assert_eq!(load(&cache, "k", 1).await?, 1);
    server.kill();
    assert_eq!(load(&cache, "other", 1).await?, 1, "a load needs no Redis");
    assert!(cache.delete("k").await.is_err(), "it says that it is not done");
    assert_eq!(load(&cache, "k", 2).await?, 2);
    until("it says so", || cache.health().is_degraded() && !hears(&cache)).await?;
    server.restart()?;
    until("all is told and heard again", || !cache.health().is_degraded()).await?;
    assert_eq!(load(&cache, "new", 3).await?, 3);
    let other = node("b", &server.url(), "p", settings())?;
    assert_eq!(other.get("new").await?, Some(Arc::new(3)));
    Ok(())
}

async fn hangs() -> CaseResult {
    let server = RedisServer::start()?;
    let cache = node("a", &server.url(), "p", settings())?;
    until("the backplane comes up", || hears(&cache)).await?;
    server.pause()?;
    let answer = tokio::time::timeout(PATIENCE, load(&cache, "k", 1)).await?;
    assert_eq!(answer?, 1);
    assert!(cache.health().is_degraded());
    server.resume()?;
    Ok(())
}

async fn evicted_markers_make_a_miss() -> CaseResult {
    let server = RedisServer::start()?;
    let cache = node("a", &server.url(), "p", settings())?;
    load(&cache, "k", 1).await?;
    let other = node("b", &server.url(), "p", settings())?;
    assert_eq!(other.get("k").await?, Some(Arc::new(1)));
    server.ask("DEL {p}:m:t:x")?;
    let third = node("c", &server.url(), "p", settings())?;
    assert_eq!(third.get("k").await?, None);
    Ok(())
}
