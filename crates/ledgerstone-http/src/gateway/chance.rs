//! What is drawn at random here, from the port that decides it.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_resilience::{Jitter, ThreadJitter};

/// Draws indices and times; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Arc<dyn Jitter>);

impl Chance {
    pub(crate) fn new(jitter: Arc<dyn Jitter>) -> Self {
        Self(jitter)
    }

    /// Draws a number below `bound`, which is not 0.
    pub(crate) fn below(&self, bound: usize) -> usize {
        let drawn = (u128::from(self.0.draw()) * bound as u128) >> u64::BITS;
        usize::try_from(drawn).unwrap_or_default()
    }

    /// Draws a time that is shorter than `span` by a part of it, so that many who began together do not stay so.
    pub(crate) fn shorten(&self, span: Duration, most_percent: u32) -> Duration {
        let most = span * most_percent / 100;
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let drawn = (u128::from(self.0.draw()) * u128::from(nanos)) >> u64::BITS;
        span - Duration::from_nanos(u64::try_from(drawn).unwrap_or_default())
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self(Arc::new(ThreadJitter))
    }
}
