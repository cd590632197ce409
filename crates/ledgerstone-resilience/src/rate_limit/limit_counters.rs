//! The counters of one rule: how often it let pass, and how often it refused.

use metrics::Counter;

/// Counters that are looked up once, as a look-up costs more than a decision.
///
/// A recorder must stand before the limiter is made; what was counted earlier is counted nowhere.
#[derive(Clone)]
pub(crate) struct LimitCounters {
    allowed: Counter,
    refused: Counter,
}

impl LimitCounters {
    /// Finds the counters of a limiter's rule, or, without a name, such as count nothing.
    pub(crate) fn of(limiter: Option<&str>, rule: &str) -> Self {
        let Some(limiter) = limiter else {
            return Self { allowed: Counter::noop(), refused: Counter::noop() };
        };
        let labels = || [("limiter", limiter.to_owned()), ("rule", rule.to_owned())];
        Self {
            allowed: metrics::counter!("ledgerstone_rate_limit_allowed_total", &labels()),
            refused: metrics::counter!("ledgerstone_rate_limit_refused_total", &labels()),
        }
    }

    /// Counts a call that passed.
    #[inline]
    pub(crate) fn allowed(&self) {
        self.allowed.increment(1);
    }

    /// Counts a call that was refused.
    #[inline]
    pub(crate) fn refused(&self) {
        self.refused.increment(1);
    }
}

impl std::fmt::Debug for LimitCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LimitCounters")
    }
}
