//! The retry slot: how often, how long between, and when not to begin another attempt.

use std::sync::Arc;
use std::time::Duration;

use crate::backoff::{Backoff, DecorrelatedBackoff, ExponentialBackoff, FixedBackoff};
use crate::duration_text::show;

/// The retry slot of a policy.
///
/// It repeats only calls that may be repeated, only after errors that say `is_retryable` and after attempts
/// that took longer than the attempt timeout, and only while the budget pays for it. What the breaker, the
/// bulkhead or the rate limit refused is not retried: it would be refused again, and each says when.
#[derive(Debug, Clone)]
pub struct Retry {
    pub(crate) attempts: u32,
    pub(crate) backoff: Arc<dyn Backoff>,
    pub(crate) longest_retry_after: Duration,
    pub(crate) attempt_needs: Duration,
}

impl Retry {
    /// The attempts of a call in all, the first one included, unless something else is asked for.
    pub const ATTEMPTS: u32 = 3;
    /// The longest time that a dependency may ask to be left alone and is still asked again.
    pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

    /// Waits the same time between attempts.
    pub fn fixed(wait: Duration) -> Self {
        Self::custom(FixedBackoff { wait })
    }

    /// Waits with full jitter below a bound that doubles from `base` to `cap`.
    pub fn exponential(base: Duration, cap: Duration) -> Self {
        Self::custom(ExponentialBackoff { base, cap })
    }

    /// Waits with decorrelated jitter between `base` and `cap`.
    pub fn decorrelated(base: Duration, cap: Duration) -> Self {
        Self::custom(DecorrelatedBackoff { base, cap })
    }

    /// Waits as a strategy of your own decides.
    pub fn custom(backoff: impl Backoff) -> Self {
        Self::shared(Arc::new(backoff))
    }

    /// Waits as a strategy decides that others use as well.
    pub fn shared(backoff: Arc<dyn Backoff>) -> Self {
        Self {
            attempts: Self::ATTEMPTS,
            backoff,
            longest_retry_after: Self::LONGEST_RETRY_AFTER,
            attempt_needs: Duration::ZERO,
        }
    }

    /// Sets the largest number of attempts, the first one included; 1 means no retry.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the longest `Retry-After` that is waited out; a dependency that asks for more is not asked again.
    #[must_use]
    pub fn with_longest_retry_after(mut self, longest: Duration) -> Self {
        self.longest_retry_after = longest;
        self
    }

    /// Sets the least time that an attempt needs: a retry that would have less before the deadline is not begun.
    #[must_use]
    pub fn with_attempt_needs(mut self, needs: Duration) -> Self {
        self.attempt_needs = needs;
        self
    }

    /// Decides what follows a failed attempt. What the dependency asked for comes before the strategy's
    /// own wait, so that callers who were told the same time still come back spread.
    pub(crate) fn decide(&self, after: &Attempted, random: u64) -> Decision {
        let most = after.retries.map_or(self.attempts, |retries| retries.saturating_add(1));
        if after.attempt >= most {
            return Decision::GiveUp(GivenUp::Attempts);
        }
        let own = self.backoff.wait(after.attempt, after.previous, random);
        let asked = after.retry_after.unwrap_or_default();
        if asked > self.longest_retry_after {
            return Decision::GiveUp(GivenUp::RetryAfter);
        }
        let wait = asked.saturating_add(own);
        // An attempt that begins as the deadline passes cannot end in time, whatever little it needs.
        let fits = |left: Duration| wait < left && wait.saturating_add(self.attempt_needs) <= left;
        if after.remaining.is_some_and(|left| !fits(left)) {
            return Decision::GiveUp(GivenUp::Deadline);
        }
        Decision::Wait { own, wait }
    }

    pub(crate) fn describe(&self) -> String {
        let mut text = format!(
            "at most {} attempts, {}, retry-after up to {}",
            self.attempts,
            self.backoff.describe(),
            show(self.longest_retry_after)
        );
        if !self.attempt_needs.is_zero() {
            text.push_str(&format!(", none with less than {} left", show(self.attempt_needs)));
        }
        text
    }
}

/// What is known after an attempt that failed and may be repeated.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Attempted {
    /// How many attempts this slot has begun.
    pub(crate) attempt: u32,
    /// How many retries the call asks for instead of the policy's.
    pub(crate) retries: Option<u32>,
    /// The strategy's wait before this attempt.
    pub(crate) previous: Option<Duration>,
    /// How long the dependency asked to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// How long until the deadline.
    pub(crate) remaining: Option<Duration>,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Another one, after this wait, of which `own` is the strategy's part.
    Wait { own: Duration, wait: Duration },
    /// Nothing.
    GiveUp(GivenUp),
}

/// Why there is no other attempt, as metrics label it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    Attempts,
    RetryAfter,
    Deadline,
    Budget,
}

impl GivenUp {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::RetryAfter => "retry_after",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn wait(own: u64, wait: u64) -> Decision {
        Decision::Wait { own: millis(own), wait: millis(wait) }
    }

    #[test]
    fn the_attempts_are_counted_with_the_first_one() {
        let retry = Retry::fixed(millis(10)).with_attempts(2);
        let after = |attempt, retries| Attempted { attempt, retries, ..Attempted::default() };
        assert_eq!(retry.decide(&after(1, None), 0), wait(10, 10));
        assert_eq!(retry.decide(&after(2, None), 0), Decision::GiveUp(GivenUp::Attempts));
        assert_eq!(retry.decide(&after(1, Some(0)), 0), Decision::GiveUp(GivenUp::Attempts));
        assert_eq!(retry.decide(&after(4, Some(4)), 0), wait(10, 10));
    }

    #[test]
    fn what_the_dependency_asks_for_comes_on_top_and_is_bounded() {
        let retry = Retry::fixed(millis(10)).with_longest_retry_after(millis(500));
        let after =
            |asked| Attempted { attempt: 1, retry_after: Some(millis(asked)), ..Attempted::default() };
        assert_eq!(retry.decide(&after(500), 0), wait(10, 510));
        assert_eq!(retry.decide(&after(501), 0), Decision::GiveUp(GivenUp::RetryAfter));
    }

    #[test]
    fn a_retry_that_cannot_end_in_time_is_not_begun() {
        let retry = Retry::fixed(millis(10)).with_attempt_needs(millis(5));
        let after = |left| Attempted { attempt: 1, remaining: Some(millis(left)), ..Attempted::default() };
        assert_eq!(retry.decide(&after(15), 0), wait(10, 10));
        assert_eq!(retry.decide(&after(14), 0), Decision::GiveUp(GivenUp::Deadline));
        let eager = Retry::fixed(millis(10));
        assert_eq!(eager.decide(&after(10), 0), Decision::GiveUp(GivenUp::Deadline));
        assert_eq!(eager.decide(&after(11), 0), wait(10, 10));
    }
}
