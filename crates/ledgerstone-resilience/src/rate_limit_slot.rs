//! The rate limit slot: which limiter a policy asks, for which key.

use std::fmt;
use std::sync::Arc;

use ledgerstone_core::{BackendError, RateLimiter, RateVerdict};

use crate::duration_text::show;

/// The rate limit slot of a policy: every call takes from the key's share, once, however often it is tried.
#[derive(Clone)]
pub struct RateLimitSlot {
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) key: RateKey,
    pub(crate) cost: u32,
}

/// The key that a call takes from.
#[derive(Clone)]
pub(crate) enum RateKey {
    Constant(Arc<str>),
    Function(Arc<dyn Fn() -> String + Send + Sync>),
}

impl RateLimitSlot {
    /// Lets all calls take from one key.
    pub fn new(limiter: Arc<dyn RateLimiter>, key: &str) -> Self {
        Self { limiter, key: RateKey::Constant(key.into()), cost: 1 }
    }

    /// Lets each call take from the key that `key` returns, such as the tenant of the task.
    pub fn by(limiter: Arc<dyn RateLimiter>, key: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { limiter, key: RateKey::Function(Arc::new(key)), cost: 1 }
    }

    /// Sets what a call costs.
    #[must_use]
    pub fn with_cost(mut self, cost: u32) -> Self {
        self.cost = cost;
        self
    }

    pub(crate) async fn take(&self) -> Result<RateVerdict, BackendError> {
        match &self.key {
            RateKey::Constant(key) => self.limiter.take(key, self.cost).await,
            RateKey::Function(key) => self.limiter.take(&key(), self.cost).await,
        }
    }

    pub(crate) fn describe(&self) -> String {
        let rules = self.limiter.rules();
        let rules: Vec<_> = rules
            .iter()
            .map(|rule| format!("{} per {} ({})", rule.limit, show(rule.per), rule.name))
            .collect();
        let key = match &self.key {
            RateKey::Constant(key) => format!("key {key}"),
            RateKey::Function(_) => "a key of each call".to_owned(),
        };
        format!("{}; {key}, {} a call", rules.join(", "), self.cost)
    }
}

impl fmt::Debug for RateLimitSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitSlot").field("slot", &self.describe()).finish_non_exhaustive()
    }
}
