//! The queue: in order, bounded in length and time, and giving up costs nothing.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{Code, RateOverride};
use ledgerstone_resilience::{LocalRateLimiter, RateQueue, RateQueueOptions};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::rules;
use super::tokio_clock::TokioClock;

fn queue(rule: &str, max_waiting: u32, max_wait: Duration) -> RateQueue {
    let clock = Arc::new(TokioClock::new());
    let limiter = LocalRateLimiter::new("t", &rules(&[rule]), clock).expect("a limiter");
    RateQueue::new("t", Arc::new(limiter), RateQueueOptions { max_waiting, max_wait, max_keys: 10 })
}

#[tokio::test(start_paused = true)]
async fn calls_pass_in_order_at_the_rate_of_the_rule() {
    let queue = queue("10/s burst 1", 100, Duration::from_secs(10));
    let begun = Instant::now();
    let passed = Arc::new(Mutex::new(Vec::new()));
    let mut calls = Vec::new();
    for number in 0..5_u64 {
        let (queue, passed) = (queue.clone(), Arc::clone(&passed));
        calls.push(tokio::spawn(async move {
            queue.pass("ada", 1).await.expect("it passes");
            passed.lock().push((number, begun.elapsed().as_millis()));
        }));
        tokio::task::yield_now().await;
    }
    for call in calls {
        call.await.expect("no panic");
    }
    let passed = passed.lock();
    assert!(passed.iter().zip(0..).all(|((number, _), at)| *number == at), "{passed:?}");
    // Tokio wakes sleepers on the millisecond.
    assert!(passed.iter().all(|(number, at)| at.abs_diff(u128::from(*number) * 100) <= 5), "{passed:?}");
    assert_eq!(queue.keys(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_cost_is_not_starved_by_small_ones() {
    let queue = queue("10/s", 100, Duration::from_secs(10));
    queue.pass("ada", 10).await.expect("it passes");
    let large = tokio::spawn({
        let queue = queue.clone();
        async move { queue.pass("ada", 10).await.map(|_| Instant::now()) }
    });
    tokio::task::yield_now().await;
    let small = queue.pass("ada", 1).await.map(|_| Instant::now()).expect("it passes");
    assert!(large.await.expect("no panic").expect("it passes") < small);
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_is_refused_at_once_with_the_time() {
    let queue = queue("1/m", 100, Duration::from_secs(5));
    queue.pass("ada", 1).await.expect("it passes");
    let begun = Instant::now();
    let refused = queue.pass("ada", 1).await.expect_err("a minute is too long");
    assert_eq!((refused.code(), begun.elapsed()), (Code::RateLimited, Duration::ZERO));
    assert!(refused.retry_after().is_some_and(|wait| wait > Duration::from_secs(55)));
    queue.limiter().set_override("bob", Some(RateOverride::Blocked)).await.expect("it is set");
    assert_eq!(queue.pass("bob", 1).await.expect_err("blocked").retry_after(), None);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_who_gives_up_makes_room() {
    let queue = queue("1/s", 1, Duration::from_secs(10));
    queue.pass("ada", 1).await.expect("it passes");
    let spawned = |queue: &RateQueue| {
        let queue = queue.clone();
        tokio::spawn(async move { queue.pass("ada", 1).await.map(|_| ()) })
    };
    let (first, second) = (spawned(&queue), spawned(&queue));
    tokio::task::yield_now().await;
    assert_eq!(queue.pass("ada", 1).await.expect_err("the queue is full").code(), Code::Overloaded);
    first.abort();
    assert!(first.await.expect_err("it was aborted").is_cancelled());
    let third = spawned(&queue);
    second.await.expect("no panic").expect("it passes");
    third.await.expect("no panic").expect("it passes");
    assert_eq!(queue.keys(), 0);
}
