//! What the policies of a dependency share by its name: breaker, places and retry budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::breaker::Breaker;
use crate::bulkhead::{Bulkhead, Places};
use crate::circuit_breaker::{BreakerReport, CircuitBreaker};
use crate::retry_budget::{BudgetAccount, RetryBudget};

/// The state that policies share by the name of the dependency they stand before. Clones are the same.
///
/// Asking again for a name returns what is there, with the newer rules; so a policy that is built again
/// finds its breaker as it stood.
#[derive(Debug, Clone, Default)]
pub struct Dependencies {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    breakers: BTreeMap<Arc<str>, Arc<Breaker>>,
    places: BTreeMap<Arc<str>, Arc<Places>>,
    budgets: BTreeMap<Arc<str>, Arc<BudgetAccount>>,
}

impl Dependencies {
    /// Knows no dependency yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports every circuit breaker, in the order of their names.
    pub fn breakers(&self) -> Vec<BreakerReport> {
        self.known.lock().breakers.values().map(|breaker| breaker.report()).collect()
    }

    /// Lets the breaker of this name refuse everything until it is closed; `false` if there is none.
    pub fn isolate(&self, name: &str) -> bool {
        self.breaker_of(name).map(|breaker| breaker.isolate()).is_some()
    }

    /// Closes the breaker of this name, wherever it stands; `false` if there is none.
    pub fn close(&self, name: &str) -> bool {
        self.breaker_of(name).map(|breaker| breaker.close()).is_some()
    }

    pub(crate) fn breaker(&self, name: &Arc<str>, rules: &CircuitBreaker) -> Arc<Breaker> {
        let make = || Breaker::new(Arc::clone(name), rules.clone());
        let again = |breaker: &Breaker| breaker.reconfigure(rules.clone());
        get_or_make(&mut self.known.lock().breakers, name, make, again)
    }

    pub(crate) fn places(&self, name: &Arc<str>, rules: Bulkhead) -> Arc<Places> {
        let make = || Places::new(Arc::clone(name), rules);
        get_or_make(&mut self.known.lock().places, name, make, |places| places.reconfigure(rules))
    }

    pub(crate) fn budget(&self, name: &Arc<str>, rules: RetryBudget) -> Arc<BudgetAccount> {
        let make = || BudgetAccount::new(rules);
        get_or_make(&mut self.known.lock().budgets, name, make, |budget| budget.reconfigure(rules))
    }

    /// Forgets what no policy uses any more.
    pub(crate) fn forget_unused(&self) {
        let known = &mut *self.known.lock();
        known.breakers.retain(|_, breaker| Arc::strong_count(breaker) > 1);
        known.places.retain(|_, places| Arc::strong_count(places) > 1);
        known.budgets.retain(|_, budget| Arc::strong_count(budget) > 1);
    }

    fn breaker_of(&self, name: &str) -> Option<Arc<Breaker>> {
        self.known.lock().breakers.get(name).map(Arc::clone)
    }
}

fn get_or_make<T>(
    known: &mut BTreeMap<Arc<str>, Arc<T>>,
    name: &Arc<str>,
    make: impl FnOnce() -> T,
    again: impl FnOnce(&T),
) -> Arc<T> {
    if let Some(there) = known.get(name) {
        again(there);
        return Arc::clone(there);
    }
    let made = Arc::new(make());
    known.insert(Arc::clone(name), Arc::clone(&made));
    made
}
