//! The slots of a policy as they were asked for, and what they say when printed.

use std::time::Duration;

use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::duration_text::show;
use crate::fallback_on::FallbackOn;
use crate::hedge::Hedge;
use crate::rate_limit_slot::RateLimitSlot;
use crate::retry::Retry;
use crate::retry_budget::RetryBudget;

/// What each slot holds, outermost first. Plain values: what is shared by name stands elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots {
    pub(crate) fallback: Option<FallbackOn>,
    pub(crate) rate_limit: Option<RateLimitSlot>,
    pub(crate) total_timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) circuit_breaker: Option<CircuitBreaker>,
    pub(crate) bulkhead: Option<Bulkhead>,
    pub(crate) attempt_timeout: Option<Duration>,
    /// Belongs to retry and hedge.
    pub(crate) budget: Budget,
}

/// Which budget retries and hedges spend.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Budget {
    /// The default one.
    #[default]
    Usual,
    /// One with other values.
    Of(RetryBudget),
    /// None: somebody decided that this dependency may be stormed.
    Unlimited,
}

impl Slots {
    /// Returns the budget that retries and hedges spend; nothing if there are none, or they are unlimited.
    pub(crate) fn budget(&self) -> Option<RetryBudget> {
        let spends = self.retry.is_some() || self.hedge.is_some();
        match self.budget {
            Budget::Usual => spends.then(RetryBudget::default),
            // A policy that never repeats still pays for those of the same dependency that do.
            Budget::Of(budget) => Some(budget),
            Budget::Unlimited => None,
        }
    }

    /// Prints the onion, outermost first, every slot on a line.
    pub(crate) fn explain(&self, name: &str, dependency: &str) -> String {
        let time = |time: &Option<Duration>| time.map(show);
        let lines = [
            ("fallback", self.fallback.map(|on| on.describe().to_owned())),
            ("rate limit", self.rate_limit.as_ref().map(RateLimitSlot::describe)),
            ("total timeout", time(&self.total_timeout)),
            ("retry", self.retry.as_ref().map(|retry| self.with_budget(retry.describe(), dependency))),
            ("hedge", self.hedge.map(|hedge| self.with_budget(hedge.describe(), dependency))),
            ("circuit breaker", self.circuit_breaker.as_ref().map(CircuitBreaker::describe)),
            ("bulkhead", self.bulkhead.map(|bulkhead| bulkhead.describe())),
            ("attempt timeout", time(&self.attempt_timeout)),
        ];
        let mut text = format!("policy {name} before {dependency}, outermost first\n");
        for (slot, value) in lines {
            text.push_str(&format!("  {slot:<16} {}\n", value.as_deref().unwrap_or("-")));
        }
        text
    }

    fn with_budget(&self, slot: String, dependency: &str) -> String {
        match self.budget() {
            Some(RetryBudget { ratio, reserve }) => {
                format!("{slot}; budget of {dependency}: {ratio} of its calls and {reserve} in reserve")
            }
            None => format!("{slot}; no budget"),
        }
    }
}
