//! The limiter in Redis: the suite over four nodes, and a Redis that dies, stalls and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ledgerstone_core::{ErrorKind, RateAlgorithm, RateLimiter, RateRule, SystemClock};
use ledgerstone_resilience::{
    RedisRateLimiter, RedisRateOptions, SharedRateLimiter, SharedRateOptions, SharedRates,
};
use ledgerstone_testkit::conformance::{CaseError, Fresh, rate_limiter::Limiters};
use ledgerstone_testkit::servers::RedisServer;
use tokio::time::{Instant, sleep};

use super::rules;
use super::suite::passes;

static PREFIXES: AtomicUsize = AtomicUsize::new(0);

fn options() -> RedisRateOptions {
    // Enough for a machine that compiles beside.
    let bound = Duration::from_secs(10);
    RedisRateOptions { prefix: format!("t{}", PREFIXES.fetch_add(1, Ordering::Relaxed)), bound }
}

fn limiters(server: Arc<RedisServer>, algorithm: RateAlgorithm) -> Limiters {
    let options = options();
    let (url, prefix) = (server.url(), options.prefix.clone());
    let opened = Arc::new(AtomicUsize::new(0));
    let open = move |rules: Vec<RateRule>| {
        let name = format!("l{}", opened.fetch_add(1, Ordering::Relaxed));
        let node = || RedisRateLimiter::new(&name, &rules, &url, options.clone());
        let nodes: Result<Vec<_>, _> = (0..4).map(|_| node()).collect();
        async move {
            let nodes = nodes?.into_iter().map(|node| Arc::new(node) as Arc<dyn RateLimiter>);
            Ok::<_, CaseError>(nodes.collect())
        }
    };
    let kept = move || {
        let counted = server.ask(&format!("KEYS {prefix}:*"));
        async move {
            let counted = counted?;
            let count = counted.lines().next().and_then(|line| line.strip_prefix('*')).ok_or("no list")?;
            Ok::<usize, CaseError>(count.parse()?)
        }
    };
    Limiters::new(algorithm, open, kept)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limiter_in_redis_keeps_every_promise_over_four_nodes_under_each_algorithm() {
    let server = Arc::new(RedisServer::start().expect("a Redis"));
    for algorithm in RateAlgorithm::ALL {
        let open = |clock| {
            let limiters = limiters(Arc::clone(&server), *algorithm);
            async move { Ok(Fresh::new(limiters, clock)) }
        };
        passes(algorithm.as_str(), open).await;
    }
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_loaded_again() {
    let server = RedisServer::start().expect("a Redis");
    let limiter = RedisRateLimiter::new("t", &rules(&["10/h"]), &server.url(), options()).expect("a limiter");
    for left in [9, 8] {
        let verdict = limiter.take("ada", 1).await.expect("a verdict");
        assert_eq!(verdict.tightest.expect("a state").remaining, left);
        server.ask("SCRIPT FLUSH").expect("flushed");
    }
}

#[tokio::test]
async fn what_a_key_has_used_expires_and_an_override_does_not() {
    let server = RedisServer::start().expect("a Redis");
    let limiter = RedisRateLimiter::new("t", &rules(&["10/h"]), &server.url(), options()).expect("a limiter");
    limiter.take("ada", 10).await.expect("a verdict");
    let over = ledgerstone_core::RateOverride::Blocked;
    limiter.set_override("ada", Some(over)).await.expect("it is set");
    let entries = server.ask("EVAL \"local out = {} for _, k in ipairs(redis.call('KEYS', '*')) do out[#out + 1] = k .. ' ' .. redis.call('PTTL', k) end return out\" 0");
    let entries = entries.expect("an answer");
    let ttl = |end: &str| {
        let line =
            entries.lines().find_map(|line| line.split_once(end).map(|(_, ttl)| ttl.trim().to_owned()));
        line.and_then(|ttl| ttl.parse::<i64>().ok()).expect("an entry")
    };
    assert!((3_500_000..=3_600_001).contains(&ttl(":{ada}:t ")), "{entries}");
    assert_eq!(ttl(":{ada}:o "), -1);
}

#[tokio::test]
async fn a_redis_that_is_down_is_unavailable_and_a_wrong_address_is_refused_at_once() {
    let server = RedisServer::start().expect("a Redis");
    let limiter = RedisRateLimiter::new("t", &rules(&["10/h"]), &server.url(), options()).expect("a limiter");
    server.kill();
    for _ in 0..3 {
        assert_eq!(limiter.take("ada", 1).await.expect_err("it is down").kind(), ErrorKind::Unavailable);
    }
    server.restart().expect("it starts again");
    assert!(limiter.take("ada", 1).await.expect("a verdict").is_allowed, "the first call after it is back");

    let refused = RedisRateLimiter::new("t", &rules(&["10/h"]), "http://nowhere", options());
    assert_eq!(refused.expect_err("no Redis").kind(), ErrorKind::Misconfigured);
}

fn node(url: &str, prefix: &str, name: &str) -> SharedRateLimiter {
    let options = RedisRateOptions { prefix: prefix.to_owned(), bound: Duration::from_secs(2) };
    let redis = RedisRateLimiter::new("t", &rules(&["1000/d"]), url, options).expect("a limiter");
    let shared: Arc<dyn SharedRates> = Arc::new(redis);
    let lease = Duration::from_secs(1);
    let options = SharedRateOptions {
        lease,
        bound: Duration::from_millis(500),
        probe: Duration::from_millis(20),
        ..SharedRateOptions::of_node(name)
    };
    SharedRateLimiter::new("t", shared, Arc::new(SystemClock::new()), options).expect("a limiter")
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came about that {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn nodes_outlive_a_redis_that_is_killed_and_restarted() {
    let server = RedisServer::start().expect("a Redis");
    let nodes = ["a", "b"].map(|name| node(&server.url(), "killed", name));
    until("both are counted", || nodes.iter().all(|node| node.nodes() == 2 && !node.is_degraded())).await;
    let mut passed = 0;
    for _ in 0..100 {
        for node in &nodes {
            let verdict = node.take("ada", 1).await.expect("a verdict");
            passed += u32::from(verdict.is_allowed);
        }
    }
    server.kill();
    for node in &nodes {
        for _ in 0..1_000 {
            let verdict = node.take("ada", 1).await.expect("a verdict");
            assert!(verdict.is_degraded);
            passed += u32::from(verdict.is_allowed);
        }
    }
    // A thousand a day; what comes back while this runs is next to nothing.
    assert!((990..=1_005).contains(&passed), "{passed} passed");
    server.restart().expect("it starts again");
    until("both recover", || nodes.iter().all(|node| !node.is_degraded())).await;
    assert!(!nodes[0].take("bob", 1).await.expect("a verdict").is_degraded);
}

#[tokio::test]
async fn a_redis_that_is_down_at_the_start_or_stalls_keeps_nobody_waiting() {
    let server = RedisServer::start().expect("a Redis");
    server.kill();
    let node = node(&server.url(), "down", "a");
    assert!(node.take("ada", 1).await.expect("a verdict").is_degraded);
    server.restart().expect("it starts");
    until("it is found", || !node.is_degraded()).await;
    server.pause().expect("it stops");
    assert!(node.take("ada", 1).await.expect("a verdict").is_degraded);
    server.resume().expect("it goes on");
    until("it is found again", || !node.is_degraded()).await;
}
