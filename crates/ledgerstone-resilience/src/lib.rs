//! Resilience for ledgerstone: policies around calls to what may fail, deadlines that travel with them, and
//! rate limits.
//!
//! A [`Policy`] has named slots in one order, outermost first: fallback, rate limit, total timeout, retry,
//! hedge, circuit breaker, bulkhead, attempt timeout. Whether a call may be repeated is its type: a bare
//! closure runs once under any policy, an [`Idempotent`] or [`Keyed`] call may be retried and hedged.
//!
//! ```
//! use std::time::Duration;
//!
//! use ledgerstone_core::{BackendError, ErrorKind};
//! use ledgerstone_resilience::{Attempt, CircuitBreaker, Idempotent, Policy, Retry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Policy::builder("orders")
//!     .total_timeout(Duration::from_secs(5))
//!     .retry(Retry::exponential(Duration::from_millis(1), Duration::from_secs(1)))
//!     .circuit_breaker(CircuitBreaker::default())
//!     .attempt_timeout(Duration::from_secs(1))
//!     .build()?;
//!
//! let answer = policy
//!     .run(Idempotent(async |attempt: Attempt| match attempt.number {
//!         1 => Err(BackendError::new(ErrorKind::Unavailable, "orders", "get", "it restarts; call again")),
//!         _ => Ok(42),
//!     }))
//!     .await?;
//! assert_eq!(answer, 42);
//! # Ok(())
//! # }
//! ```

mod backoff;
mod breaker;
mod bulkhead;
mod call;
mod call_options;
mod circuit_breaker;
mod contradiction;
mod deadline;
mod dependencies;
mod duration_text;
mod failure;
mod fallback_on;
mod guarded;
mod hedge;
mod idempotency_key;
mod invalid_policy;
mod jitter;
mod onion;
mod policies;
mod policy;
mod policy_builder;
mod policy_metrics;
mod policy_settings;
mod rate_limit;
mod rate_limit_slot;
mod refusal;
mod retry;
mod retry_budget;
mod run;
mod slots;
mod window;

pub use backoff::{Backoff, DecorrelatedBackoff, ExponentialBackoff, FixedBackoff};
pub use call::{Attempt, Attempts, Call, Idempotent, Keyed, Once, OnceAttempts};
pub use call_options::{Counting, WithRetries};
pub use circuit_breaker::{BreakerReport, BreakerState, CircuitBreaker};
pub use deadline::{DEADLINE_HEADER, Deadline};
pub use jitter::{Jitter, SeededJitter, ThreadJitter};
pub use policy_settings::{
    BreakerSettings, BudgetSettings, BulkheadSettings, HedgeSettings, PolicyParts, PolicySettings,
    RateLimitSettings, RetrySettings,
};
pub use rate_limit::{
    ConcurrencyLimiter, ConcurrencyOptions, ConcurrencyPermit, CounterClock, InvalidRule, LocalRateLimiter,
    RateLimits, RateQueue, RateQueueOptions, RateReport, RateSettings, SharedRateLimiter, SharedRateOptions,
    SharedRates, WholeVerdict, parse_rate_rule, rate_headers,
};
#[cfg(feature = "redis")]
pub use rate_limit::{RedisRateLimiter, RedisRateOptions};
pub use {
    bulkhead::Bulkhead, dependencies::Dependencies, failure::Failure, fallback_on::FallbackOn,
    guarded::Guarded, hedge::Hedge, idempotency_key::IdempotencyKey, invalid_policy::InvalidPolicy,
    policies::Policies, policy::Policy, policy_builder::PolicyBuilder, rate_limit_slot::RateLimitSlot,
    refusal::Refusal, retry::Retry, retry_budget::RetryBudget, window::Window,
};
