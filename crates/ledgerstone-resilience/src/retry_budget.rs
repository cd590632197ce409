//! The retry budget: what keeps callers from storming a dependency that fails.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many retries and hedges a dependency may see beyond its calls.
///
/// Every call pays `ratio` into an account that all policies of the dependency share; every retry and
/// every hedge takes 1 out of it, and is not begun when less is there. The account holds at most
/// `reserve`, and begins with it. So over any span of time
///
/// > attempts ≤ (1 + `ratio`) × calls + `reserve`
///
/// and with the default a dead dependency sees at most 1.2 times its normal load, and ten attempts more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    /// What a call pays in: from 0 to 1; counted in thousandths.
    pub ratio: f64,
    /// What the account holds at most, and at the start.
    pub reserve: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { ratio: 0.2, reserve: 10 }
    }
}

/// What one retry costs, in the unit of the account.
const RETRY: u64 = 1_000;

impl RetryBudget {
    fn deposit(self) -> u64 {
        (self.ratio * RETRY as f64) as u64
    }

    fn most(self) -> u64 {
        u64::from(self.reserve) * RETRY
    }
}

/// The account of one dependency.
#[derive(Debug)]
pub(crate) struct BudgetAccount {
    deposit: AtomicU64,
    most: AtomicU64,
    saved: AtomicU64,
}

impl BudgetAccount {
    pub(crate) fn new(rules: RetryBudget) -> Self {
        let most = rules.most();
        let deposit = AtomicU64::new(rules.deposit());
        Self { deposit, most: AtomicU64::new(most), saved: AtomicU64::new(most) }
    }

    /// Changes the rules and keeps what is saved, as far as it may be.
    pub(crate) fn reconfigure(&self, rules: RetryBudget) {
        self.deposit.store(rules.deposit(), Ordering::Relaxed);
        self.most.store(rules.most(), Ordering::Relaxed);
        self.saved.fetch_min(rules.most(), Ordering::Relaxed);
    }

    /// Pays for a call.
    pub(crate) fn deposit(&self) {
        let (deposit, most) = (self.deposit.load(Ordering::Relaxed), self.most.load(Ordering::Relaxed));
        // A healthy dependency keeps the account full, and then nothing is written here.
        let add = |saved: u64| (saved < most).then(|| saved.saturating_add(deposit).min(most));
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok();
    }

    /// Takes one retry or hedge out; `false` if there is not enough for it.
    pub(crate) fn spend(&self) -> bool {
        let take = |saved: u64| saved.checked_sub(RETRY);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_calls_pay_for_one_retry() {
        let account = BudgetAccount::new(RetryBudget { ratio: 0.2, reserve: 1 });
        assert!(account.spend() && !account.spend());
        for _ in 0..4 {
            account.deposit();
        }
        assert!(!account.spend());
        account.deposit();
        assert!(account.spend() && !account.spend());
    }

    #[test]
    fn a_smaller_reserve_holds_at_once() {
        let account = BudgetAccount::new(RetryBudget::default());
        account.reconfigure(RetryBudget { ratio: 0.1, reserve: 1 });
        assert!(account.spend() && !account.spend());
    }

    proptest! {
        /// `true` is a call, `false` a wish to retry.
        #[test]
        fn over_any_window_retries_stay_within_the_ratio_and_the_reserve(
            steps: Vec<bool>, thousandths in 0..=1_000_u32, reserve in 0..20_u32,
        ) {
            let ratio = f64::from(thousandths) / 1_000.0;
            let account = BudgetAccount::new(RetryBudget { ratio, reserve });
            let mut spent = Vec::new();
            for is_call in &steps {
                spent.push(if *is_call { account.deposit(); false } else { account.spend() });
            }
            for from in 0..steps.len() {
                let (mut calls, mut retries) = (0_u32, 0_u32);
                for at in from..steps.len() {
                    calls += u32::from(steps[at]);
                    retries += u32::from(spent[at]);
                    prop_assert!(retries * 1_000 <= calls * thousandths + reserve * 1_000);
                }
            }
        }
    }
}
