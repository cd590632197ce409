//! The hedge slot: asks once more when an answer is late, and takes the first that comes.

use std::time::Duration;

use crate::duration_text::show;

/// The hedge slot of a policy.
///
/// When an attempt has not answered after `delay`, another is begun beside it, if the budget pays for it;
/// the first success, or the first failure that no repetition would mend, is the answer, and the others
/// are cancelled. Only calls that may be repeated are hedged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    /// How late an answer is before another attempt begins: about the 95th percentile of the dependency.
    pub delay: Duration,
    /// How many attempts may be begun beside the first.
    pub most: u32,
}

impl Hedge {
    /// Begins one more attempt when the first has not answered after `delay`.
    pub fn after(delay: Duration) -> Self {
        Self { delay, most: 1 }
    }

    /// Sets how many attempts may be begun beside the first, each `delay` after the one before.
    #[must_use]
    pub fn with_most(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    pub(crate) fn describe(&self) -> String {
        let Self { delay, most } = self;
        let attempts = if *most == 1 { "attempt" } else { "attempts" };
        format!("at most {most} more {attempts}, each {} after the one before", show(*delay))
    }
}
