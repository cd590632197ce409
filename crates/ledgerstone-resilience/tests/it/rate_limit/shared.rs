//! The limiter of many nodes while its shared store is lost: each enforces its share, and nobody waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, ErrorKind, RateLimiter, RateOverride, RateRule, RateState, RateVerdict,
};
use ledgerstone_resilience::{
    InvalidRule, LocalRateLimiter, SharedRateLimiter, SharedRateOptions, SharedRates, WholeVerdict,
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::rules;
use super::tokio_clock::TokioClock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Up,
    Refusing,
    Silent,
}

/// A shared store in memory that goes down as it is told.
#[derive(Debug)]
struct Store {
    limiter: LocalRateLimiter,
    leases: Mutex<BTreeMap<String, Instant>>,
    condition: Mutex<Condition>,
}

impl Store {
    fn new(texts: &[&str]) -> Arc<Self> {
        let limiter = LocalRateLimiter::new("store", &rules(texts), Arc::new(TokioClock::new()));
        let limiter = limiter.expect("a limiter");
        Arc::new(Self { limiter, leases: Mutex::default(), condition: Mutex::new(Condition::Up) })
    }

    fn is(&self, condition: Condition) {
        *self.condition.lock() = condition;
    }

    async fn answer(&self) -> Result<(), BackendError> {
        let condition = *self.condition.lock();
        match condition {
            Condition::Up => Ok(()),
            Condition::Refusing => {
                Err(BackendError::new(ErrorKind::Unavailable, "store", "take", "it is down"))
            }
            Condition::Silent => std::future::pending().await,
        }
    }
}

#[async_trait]
impl RateLimiter for Store {
    fn rules(&self) -> Vec<RateRule> {
        self.limiter.rules()
    }

    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        self.answer().await?;
        self.limiter.take(key, cost).await
    }

    async fn states(&self, key: &str) -> Result<Vec<RateState>, BackendError> {
        self.answer().await?;
        self.limiter.states(key).await
    }

    async fn set_override(&self, key: &str, rules: Option<RateOverride>) -> Result<(), BackendError> {
        self.answer().await?;
        self.limiter.set_override(key, rules).await
    }

    async fn reset(&self, key: &str) -> Result<(), BackendError> {
        self.answer().await?;
        self.limiter.reset(key).await
    }
}

#[async_trait]
impl SharedRates for Store {
    async fn take_whole(&self, key: &str, cost: u32) -> Result<WholeVerdict, BackendError> {
        let verdict = self.take(key, cost).await?;
        let states = self.limiter.states(key).await?;
        Ok(WholeVerdict { verdict, states, overridden: self.limiter.override_of(key) })
    }

    async fn renew_lease(&self, node: &str, keep_for: Duration) -> Result<u32, BackendError> {
        self.answer().await?;
        let mut leases = self.leases.lock();
        leases.retain(|_, until| *until > Instant::now());
        leases.insert(node.to_owned(), Instant::now() + keep_for);
        Ok(u32::try_from(leases.len()).unwrap_or(u32::MAX))
    }

    fn set_rules(&self, rules: &[RateRule]) -> Result<(), InvalidRule> {
        self.limiter.set_rules(rules)
    }
}

fn node(store: &Arc<Store>, name: usize) -> SharedRateLimiter {
    let options = SharedRateOptions::of_node(format!("node-{name}"));
    let shared = Arc::clone(store) as Arc<dyn SharedRates>;
    SharedRateLimiter::new("t", shared, Arc::new(TokioClock::new()), options).expect("a limiter")
}

/// Starts four nodes, and waits until each has counted all of them.
async fn four(store: &Arc<Store>) -> Vec<SharedRateLimiter> {
    let nodes: Vec<_> = (0..4).map(|name| node(store, name)).collect();
    sleep(Duration::from_secs(5)).await;
    assert!(nodes.iter().all(|node| node.nodes() == 4 && !node.is_degraded()));
    nodes
}

/// Asks every node until each refuses, and returns how much passed and whether all said they were degraded.
async fn exhausted(nodes: &[SharedRateLimiter], key: &str) -> (u32, bool) {
    let (mut passed, mut degraded) = (0, true);
    for node in nodes {
        for _ in 0..200 {
            let verdict = node.take(key, 1).await.expect("a verdict");
            degraded &= verdict.is_degraded;
            passed += u32::from(verdict.is_allowed);
        }
    }
    (passed, degraded)
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_there_it_decides() {
    let store = Store::new(&["100/h"]);
    let nodes = four(&store).await;
    assert_eq!(exhausted(&nodes, "ada").await, (100, false));
}

#[tokio::test(start_paused = true)]
async fn when_the_store_is_lost_all_nodes_together_let_the_limit_through() {
    let store = Store::new(&["100/h", "150/d"]);
    let nodes = four(&store).await;
    store.is(Condition::Refusing);
    assert_eq!(exhausted(&nodes, "new").await, (100, true));
    assert!(nodes.iter().all(SharedRateLimiter::is_degraded));
    let report = nodes[0].report("new").await.expect("a report").to_string();
    assert!(report.contains("this node enforces 1/4 of each rule"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn the_switch_gives_nobody_back_what_was_taken_before() {
    for algorithm in ["fixed_window", "sliding_window", "token_bucket", "gcra"] {
        let store = Store::new(&[&format!("100/d {algorithm}")]);
        let nodes = four(&store).await;
        assert!(nodes[0].take("ada", 56).await.expect("a verdict").is_allowed);
        // Every node has heard of the key since; 40 are left for the four of them.
        for node in &nodes {
            assert!(node.take("ada", 1).await.expect("a verdict").is_allowed);
        }
        store.is(Condition::Refusing);
        let (passed, degraded) = exhausted(&nodes, "ada").await;
        assert!(degraded);
        // Who asked earlier saw a little more left than the last did.
        assert!((36..=43).contains(&passed), "{algorithm}: {passed} passed");
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_waits_longer_than_the_bound_and_the_later_ones_not_at_all() {
    let store = Store::new(&["100/h"]);
    let node = node(&store, 0);
    sleep(Duration::from_secs(1)).await;
    store.is(Condition::Silent);
    let begun = Instant::now();
    assert!(node.take("ada", 1).await.expect("a verdict").is_degraded);
    assert!(begun.elapsed() <= Duration::from_millis(60), "{:?}", begun.elapsed());
    let begun = Instant::now();
    for _ in 0..50 {
        node.take("ada", 1).await.expect("a verdict");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn it_recovers_by_itself_and_the_store_decides_again() {
    let store = Store::new(&["100/h"]);
    let node = node(&store, 0);
    sleep(Duration::from_secs(1)).await;
    for condition in [Condition::Refusing, Condition::Silent] {
        store.is(condition);
        assert!(node.take("ada", 1).await.expect("a verdict").is_degraded);
        sleep(Duration::from_secs(20)).await;
        assert!(node.is_degraded(), "it is still lost");
        store.is(Condition::Up);
        sleep(Duration::from_secs(1)).await;
        assert!(!node.is_degraded());
        assert!(!node.take("ada", 1).await.expect("a verdict").is_degraded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_noticed_and_mended_without_any_call() {
    let store = Store::new(&["100/h"]);
    let node = node(&store, 0);
    sleep(Duration::from_secs(1)).await;
    store.is(Condition::Refusing);
    sleep(Duration::from_secs(5)).await;
    assert!(node.is_degraded());
    store.is(Condition::Up);
    sleep(Duration::from_secs(1)).await;
    assert!(!node.is_degraded());
}

#[tokio::test(start_paused = true)]
async fn nodes_that_left_are_not_counted_and_a_store_never_seen_counts_one() {
    let store = Store::new(&["100/h"]);
    let mut nodes = four(&store).await;
    nodes.truncate(2);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(nodes[0].nodes(), 2);
    store.is(Condition::Refusing);
    assert_eq!(exhausted(&nodes, "ada").await, (100, true));

    let never_seen = node(&store, 9);
    assert_eq!(exhausted(std::slice::from_ref(&never_seen), "ada").await, (100, true));
}

#[tokio::test(start_paused = true)]
async fn a_share_below_one_call_is_one_call() {
    let store = Store::new(&["2/h"]);
    let nodes = four(&store).await;
    store.is(Condition::Refusing);
    assert_eq!(exhausted(&nodes, "ada").await, (4, true));
}

#[tokio::test(start_paused = true)]
async fn a_mistake_of_the_caller_is_no_loss_of_the_store() {
    let store = Store::new(&["10/h"]);
    let node = node(&store, 0);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(node.take("ada", 11).await.expect_err("too much").kind(), ErrorKind::Invalid);
    assert!(!node.is_degraded());
    store.is(Condition::Refusing);
    assert!(node.take("ada", 10).await.expect("a verdict").is_allowed);
    assert_eq!(node.take("ada", 11).await.expect_err("too much").kind(), ErrorKind::Invalid);
}

#[tokio::test(start_paused = true)]
async fn an_override_that_a_node_met_holds_while_the_store_is_lost_and_none_can_be_set() {
    let store = Store::new(&["10/h"]);
    let node = node(&store, 0);
    sleep(Duration::from_secs(1)).await;
    // Another node set them.
    store.set_override("ada", Some(RateOverride::Blocked)).await.expect("it is set");
    store.set_override("bob", Some(RateOverride::Rules(rules(&["50/h"])))).await.expect("it is set");
    for key in ["ada", "bob"] {
        node.take(key, 1).await.expect("a verdict");
    }
    store.is(Condition::Refusing);
    assert!(!node.take("ada", 1).await.expect("a verdict").is_allowed);
    assert!(node.take("bob", 40).await.expect("a verdict").is_allowed);
    let refused = node.set_override("ada", None).await.expect_err("it is lost");
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(!node.take("ada", 1).await.expect("a verdict").is_allowed);
}
