//! A rate limiter with a policy around every call.

use async_trait::async_trait;
use ledgerstone_core::{BackendError, RateLimiter, RateOverride, RateRule, RateState, RateVerdict};

use super::Guarded;
use crate::call::{Idempotent, Once};

/// Taking runs once, since what is taken twice is gone twice; the rest may be repeated.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<L: RateLimiter + ?Sized> RateLimiter for Guarded<L> {
    fn rules(&self) -> Vec<RateRule> {
        self.inner.rules()
    }

    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        self.policy.run(Once(|| self.inner.take(key, cost))).await
    }

    async fn states(&self, key: &str) -> Result<Vec<RateState>, BackendError> {
        self.policy.run(Idempotent(|_| self.inner.states(key))).await
    }

    async fn set_override(&self, key: &str, rules: Option<RateOverride>) -> Result<(), BackendError> {
        self.policy.run(Idempotent(|_| self.inner.set_override(key, rules.clone()))).await
    }

    async fn reset(&self, key: &str) -> Result<(), BackendError> {
        self.policy.run(Idempotent(|_| self.inner.reset(key))).await
    }
}
