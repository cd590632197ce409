//! What is repeated, how often, and what never is.

use std::sync::Mutex;

use ledgerstone_core::{BackendError, ErrorKind};
use ledgerstone_resilience::{
    Attempt, Backoff, Call as _, Failure, Hedge, IdempotencyKey, Idempotent, Keyed, Once, Policy, Retry,
};
use tokio::time::Instant;

use crate::upstream::{Does, Upstream, error, millis, seconds};

fn thrice(wait: u64) -> Policy {
    Policy::builder("orders").retry(Retry::fixed(millis(wait))).build().unwrap()
}

const DOWN: Does = Does::Fails(ErrorKind::Unavailable);

#[tokio::test(start_paused = true)]
async fn a_call_that_may_be_repeated_is_until_it_succeeds() {
    let upstream = Upstream::that([DOWN, DOWN, Does::Answers]);
    let began = Instant::now();
    assert_eq!(thrice(10).run(Idempotent(|_| upstream.call())).await.unwrap(), 3);
    assert_eq!(began.elapsed(), millis(20));
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_told_when_the_attempts_are_used_up() {
    let upstream =
        Upstream::that([Does::Fails(ErrorKind::TimedOut), DOWN, Does::Fails(ErrorKind::Throttled)]);
    let failed = thrice(10).run(Idempotent(|_| upstream.call())).await.unwrap_err();
    assert_eq!((failed.kind(), upstream.calls()), (ErrorKind::Throttled, 3));
}

#[tokio::test(start_paused = true)]
async fn what_another_attempt_would_not_mend_is_not_repeated() {
    for kind in [ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::Invalid, ErrorKind::Denied] {
        let upstream = Upstream::that([Does::Fails(kind)]);
        let failed = thrice(10).run(Idempotent(|_| upstream.call())).await.unwrap_err();
        assert_eq!((failed.kind(), upstream.calls()), (kind, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unmarked_call_runs_once_under_any_policy() {
    let eager = Policy::builder("orders")
        .retry(Retry::fixed(millis(1)).with_attempts(10))
        .hedge(Hedge::after(millis(1)).with_most(5))
        .attempt_timeout(millis(50))
        .without_budget()
        .build()
        .unwrap();
    for policy in [eager, thrice(1), Policy::none("orders")] {
        for does in [DOWN, Does::AnswersAfter(millis(20))] {
            let upstream = Upstream::that([does]);
            policy.run(|| upstream.call()).await.ok();
            policy.run(Once(|| upstream.call())).await.ok();
            policy.run((|| upstream.call()).with_retries(7)).await.ok();
            assert_eq!(upstream.calls(), 3, "{does:?} under {policy:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_that_can_only_be_called_once_is_a_call() {
    let body = vec![1, 2, 3];
    let consumes = move || async move { Ok::<_, BackendError>(body) };
    assert_eq!(thrice(1).run(consumes).await.unwrap(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_of_a_keyed_call_carries_the_same_key() {
    let upstream = Upstream::that([DOWN, DOWN, Does::Answers]);
    let seen = Mutex::new(Vec::new());
    let call = |key: &IdempotencyKey, attempt: Attempt| {
        seen.lock().unwrap().push((key.to_string(), attempt.number));
        upstream.call()
    };
    thrice(1).run(Keyed::new("order-7", call)).await.unwrap();
    let key = || "order-7".to_owned();
    assert_eq!(*seen.lock().unwrap(), [(key(), 1), (key(), 2), (key(), 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_ask_for_another_number_of_retries_and_zero_means_zero() {
    for (retries, calls) in [(0, 1), (1, 2), (5, 6)] {
        let upstream = Upstream::that([DOWN]);
        thrice(1).run(Idempotent(|_| upstream.call()).with_retries(retries)).await.unwrap_err();
        assert_eq!(upstream.calls(), calls);
    }
    let upstream = Upstream::that([DOWN]);
    Policy::none("orders").run(Idempotent(|_| upstream.call()).with_retries(5)).await.unwrap_err();
    assert_eq!(upstream.calls(), 1, "without the slot there is no retry");
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_asks_to_be_left_alone_is() {
    let upstream = Upstream::that([Does::AsksToWait(seconds(5)), Does::Answers]);
    let began = Instant::now();
    thrice(10).run(Idempotent(|_| upstream.call())).await.unwrap();
    assert_eq!(began.elapsed(), seconds(5) + millis(10));
}

#[tokio::test(start_paused = true)]
async fn one_that_asks_for_too_long_is_not_asked_again() {
    let policies = [
        Policy::builder("orders").retry(Retry::fixed(millis(1)).with_longest_retry_after(seconds(4))),
        Policy::builder("orders").retry(Retry::fixed(millis(1))).total_timeout(seconds(5)),
    ];
    for policy in policies {
        let upstream = Upstream::that([Does::AsksToWait(seconds(5))]);
        let began = Instant::now();
        let failed = policy.build().unwrap().run(Idempotent(|_| upstream.call())).await.unwrap_err();
        assert_eq!(failed.retry_after(), Some(seconds(5)), "the caller hears what it asked for");
        assert_eq!((upstream.calls(), began.elapsed()), (1, millis(0)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_repeated() {
    let policy = Policy::builder("orders").retry(Retry::fixed(millis(5))).attempt_timeout(millis(50));
    let upstream = Upstream::that([Does::Hangs, Does::Answers]);
    assert_eq!(policy.build().unwrap().run(Idempotent(|_| upstream.call())).await.unwrap(), 2);
    assert_eq!(upstream.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_breaker_or_the_bulkhead_refuses_is_not_repeated() {
    let bulkhead = ledgerstone_resilience::Bulkhead::of(1);
    let policy = Policy::builder("orders").retry(Retry::fixed(millis(5))).bulkhead(bulkhead).build().unwrap();
    let upstream = Upstream::that([Does::AnswersAfter(millis(100))]);
    let (first, second) = tokio::join!(
        policy.run(Idempotent(|_| upstream.call())),
        policy.try_run(Idempotent(|_| upstream.call())),
    );
    first.unwrap();
    assert!(matches!(second, Err(Failure::Refused(_))));
    assert_eq!(upstream.calls(), 1);
}

/// Waits a second more each time.
#[derive(Debug)]
struct Patient;

impl Backoff for Patient {
    fn wait(
        &self,
        attempt: u32,
        _previous: Option<std::time::Duration>,
        _random: u64,
    ) -> std::time::Duration {
        seconds(attempt.into())
    }

    fn first(&self) -> std::time::Duration {
        seconds(1)
    }

    fn describe(&self) -> String {
        "a second more each time".to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_of_ones_own_decides_the_waits() {
    let retry = Retry::custom(Patient).with_attempts(4);
    let policy = Policy::builder("orders").retry(retry).build().unwrap();
    let began = Instant::now();
    policy.run(Idempotent(|_| async { Err::<(), _>(error(ErrorKind::Unavailable)) })).await.unwrap_err();
    assert_eq!(began.elapsed(), seconds(1 + 2 + 3));
    assert!(policy.explain().contains("a second more each time"));
}

#[tokio::test]
async fn a_call_under_a_policy_can_be_spawned() {
    let policy = Policy::builder("orders")
        .retry(Retry::fixed(millis(0)))
        .hedge(Hedge::after(seconds(5)))
        .total_timeout(seconds(60))
        .build()
        .unwrap();
    let upstream = Upstream::that([DOWN, Does::Answers]);
    let (others, other) = (policy.clone(), upstream.clone());
    let idempotent = tokio::spawn(async move { others.run(Idempotent(|_| other.call())).await });
    assert_eq!(idempotent.await.unwrap().unwrap(), 2);
    let (others, other) = (policy.clone(), upstream.clone());
    let keyed = async move { others.run(Keyed::new("order-7", |_: &IdempotencyKey, _| other.call())).await };
    tokio::spawn(keyed).await.unwrap().unwrap();
    let once = async move { policy.run(|| upstream.call()).await };
    tokio::spawn(once).await.unwrap().unwrap();
}
