//! Rate limits: the suite over every limiter, its mutants, and what happens when the shared store is lost.

mod concurrency;
mod governor;
mod local;
mod mutants;
mod queue;
#[cfg(feature = "redis")]
mod redis;
mod shared;
mod suite;
mod tokio_clock;

use ledgerstone_core::RateRule;
use ledgerstone_resilience::parse_rate_rule;

/// Reads rules.
fn rules(texts: &[&str]) -> Vec<RateRule> {
    texts.iter().map(|text| parse_rate_rule(text).expect("a rule")).collect()
}
