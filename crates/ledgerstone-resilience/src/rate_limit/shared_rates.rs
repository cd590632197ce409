//! What a limiter that degrades needs of a store that all nodes share.

use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{BackendError, RateLimiter, RateOverride, RateRule, RateState, RateVerdict};

use super::invalid_rule::InvalidRule;

/// A limiter whose keys all nodes share, and which knows who shares them.
#[async_trait]
pub trait SharedRates: RateLimiter {
    /// Takes `cost` for `key`, and tells besides where the key stands under each rule.
    async fn take_whole(&self, key: &str, cost: u32) -> Result<WholeVerdict, BackendError>;

    /// Says that a node is alive for so long, and returns how many are, itself included.
    async fn renew_lease(&self, node: &str, keep_for: Duration) -> Result<u32, BackendError>;

    /// Lets other rules bind the keys that this node asks for.
    fn set_rules(&self, rules: &[RateRule]) -> Result<(), InvalidRule>;
}

/// A verdict with all that it was decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeVerdict {
    /// The verdict.
    pub verdict: RateVerdict,
    /// Where the key stands under each rule that binds it.
    pub states: Vec<RateState>,
    /// What binds the key instead of the common rules.
    pub overridden: Option<RateOverride>,
}
