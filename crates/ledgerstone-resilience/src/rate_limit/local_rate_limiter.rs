//! The limiter of one process: every key in its memory, and nothing to wait for.

use std::sync::Arc;

use async_trait::async_trait;
use ledgerstone_core::{BackendError, Clock, RateLimiter, RateOverride, RateRule, RateState, RateVerdict};

use super::invalid_rule::InvalidRule;
use super::keyed_tallies::KeyedTallies;

/// Limits by key within this process.
///
/// Memory is bounded by a number of keys. A key that has everything again is forgotten as new ones come,
/// once a quarter of the room is taken; if there are too many that have not, the one of eight that will have everything soonest is forgotten.
#[derive(Debug, Clone)]
pub struct LocalRateLimiter {
    keyed: Arc<KeyedTallies>,
}

impl LocalRateLimiter {
    /// The number of keys that are remembered unless another is asked for; they take about 12 MB.
    pub const MAX_KEYS: usize = 100_000;

    /// Creates a limiter whose metrics bear this name.
    ///
    /// A recorder of metrics must stand already.
    pub fn new(name: &str, rules: &[RateRule], clock: Arc<dyn Clock>) -> Result<Self, InvalidRule> {
        Self::with_max_keys(name, rules, clock, Self::MAX_KEYS)
    }

    /// Creates a limiter that remembers so many keys, and some more where they cannot be shared out evenly.
    pub fn with_max_keys(
        name: &str,
        rules: &[RateRule],
        clock: Arc<dyn Clock>,
        max_keys: usize,
    ) -> Result<Self, InvalidRule> {
        let keyed = KeyedTallies::new(rules, Some(name.to_owned()), max_keys, clock)?;
        Ok(Self { keyed: Arc::new(keyed) })
    }

    /// Takes `cost` for `key`, or says when it may be asked for again; what `take` does, without waiting.
    pub fn try_take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        self.keyed.take(key, cost, 1)
    }

    /// Lets other rules bind every key without an override; a rule that stays the same keeps its tallies.
    pub fn set_rules(&self, rules: &[RateRule]) -> Result<(), InvalidRule> {
        self.keyed.set_rules(rules)
    }

    /// Returns how many keys are remembered now.
    pub fn keys(&self) -> usize {
        self.keyed.len()
    }

    /// Returns what binds a key instead of the common rules.
    pub fn override_of(&self, key: &str) -> Option<RateOverride> {
        self.keyed.override_of(key)
    }
}

#[async_trait]
impl RateLimiter for LocalRateLimiter {
    fn rules(&self) -> Vec<RateRule> {
        self.keyed.rules()
    }

    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        self.try_take(key, cost)
    }

    async fn states(&self, key: &str) -> Result<Vec<RateState>, BackendError> {
        self.keyed.states(key, 1)
    }

    async fn set_override(&self, key: &str, rules: Option<RateOverride>) -> Result<(), BackendError> {
        self.keyed.set_override(key, rules.as_ref())
    }

    async fn reset(&self, key: &str) -> Result<(), BackendError> {
        self.keyed.reset(key)
    }
}
