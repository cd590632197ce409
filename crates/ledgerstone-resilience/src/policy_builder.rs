//! Builds a policy: a method for each slot, in any order.

use std::sync::Arc;
use std::time::Duration;

use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::contradiction;
use crate::dependencies::Dependencies;
use crate::fallback_on::FallbackOn;
use crate::hedge::Hedge;
use crate::invalid_policy::InvalidPolicy;
use crate::jitter::{Jitter, ThreadJitter};
use crate::onion::Onion;
use crate::policy::Policy;
use crate::rate_limit_slot::RateLimitSlot;
use crate::retry::Retry;
use crate::retry_budget::RetryBudget;
use crate::slots::{Budget, Slots};

/// A policy in the making. The order of its methods is of no account: the onion has one order.
#[derive(Debug, Clone)]
#[must_use = "a policy is built by `build`"]
pub struct PolicyBuilder {
    name: Arc<str>,
    dependency: Option<Arc<str>>,
    slots: Slots,
    jitter: Option<Arc<dyn Jitter>>,
}

impl PolicyBuilder {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), dependency: None, slots: Slots::default(), jitter: None }
    }

    /// Names the dependency whose breaker, bulkhead and budget are used; without it, the policy's name.
    pub fn dependency(mut self, name: &str) -> Self {
        self.dependency = Some(name.into());
        self
    }

    /// Sets after which failures the fallback of a call answers.
    pub fn fallback(mut self, on: FallbackOn) -> Self {
        self.slots.fallback = Some(on);
        self
    }

    /// Lets every call take from a rate limit.
    pub fn rate_limit(mut self, slot: RateLimitSlot) -> Self {
        self.slots.rate_limit = Some(slot);
        self
    }

    /// Sets how long a call may take in all: attempts, waits between them and waits for a place.
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.slots.total_timeout = Some(timeout);
        self
    }

    /// Repeats calls that may be repeated.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.slots.retry = Some(retry);
        self
    }

    /// Sets what retries and hedges may cost the dependency; without it, [`RetryBudget::default`].
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.slots.budget = Budget::Of(budget);
        self
    }

    /// Lets retries and hedges cost what they will: a dependency that fails is then asked many times over.
    pub fn without_budget(mut self) -> Self {
        self.slots.budget = Budget::Unlimited;
        self
    }

    /// Asks once more when an answer is late.
    pub fn hedge(mut self, hedge: Hedge) -> Self {
        self.slots.hedge = Some(hedge);
        self
    }

    /// Stops calling a dependency that fails.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.slots.circuit_breaker = Some(breaker);
        self
    }

    /// Bounds how many calls are under way at once.
    pub fn bulkhead(mut self, bulkhead: Bulkhead) -> Self {
        self.slots.bulkhead = Some(bulkhead);
        self
    }

    /// Sets how long one attempt may take, the wait for a place not counted.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.slots.attempt_timeout = Some(timeout);
        self
    }

    /// Draws the random part of waits from `jitter`; a test gives a seeded one.
    pub fn jitter(mut self, jitter: impl Jitter) -> Self {
        self.jitter = Some(Arc::new(jitter));
        self
    }

    pub(crate) fn slots(mut self, slots: Slots) -> Self {
        self.slots = slots;
        self
    }

    pub(crate) fn shared_jitter(mut self, jitter: Arc<dyn Jitter>) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Builds the policy, with a breaker, a bulkhead and a budget that nobody else uses.
    ///
    /// # Errors
    ///
    /// A policy that contradicts itself is not built; the error says why.
    pub fn build(self) -> Result<Policy, InvalidPolicy> {
        self.build_in(&Dependencies::new())
    }

    /// Builds the policy, with the breaker, bulkhead and budget of its dependency among `dependencies`.
    ///
    /// # Errors
    ///
    /// A policy that contradicts itself is not built, and changes nothing; the error says why.
    pub fn build_in(self, dependencies: &Dependencies) -> Result<Policy, InvalidPolicy> {
        self.check()?;
        Ok(Policy::of(self.peel(dependencies)))
    }

    /// Returns the dependency, and the slots of which some are shared by its name.
    pub(crate) fn shared(&self) -> (&str, &Slots) {
        (self.dependency.as_deref().unwrap_or(&self.name), &self.slots)
    }

    pub(crate) fn check(&self) -> Result<(), InvalidPolicy> {
        if self.name.is_empty() || self.dependency.as_deref() == Some("") {
            return Err(InvalidPolicy::new(&*self.name, "a name is empty; reports and metrics need one"));
        }
        contradiction::find(&self.slots).map_err(|reason| InvalidPolicy::new(&*self.name, reason))
    }

    /// Builds the onion of slots that were checked.
    pub(crate) fn peel(self, dependencies: &Dependencies) -> Onion {
        let dependency = self.dependency.unwrap_or_else(|| Arc::clone(&self.name));
        let jitter = self.jitter.unwrap_or_else(|| Arc::new(ThreadJitter));
        Onion::new(self.name, dependency, self.slots, jitter, dependencies)
    }
}
