//! Policies as callers meet them: in simulated time, before dependencies that fail on purpose.

#![expect(clippy::expect_used, reason = "a panic in a test is its report")]
#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "it/breaker.rs"]
mod breaker;
#[path = "it/cancellation.rs"]
mod cancellation;
#[path = "it/contradictions.rs"]
mod contradictions;
#[path = "it/deadlines.rs"]
mod deadlines;
#[path = "it/fallback.rs"]
mod fallback;
#[path = "it/guarded.rs"]
mod guarded;
#[path = "it/hedging.rs"]
mod hedging;
#[path = "it/onion_order.rs"]
mod onion_order;
#[path = "it/other_breaker.rs"]
mod other_breaker;
#[path = "it/rate_limit/mod.rs"]
mod rate_limit;
#[path = "it/reloads.rs"]
mod reloads;
#[path = "it/retries.rs"]
mod retries;
#[path = "it/storm.rs"]
mod storm;
#[path = "it/told.rs"]
mod told;
#[path = "it/upstream.rs"]
mod upstream;
