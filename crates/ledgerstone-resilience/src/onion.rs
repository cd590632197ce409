//! A policy that was built: its slots, and the state that it shares by name.

use std::sync::Arc;

use crate::breaker::Breaker;
use crate::bulkhead::Places;
use crate::dependencies::Dependencies;
use crate::jitter::Jitter;
use crate::policy_metrics::PolicyMetrics;
use crate::refusal::Refusal;
use crate::retry_budget::BudgetAccount;
use crate::slots::Slots;

/// The slots around a call, with what they need to decide. It never changes; a reload makes another one.
#[derive(Debug)]
pub(crate) struct Onion {
    pub(crate) name: Arc<str>,
    pub(crate) dependency: Arc<str>,
    pub(crate) slots: Slots,
    pub(crate) breaker: Option<Arc<Breaker>>,
    pub(crate) places: Option<Arc<Places>>,
    pub(crate) budget: Option<Arc<BudgetAccount>>,
    pub(crate) jitter: Arc<dyn Jitter>,
    pub(crate) metrics: PolicyMetrics,
}

impl Onion {
    /// Builds the onion out of slots that were checked.
    pub(crate) fn new(
        name: Arc<str>,
        dependency: Arc<str>,
        slots: Slots,
        jitter: Arc<dyn Jitter>,
        dependencies: &Dependencies,
    ) -> Self {
        let breaker = slots.circuit_breaker.as_ref().map(|rules| dependencies.breaker(&dependency, rules));
        let places = slots.bulkhead.map(|rules| dependencies.places(&dependency, rules));
        let budget = slots.budget().map(|rules| dependencies.budget(&dependency, rules));
        let metrics = PolicyMetrics::new(Arc::clone(&name));
        Self { name, dependency, slots, breaker, places, budget, jitter, metrics }
    }

    /// Pays for a call.
    pub(crate) fn deposit(&self) {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
    }

    /// Takes a retry or a hedge out of the budget; `false` if it pays for none.
    pub(crate) fn spend(&self) -> bool {
        self.budget.as_ref().is_none_or(|budget| budget.spend())
    }

    /// Counts a refusal and hands it on.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Refusal {
        self.metrics.refused(&refusal);
        refusal
    }

    /// Makes the refusal of a call whose time is over.
    pub(crate) fn too_late(&self) -> Refusal {
        self.refuse(Refusal::DeadlineExceeded { policy: Arc::clone(&self.name) })
    }
}
