//! A rule that verdicts share, without threads that wait for one another over the count of references.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledgerstone_core::RateRule;

/// A rule in some equal copies: each thread shares out one of its own.
///
/// Every verdict of every call counts a reference up and down; on one place, the cores would hand it to and fro.
#[derive(Debug)]
pub(crate) struct SharedRule {
    copies: [Arc<RateRule>; Self::COPIES],
}

impl SharedRule {
    /// More threads than this share copies.
    const COPIES: usize = 8;

    /// Copies the rule.
    pub(crate) fn new(rule: &RateRule) -> Self {
        Self { copies: std::array::from_fn(|_| Arc::new(rule.clone())) }
    }

    /// Returns the rule.
    pub(crate) fn get(&self) -> &RateRule {
        &self.copies[0]
    }

    /// Returns a reference to keep.
    #[inline]
    pub(crate) fn share(&self) -> Arc<RateRule> {
        let place = PLACE.try_with(|place| *place).unwrap_or_default();
        Arc::clone(&self.copies[place % Self::COPIES])
    }
}

thread_local! {
    /// Threads take the copies in turns.
    static PLACE: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}
