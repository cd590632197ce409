//! The order of the slots, each against its neighbour, by what happens rather than by what is printed.

use std::sync::Arc;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, ErrorKind, RateLimiter, RateOverride, RateRule, RateState, RateVerdict,
};
use ledgerstone_resilience::{
    BreakerState, Bulkhead, CircuitBreaker, Dependencies, Failure, FallbackOn, Hedge, Idempotent, Policy,
    PolicyBuilder, RateLimitSlot, Refusal, Retry, Window,
};
use tokio::time::Instant;

use crate::upstream::{Allows, Does, Upstream, millis, seconds};

fn orders() -> PolicyBuilder {
    Policy::builder("orders")
}

fn limited_to(calls: u32) -> RateLimitSlot {
    RateLimitSlot::new(Allows::calls(calls), "orders")
}

#[tokio::test(start_paused = true)]
async fn the_fallback_lies_outside_the_rate_limit() {
    let policy = orders().rate_limit(limited_to(0)).fallback(FallbackOn::Refused).build().unwrap();
    let upstream = Upstream::that([Does::Answers]);
    assert_eq!(policy.run_or(|| upstream.call(), 99).await.unwrap(), 99);
    assert_eq!(upstream.calls(), 0);
}

/// A limiter that allows everything, after a while.
#[derive(Debug)]
struct Slow;

#[async_trait]
impl RateLimiter for Slow {
    fn rules(&self) -> Vec<RateRule> {
        Vec::new()
    }

    async fn take(&self, _key: &str, _cost: u32) -> Result<RateVerdict, BackendError> {
        tokio::time::sleep(seconds(5)).await;
        Ok(RateVerdict { is_allowed: true, tightest: None, retry_after: None, is_degraded: false })
    }

    async fn states(&self, _key: &str) -> Result<Vec<RateState>, BackendError> {
        Ok(Vec::new())
    }

    async fn set_override(&self, _key: &str, _rules: Option<RateOverride>) -> Result<(), BackendError> {
        Ok(())
    }

    async fn reset(&self, _key: &str) -> Result<(), BackendError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_lies_outside_the_total_timeout() {
    let slot = RateLimitSlot::new(Arc::new(Slow), "orders");
    let policy = orders().total_timeout(seconds(2)).rate_limit(slot).build().unwrap();
    let upstream = Upstream::that([Does::AnswersAfter(seconds(1))]);
    let began = Instant::now();
    policy.run(|| upstream.call()).await.unwrap();
    assert_eq!(began.elapsed(), seconds(6));
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_lies_outside_the_retry() {
    let policy = orders().retry(Retry::fixed(millis(1))).rate_limit(limited_to(1)).build().unwrap();
    let down = Does::Fails(ErrorKind::Unavailable);
    let upstream = Upstream::that([down, down, Does::Answers]);
    policy.run(Idempotent(|_| upstream.call())).await.unwrap();
    let refused = policy.run(Idempotent(|_| upstream.call())).await.unwrap_err();
    assert_eq!((refused.kind(), refused.retry_after()), (ErrorKind::Throttled, Some(seconds(7))));
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_total_timeout_lies_outside_the_retry() {
    let retry = Retry::fixed(millis(1)).with_attempts(100);
    let policy =
        orders().attempt_timeout(millis(300)).retry(retry).total_timeout(seconds(1)).without_budget();
    let upstream = Upstream::that([Does::Hangs]);
    let began = Instant::now();
    policy.build().unwrap().run(Idempotent(|_| upstream.call())).await.unwrap_err();
    assert_eq!((upstream.calls(), began.elapsed()), (4, seconds(1)));
}

#[tokio::test(start_paused = true)]
async fn the_retry_lies_outside_the_hedge() {
    let policy = orders()
        .hedge(Hedge::after(millis(50)))
        .retry(Retry::fixed(millis(1)).with_attempts(2))
        .attempt_timeout(millis(200))
        .build()
        .unwrap();
    let upstream = Upstream::that([Does::Hangs]);
    policy.run(Idempotent(|_| upstream.call())).await.unwrap_err();
    assert_eq!(upstream.calls(), 4, "each of the two attempts is hedged anew");
}

#[tokio::test(start_paused = true)]
async fn the_hedge_lies_outside_the_circuit_breaker() {
    let dependencies = Dependencies::new();
    let policy = orders()
        .circuit_breaker(CircuitBreaker::default())
        .hedge(Hedge::after(millis(50)))
        .build_in(&dependencies)
        .unwrap();
    let upstream = Upstream::that([Does::AnswersAfter(millis(100))]);
    let call = policy.run(Idempotent(|_| upstream.call()));
    let isolate = async {
        tokio::time::sleep(millis(20)).await;
        assert!(dependencies.isolate("orders"));
    };
    let (answer, ()) = tokio::join!(call, isolate);
    assert_eq!((answer.unwrap(), upstream.calls()), (1, 1), "the hedge was refused, the attempt was not");
}

#[tokio::test(start_paused = true)]
async fn the_circuit_breaker_lies_outside_the_bulkhead() {
    let dependencies = Dependencies::new();
    let rules = CircuitBreaker { minimum_calls: 1, window: Window::Calls(1), ..CircuitBreaker::default() };
    let policy = orders().bulkhead(Bulkhead::of(1)).circuit_breaker(rules).build_in(&dependencies).unwrap();
    let upstream = Upstream::that([Does::AnswersAfter(seconds(1))]);
    let others = async {
        let full = policy.try_run(|| upstream.call()).await.unwrap_err();
        assert!(matches!(full, Failure::Refused(Refusal::Overloaded { .. })), "{full:?}");
        assert_eq!(dependencies.breakers()[0].state, BreakerState::Closed, "that is no failure of theirs");
        dependencies.isolate("orders");
        let stopped = policy.try_run(|| upstream.call()).await.unwrap_err();
        assert!(matches!(stopped, Failure::Refused(Refusal::CircuitOpen { .. })), "{stopped:?}");
    };
    let (held, ()) = tokio::join!(policy.run(|| upstream.call()), others);
    held.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_bulkhead_lies_outside_the_attempt_timeout() {
    let policy = orders()
        .attempt_timeout(seconds(2))
        .bulkhead(Bulkhead::of(1).with_queue(3, seconds(60)))
        .build()
        .unwrap();
    let upstream = Upstream::that([Does::AnswersAfter(millis(1_500))]);
    let call = || policy.run(|| upstream.call());
    let (first, second, third) = tokio::join!(call(), call(), call());
    for answer in [first, second, third] {
        answer.unwrap();
    }
    assert_eq!(upstream.most_at_once(), 1);
}

#[tokio::test]
async fn the_order_of_the_builder_is_of_no_account() {
    let first = orders()
        .fallback(FallbackOn::Any)
        .rate_limit(limited_to(1))
        .total_timeout(seconds(5))
        .retry(Retry::exponential(millis(50), seconds(2)))
        .hedge(Hedge::after(millis(100)))
        .circuit_breaker(CircuitBreaker { slow_call: Some(millis(800)), ..CircuitBreaker::default() })
        .bulkhead(Bulkhead::of(64).with_queue(128, seconds(1)))
        .attempt_timeout(seconds(1));
    let last = orders()
        .attempt_timeout(seconds(1))
        .bulkhead(Bulkhead::of(64).with_queue(128, seconds(1)))
        .circuit_breaker(CircuitBreaker { slow_call: Some(millis(800)), ..CircuitBreaker::default() })
        .hedge(Hedge::after(millis(100)))
        .retry(Retry::exponential(millis(50), seconds(2)))
        .total_timeout(seconds(5))
        .rate_limit(limited_to(1))
        .fallback(FallbackOn::Any);
    let told = first.build().unwrap().explain();
    assert_eq!(told, last.build().unwrap().explain());
    assert_eq!(
        told,
        "policy orders before orders, outermost first
  fallback         what the call brings, after any failure
  rate limit       100 per 1m (per_minute); key orders, 1 a call
  total timeout    5s
  retry            at most 3 attempts, exponential with full jitter, from 50ms to 2s, retry-after up to 30s; \
         budget of orders: 0.2 of its calls and 10 in reserve
  hedge            at most 1 more attempt, each 100ms after the one before; \
         budget of orders: 0.2 of its calls and 10 in reserve
  circuit breaker  opens when 50% fail or 80% take 800ms or longer of the last 30s and at least 20 calls; \
         tries again after 5s with 3 probes
  bulkhead         64 calls at once, 128 wait for at most 1s
  attempt timeout  1s
"
    );
    let none = Policy::none("orders").explain();
    assert!(none.lines().skip(1).all(|line| line.ends_with('-')) && none.lines().count() == 9, "{none}");
}
