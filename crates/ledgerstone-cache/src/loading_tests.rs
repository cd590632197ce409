//! Tests of loads in one process: once for all, cancelled, stale, slow, failing; time stands still or is moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledgerstone_core::{BackendError, CacheTarget, ErrorKind, Tag};
use tokio::time::{advance, sleep};

use crate::cache::{Cache, Cached};
use crate::cache_error::CacheError;
use crate::loaded::Loaded;
use crate::nodes_tests::{Source, plain};
use crate::settings::CacheSettings;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn cache(settings: CacheSettings) -> Cache<u64> {
    Cache::builder("numbers", settings).build().expect("sound settings")
}

fn tag(text: &str) -> Tag {
    Tag::new(text).expect("a tag")
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_who_miss_one_key_at_once_call_the_loader_once() {
    let (cache, source) = (cache(plain(MINUTE)), Source::of(7));
    source.take(SECOND);
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let (cache, source) = (cache.clone(), Arc::clone(&source));
            tokio::spawn(async move { source.through(&cache, "k").await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.expect("it ends"), Some(7));
    }
    assert_eq!(source.loads(), 1);
    assert_eq!(cache.inner.flights.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_a_hit() {
    let cache: Cache<Vec<u64>> = Cache::builder("lists", plain(MINUTE)).build().expect("sound");
    let loads = Arc::new(AtomicU64::new(0));
    for _ in 0..3 {
        let loads = Arc::clone(&loads);
        let load = move || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok::<_, BackendError>(Vec::new())
        };
        assert!(cache.get_or_load("k", load).await.expect("loaded").is_empty());
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(cache.lookup("k").await.expect("known"), Cached::Hit(Arc::new(Vec::new())));
}

#[tokio::test(start_paused = true)]
async fn that_there_is_nothing_is_remembered_for_its_own_time() {
    let cache = cache(CacheSettings { negative_ttl: SECOND, ..plain(MINUTE) });
    let none = || async { Ok::<_, BackendError>(None::<u64>) };
    assert_eq!(cache.find_or_load("k", none).await.expect("found out"), None);
    assert_eq!(cache.lookup("k").await.expect("known"), Cached::Absent);
    assert!(!cache.exists("k").await.expect("known"));
    let source = Source::of(7);
    assert_eq!(source.through(&cache, "other").await, Some(7));
    advance(SECOND).await;
    assert_eq!(cache.lookup("k").await.expect("known"), Cached::Miss);
    assert!(cache.exists("other").await.expect("known"));
    // Who wants a value does not take that there is none for an answer.
    assert_eq!(cache.find_or_load("k", none).await.expect("found out"), None);
    assert_eq!(source.through(&cache, "k").await, Some(7));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_neither_strands_nor_restarts_the_load() {
    let (cache, source) = (cache(plain(MINUTE)), Source::of(7));
    source.take(SECOND);
    let call = |cache: &Cache<u64>| {
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        tokio::spawn(async move { source.through(&cache, "k").await })
    };
    let first = call(&cache);
    sleep(SECOND / 4).await;
    let second = call(&cache);
    sleep(SECOND / 4).await;
    first.abort();
    assert_eq!(second.await.expect("it ends"), Some(7));
    assert_eq!(source.loads(), 1);
    // With nobody left the load goes on, too.
    let only = call(&cache);
    only.abort();
    assert_eq!(cache.peek("k"), Some(Arc::new(7)));
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_panics_is_an_error_for_all_and_not_for_ever() {
    let (cache, source) = (cache(plain(MINUTE)), Source::of(7));
    let panics = || async { if true { panic!("on purpose") } else { Ok::<u64, BackendError>(1) } };
    let error = cache.get_or_load("k", panics).await.expect_err("it panicked");
    assert!(matches!(error, CacheError::Lost { .. }), "{error}");
    assert_eq!(source.through(&cache, "k").await, Some(7));
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_is_told_with_its_cause_and_nothing_is_kept() {
    let (cache, source) = (cache(plain(MINUTE)), Source::of(7));
    source.fail(true);
    let loading = Arc::clone(&source);
    let error = cache.get_or_load("k", move || loading.load()).await.expect_err("it is down");
    assert!(ledgerstone_core::Retryable::is_retryable(&error));
    assert!(error.to_string().contains("it is down"), "{error}");
    source.fail(false);
    assert_eq!(source.through(&cache, "k").await, Some(7));
    assert_eq!(cache.stats().load_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn stale_is_served_at_once_while_it_is_loaded_anew() {
    let cache = cache(CacheSettings { stale_while_revalidate: Some(MINUTE * 2), ..plain(MINUTE) });
    let source = Source::of(1);
    assert_eq!(source.through(&cache, "k").await, Some(1));
    source.set(2);
    advance(MINUTE + SECOND).await;
    assert_eq!(source.through(&cache, "k").await, Some(1), "stale, at once");
    sleep(SECOND).await;
    assert_eq!(source.through(&cache, "k").await, Some(2));
    advance(MINUTE * 2).await;
    source.set(3);
    assert_eq!(source.through(&cache, "k").await, Some(3), "too old to be served");
    assert_eq!(cache.stats().stale_served, 1);
}

#[tokio::test(start_paused = true)]
async fn stale_is_served_on_error_up_to_its_age_and_the_loader_is_left_alone() {
    let settings =
        CacheSettings { stale_on_error: Some(MINUTE * 3), error_throttle: SECOND * 5, ..plain(MINUTE) };
    let (cache, source) = (cache(settings), Source::of(1));
    assert_eq!(source.through(&cache, "k").await, Some(1));
    source.fail(true);
    advance(MINUTE + SECOND).await;
    for _ in 0..10 {
        assert_eq!(source.through(&cache, "k").await, Some(1));
    }
    assert_eq!(source.loads(), 2, "one failed, and the others were spared");
    advance(SECOND * 5).await;
    assert_eq!(source.through(&cache, "k").await, Some(1));
    assert_eq!(source.loads(), 3);
    advance(MINUTE * 2).await;
    assert_eq!(source.through(&cache, "k").await, None, "older than stale_on_error");
}

#[tokio::test(start_paused = true)]
async fn a_slow_load_past_the_soft_timeout_serves_stale_and_goes_on() {
    let settings = CacheSettings {
        stale_on_error: Some(MINUTE * 10),
        soft_timeout: Some(SECOND),
        hard_timeout: SECOND * 20,
        ..plain(MINUTE)
    };
    let (cache, source) = (cache(settings), Source::of(1));
    source.take(SECOND * 5);
    assert_eq!(source.through(&cache, "k").await, Some(1), "with nothing to serve, it is waited for");
    source.set(2);
    advance(MINUTE).await;
    let began = tokio::time::Instant::now();
    assert_eq!(source.through(&cache, "k").await, Some(1));
    assert_eq!(began.elapsed(), SECOND);
    sleep(SECOND * 5).await;
    assert_eq!(cache.peek("k"), Some(Arc::new(2)));
    assert_eq!(source.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_load_past_the_hard_timeout_is_ended() {
    let (cache, source) = (cache(CacheSettings { hard_timeout: SECOND, ..plain(MINUTE) }), Source::of(1));
    source.take(SECOND * 5);
    let loading = Arc::clone(&source);
    let error = cache.get_or_load("k", move || loading.load()).await.expect_err("too slow");
    assert!(matches!(error, CacheError::TimedOut { .. }) && error.kind() == ErrorKind::TimedOut);
    sleep(SECOND * 10).await;
    assert_eq!(cache.peek("k"), None);
}

#[tokio::test(start_paused = true)]
async fn a_hit_near_its_end_is_loaded_ahead() {
    let (cache, source) = (cache(CacheSettings { eager_refresh: Some(0.5), ..plain(MINUTE) }), Source::of(1));
    assert_eq!(source.through(&cache, "k").await, Some(1));
    source.set(2);
    advance(MINUTE / 2 - SECOND).await;
    assert_eq!(source.through(&cache, "k").await, Some(1));
    assert_eq!(source.loads(), 1);
    advance(SECOND).await;
    assert_eq!(source.through(&cache, "k").await, Some(1), "it is still fresh");
    sleep(SECOND).await;
    assert_eq!((source.loads(), cache.peek("k")), (2, Some(Arc::new(2))));
}

#[tokio::test(start_paused = true)]
async fn jitter_shortens_and_never_lengthens() {
    let settings = CacheSettings { jitter: 0.5, ..plain(MINUTE) };
    let build = |random: fn() -> u64| {
        Cache::builder("numbers", settings.clone()).random(random).build().expect("sound")
    };
    for (random, ends) in [(build(|| 0), MINUTE), (build(|| u64::MAX), MINUTE / 2)] {
        random.set("k", 1).await.expect("set");
        advance(ends - SECOND).await;
        assert!(random.peek("k").is_some());
        advance(SECOND).await;
        assert!(random.peek("k").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_an_invalidation_overtakes_is_not_kept() {
    for target in [
        CacheTarget::Key("k".into()),
        CacheTarget::Tag(tag("x")),
        CacheTarget::Prefix("k".into()),
        CacheTarget::All,
    ] {
        let (cache, source) = (cache(plain(MINUTE)), Source::of(1));
        source.take(SECOND);
        let call = || {
            let (cache, source) = (cache.clone(), Arc::clone(&source));
            let load =
                move || async move { source.load().await.map(|value| Loaded::new(value).tags([tag("x")])) };
            tokio::spawn(async move { cache.get_or_load("k", load).await.map(|value| *value).ok() })
        };
        let early = call();
        sleep(SECOND / 2).await;
        source.set(2);
        cache.invalidate(std::slice::from_ref(&target), None).await.expect("told");
        // Who asks from now on must not be given what was read before.
        let late = call();
        assert_eq!(early.await.expect("it ends"), Some(1), "it had asked before");
        assert_eq!(late.await.expect("it ends"), Some(2), "{target:?}");
        assert_eq!(cache.peek("k"), Some(Arc::new(2)));
        assert_eq!(cache.stats().overtaken, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_set_is_not_replaced_by_what_was_being_loaded() {
    let (cache, source) = (cache(plain(MINUTE)), Source::of(1));
    source.take(SECOND);
    let loading = {
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        tokio::spawn(async move { source.through(&cache, "k").await })
    };
    sleep(SECOND / 2).await;
    cache.set("k", 2).await.expect("set");
    loading.await.expect("it ends");
    assert_eq!(cache.peek("k"), Some(Arc::new(2)));
}

#[tokio::test(start_paused = true)]
async fn keys_are_set_read_and_removed_many_at_once() {
    let cache = cache(plain(MINUTE));
    cache.set_many((0..5).map(|n| (format!("user:{n}"), n))).await.expect("set");
    let found = cache.get_many(&["user:3", "none", "user:1"]).await.expect("read");
    assert_eq!(found, [Some(Arc::new(3)), None, Some(Arc::new(1))]);
    cache.delete_many(&["user:3", "user:4"]).await.expect("told");
    cache.invalidate_prefix("user:1").await.expect("told");
    cache.set("tagged", Loaded::new(9).tags([tag("x")])).await.expect("set");
    cache.invalidate_tag(&tag("x")).await.expect("told");
    let keys = ["user:0", "user:1", "user:2", "user:3", "user:4", "tagged"];
    let there = cache.get_many(&keys).await.expect("read");
    assert_eq!(
        there.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false, true, false, false, false]
    );
    cache.clear().await.expect("told");
    assert!(cache.get_many(&keys).await.expect("read").iter().all(Option::is_none));
}

#[tokio::test(start_paused = true)]
async fn a_cache_holds_no_more_than_its_weight() {
    let settings = CacheSettings { max_weight: 100, ..plain(MINUTE) };
    let weigh = |_: &str, value: Option<&Vec<u8>>| {
        value.map_or(1, |value| u32::try_from(value.len()).unwrap_or(u32::MAX))
    };
    let cache = Cache::builder("bytes", settings).weigher(weigh).build().expect("sound");
    for n in 0..50 {
        cache.set(&format!("k{n}"), vec![0_u8; 10]).await.expect("set");
    }
    let stats = cache.stats();
    assert!(stats.weight <= 100 && stats.entries <= 10, "{stats:?}");
    assert!(stats.evictions >= 40, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cache_may_read_and_write_through() {
    let source = Source::of(1);
    let (reads, writes) = (Arc::clone(&source), Arc::clone(&source));
    let cache = Cache::builder("numbers", plain(MINUTE))
        .read_through(move |_key| Arc::clone(&reads).load())
        .write_through(move |_key, value: Arc<u64>| {
            let source = Arc::clone(&writes);
            async move {
                source.set(*value);
                source.load().await.map(|_| ())
            }
        })
        .build()
        .expect("sound");
    assert_eq!(cache.get("k").await.expect("read"), Some(Arc::new(1)));
    cache.write("k", 2).await.expect("written");
    assert_eq!((cache.peek("k"), source.value.load(Ordering::SeqCst)), (Some(Arc::new(2)), 2));
    // Nobody knows what a failed write has done: the next reader has to look.
    source.fail(true);
    assert!(cache.write("k", 3).await.is_err());
    assert_eq!(cache.peek("k"), None);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_one_is_refused() {
    let (cache, source) = (cache(plain(MINUTE)), Source::of(1));
    let long = "k".repeat(513);
    for wrong in ["", long.as_str()] {
        let loading = Arc::clone(&source);
        let error = cache.get_or_load(wrong, move || loading.load()).await.expect_err("no key");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(cache.set(wrong, 1).await.is_err());
    }
    assert_eq!(source.loads(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_explained() {
    let cache = cache(CacheSettings { stale_while_revalidate: Some(MINUTE * 2), ..plain(MINUTE) });
    let load = || async {
        sleep(SECOND).await;
        Ok::<_, BackendError>(Loaded::new(1).tags([tag("x")]))
    };
    cache.get_or_load("k", load).await.expect("loaded");
    advance(SECOND * 61).await;
    let text = cache.explain("k").await.to_string();
    for part in
        ["k in the cache numbers", "stale by age", "in 1000 ms", "tags x", "61s old", "shared: nothing"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    cache.invalidate_tag(&tag("x")).await.expect("told");
    assert!(cache.explain("k").await.to_string().contains("invalidated"));
}
