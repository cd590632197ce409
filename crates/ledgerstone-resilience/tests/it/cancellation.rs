//! A caller that gives up leaks nothing: no place, no probe, no attempt.

use ledgerstone_core::ErrorKind;
use ledgerstone_resilience::{
    BreakerState, Bulkhead, CircuitBreaker, Dependencies, Hedge, Idempotent, Policy, Retry, Window,
};
use tokio::time::timeout;

use crate::upstream::{Does, Upstream, millis, seconds};

fn breaker() -> CircuitBreaker {
    CircuitBreaker {
        failure_rate: 1.0,
        minimum_calls: 2,
        window: Window::Calls(2),
        open_for: seconds(10),
        probes: 1,
        ..CircuitBreaker::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_counts_for_nothing_and_frees_its_place() {
    let dependencies = Dependencies::new();
    let policy = Policy::builder("orders")
        .circuit_breaker(breaker())
        .bulkhead(Bulkhead::of(1).with_queue(1, seconds(60)))
        .build_in(&dependencies)
        .unwrap();
    let upstream = Upstream::that([Does::Hangs]);
    for _ in 0..10 {
        assert!(timeout(seconds(1), policy.run(|| upstream.call())).await.is_err());
    }
    assert_eq!((upstream.calls(), upstream.under_way()), (10, 0));
    let report = &dependencies.breakers()[0];
    assert_eq!((report.state, report.calls), (BreakerState::Closed, 0));
    upstream.now_does(Does::Answers);
    policy.run(|| upstream.call()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_probe_gives_its_place_back() {
    let dependencies = Dependencies::new();
    let policy = Policy::builder("orders").circuit_breaker(breaker()).build_in(&dependencies).unwrap();
    let upstream = Upstream::that([Does::Fails(ErrorKind::Unavailable)]);
    for _ in 0..2 {
        policy.run(|| upstream.call()).await.unwrap_err();
    }
    tokio::time::advance(seconds(10)).await;
    upstream.now_does(Does::Hangs);
    for probe in 3..8 {
        assert!(timeout(seconds(1), policy.run(|| upstream.call())).await.is_err());
        assert_eq!(upstream.calls(), probe, "each is let through, since the one before gave up");
        assert_eq!(dependencies.breakers()[0].state, BreakerState::HalfOpen);
    }
    upstream.now_does(Does::Answers);
    policy.run(|| upstream.call()).await.unwrap();
    assert_eq!(dependencies.breakers()[0].state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_in_the_queue_leaves_it() {
    let policy =
        Policy::builder("orders").bulkhead(Bulkhead::of(1).with_queue(1, seconds(60))).build().unwrap();
    let upstream = Upstream::that([Does::AnswersAfter(seconds(10)), Does::Answers]);
    let holder = policy.run(|| upstream.call());
    let others = async {
        for _ in 0..5 {
            let waited = timeout(seconds(1), policy.run(|| upstream.call())).await;
            assert!(waited.is_err(), "it waited, so the one before has left the queue: {waited:?}");
        }
    };
    let (held, ()) = tokio::join!(holder, others);
    held.unwrap();
    policy.run(|| upstream.call()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_takes_its_hedges_and_waits_with_it() {
    let policy = Policy::builder("orders")
        .retry(Retry::fixed(seconds(1)))
        .hedge(Hedge::after(millis(10)).with_most(3))
        .build()
        .unwrap();
    let upstream = Upstream::that([Does::Hangs]);
    assert!(timeout(millis(100), policy.run(Idempotent(|_| upstream.call()))).await.is_err());
    assert_eq!((upstream.calls(), upstream.under_way()), (4, 0));
    upstream.now_does(Does::Fails(ErrorKind::Unavailable));
    assert!(timeout(millis(100), policy.run(Idempotent(|_| upstream.call()))).await.is_err());
    tokio::time::sleep(seconds(60)).await;
    assert_eq!(upstream.calls(), 5, "nobody tries on for a caller that is gone");
}
