//! What a full policy costs around a call that does nothing, beside the bare crates that do the same.
//!
//! `cargo bench -p ledgerstone-resilience --bench policy`. Every window runs each candidate once, in turn,
//! so that a busy machine slows all of them; what counts is the ratio of the medians. Allocations are not
//! counted: that takes an allocator of one's own, and the house forbids the unsafe code in one.
#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]
#![expect(clippy::unwrap_used, reason = "a panic is the report of a benchmark")]

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter as Governor};
use ledgerstone_core::{BackendError, RateLimiter, RateOverride, RateRule, RateState, RateVerdict};
use ledgerstone_resilience::{
    Bulkhead, CircuitBreaker, FallbackOn, Hedge, Idempotent, Policy, RateLimitSlot, Retry,
};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::{Service as _, ServiceExt as _, service_fn};
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

const WINDOWS: usize = 201;
const CALLS: u32 = 2_000;
const SECOND: Duration = Duration::from_secs(1);

/// What the sum of the bare crates may be multiplied by.
const BAR: f64 = 2.0;

async fn nothing() -> Result<u32, BackendError> {
    Ok(black_box(1))
}

/// A governor behind the port, so that both sides do the same work for the rate limit.
#[derive(Debug)]
struct Governed(DefaultKeyedRateLimiter<String>);

fn governor() -> DefaultKeyedRateLimiter<String> {
    Governor::keyed(Quota::per_second(u32::MAX.try_into().unwrap()))
}

#[async_trait]
impl RateLimiter for Governed {
    fn rules(&self) -> Vec<RateRule> {
        Vec::new()
    }

    async fn take(&self, key: &str, _cost: u32) -> Result<RateVerdict, BackendError> {
        let key = key.to_owned();
        let wait =
            self.0.check_key(&key).err().map(|not_yet| not_yet.wait_time_from(DefaultClock::default().now()));
        Ok(RateVerdict { is_allowed: wait.is_none(), tightest: None, retry_after: wait, is_degraded: false })
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

/// Runs a window of calls and returns nanoseconds per call.
async fn window<F: Future>(mut call: impl FnMut() -> F) -> f64 {
    let began = Instant::now();
    for _ in 0..CALLS {
        black_box(call().await);
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

/// A candidate's windows.
struct Candidate {
    name: &'static str,
    windows: Vec<f64>,
}

impl Candidate {
    fn median(&mut self) -> f64 {
        self.windows.sort_by(f64::total_cmp);
        self.windows[self.windows.len() / 2]
    }
}

fn full() -> Policy {
    Policy::builder("orders")
        .fallback(FallbackOn::Retryable)
        .rate_limit(RateLimitSlot::new(Arc::new(Governed(governor())), "orders"))
        .total_timeout(SECOND * 5)
        .retry(Retry::exponential(SECOND / 20, SECOND))
        .hedge(Hedge::after(SECOND / 2))
        .circuit_breaker(CircuitBreaker::default())
        .bulkhead(Bulkhead::of(64))
        .attempt_timeout(SECOND)
        .build()
        .unwrap()
}

async fn measure() -> Vec<Candidate> {
    let names =
        ["a bare call", "no slot", "all slots", "backon", "governor", "breaker", "timeouts", "semaphore"];
    let mut all = names.map(|name| Candidate { name, windows: Vec::new() });
    let (full, none) = (full(), Policy::none("orders"));
    let (governor, key) = (governor(), "orders".to_owned());
    let semaphore = Semaphore::new(64);
    let layer = CircuitBreakerLayer::builder().build().unwrap();
    let mut breaker = layer.layer_fn(service_fn(|(): ()| nothing()));
    for _ in 0..WINDOWS {
        let began = Instant::now();
        for _ in 0..CALLS {
            black_box(breaker.ready().await.unwrap().call(()).await.unwrap());
        }
        let circuit = began.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS);
        let found = [
            window(nothing).await,
            window(|| none.run(Idempotent(|_| nothing()))).await,
            window(|| full.run(Idempotent(|_| nothing()))).await,
            window(|| nothing.retry(ExponentialBuilder::default())).await,
            window(|| {
                governor.check_key(&key).unwrap();
                nothing()
            })
            .await,
            circuit,
            window(|| timeout(SECOND * 5, timeout(SECOND, nothing()))).await,
            window(async || {
                let _permit = semaphore.acquire().await;
                nothing().await
            })
            .await,
        ];
        for (candidate, nanos) in all.iter_mut().zip(found) {
            candidate.windows.push(nanos);
        }
    }
    println!(
        "the future of a call under all slots takes {} bytes",
        size_of_val(&full.run(Idempotent(|_| nothing())))
    );
    all.into()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut all = runtime.block_on(measure());
    for candidate in &mut all {
        let median = candidate.median();
        println!("{:<14} {median:>8.0} ns a call", candidate.name);
    }
    let bare: f64 = all[3..].iter_mut().map(Candidate::median).sum();
    let ours = all[2].median();
    println!("{:<14} {bare:>8.0} ns a call", "bare crates");
    println!("all slots / bare crates: {:.2} (at most {BAR})", ours / bare);
}
