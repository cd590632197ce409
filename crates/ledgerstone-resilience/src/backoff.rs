//! How long to wait between attempts: a strategy, and the three that most calls need.

use std::fmt::Debug;
use std::time::Duration;

use crate::duration_text::show;

/// Decides how long to wait between attempts. It is pure: what is random about it is given.
///
/// Two numbers tell whether it fits into the time of a policy, so that a policy whose retries could never
/// begin is refused when it is built.
pub trait Backoff: Debug + Send + Sync + 'static {
    /// Returns the wait after attempt number `attempt` (from 1).
    ///
    /// `previous` is the wait before that attempt, if it was itself a retry; `random` is any number,
    /// evenly drawn.
    fn wait(&self, attempt: u32, previous: Option<Duration>, random: u64) -> Duration;

    /// Returns what the wait after the first attempt is meant to be, before jitter shortens it.
    fn first(&self) -> Duration;

    /// Describes the strategy for people, with its values.
    fn describe(&self) -> String;

    /// Returns what contradicts itself in its values, and what to do; a policy is not built with that.
    fn contradiction(&self) -> Option<String> {
        None
    }
}

/// The same wait each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedBackoff {
    /// The wait.
    pub wait: Duration,
}

impl Backoff for FixedBackoff {
    fn wait(&self, _attempt: u32, _previous: Option<Duration>, _random: u64) -> Duration {
        self.wait
    }

    fn first(&self) -> Duration {
        self.wait
    }

    fn describe(&self) -> String {
        format!("{} apart", show(self.wait))
    }
}

/// Waits drawn evenly from 0 to a bound that doubles: `base` × 2ⁿ⁻¹ after attempt *n*, at most `cap`.
///
/// "Full jitter" of Marc Brooker, Exponential Backoff And Jitter (AWS Architecture Blog, 2015): callers
/// that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExponentialBackoff {
    /// The longest wait after the first attempt.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Backoff for ExponentialBackoff {
    fn wait(&self, attempt: u32, _previous: Option<Duration>, random: u64) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        between(Duration::ZERO, self.base.saturating_mul(factor).min(self.cap), random)
    }

    fn first(&self) -> Duration {
        self.base
    }

    fn describe(&self) -> String {
        format!("exponential with full jitter, from {} to {}", show(self.base), show(self.cap))
    }

    fn contradiction(&self) -> Option<String> {
        base_and_cap(self.base, self.cap)
    }
}

/// Waits drawn evenly from `base` to three times the wait before, at most `cap`.
///
/// "Decorrelated jitter" of the same article: it never waits less than `base`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecorrelatedBackoff {
    /// The shortest wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Backoff for DecorrelatedBackoff {
    fn wait(&self, _attempt: u32, previous: Option<Duration>, random: u64) -> Duration {
        let longest = previous.unwrap_or(self.base).max(self.base).saturating_mul(3);
        between(self.base, longest, random).min(self.cap)
    }

    fn first(&self) -> Duration {
        self.base
    }

    fn describe(&self) -> String {
        format!("decorrelated jitter, from {} to {}", show(self.base), show(self.cap))
    }

    fn contradiction(&self) -> Option<String> {
        base_and_cap(self.base, self.cap)
    }
}

fn base_and_cap(base: Duration, cap: Duration) -> Option<String> {
    if base.is_zero() {
        return Some("a base of zero never waits; set one, or a fixed wait".to_owned());
    }
    (base > cap).then(|| format!("the base of {} is above the cap of {}; lower it", show(base), show(cap)))
}

/// Returns the point between two waits that `random` names.
fn between(shortest: Duration, longest: Duration, random: u64) -> Duration {
    let nanos = |wait: Duration| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
    let (low, high) = (nanos(shortest), nanos(longest));
    let drawn = u128::from(high.saturating_sub(low)) * u128::from(random) / u128::from(u64::MAX);
    Duration::from_nanos(low.saturating_add(u64::try_from(drawn).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_bound_of_full_jitter_doubles_up_to_the_cap() {
        let backoff = ExponentialBackoff { base: millis(10), cap: millis(25) };
        let longest: Vec<_> = (1..=4).map(|attempt| backoff.wait(attempt, None, u64::MAX)).collect();
        assert_eq!(longest, [millis(10), millis(20), millis(25), millis(25)]);
        assert_eq!(backoff.wait(4, None, 0), Duration::ZERO);
    }

    #[test]
    fn decorrelated_jitter_follows_the_wait_before() {
        let backoff = DecorrelatedBackoff { base: millis(10), cap: millis(500) };
        assert_eq!(backoff.wait(1, None, 0), millis(10));
        assert_eq!(backoff.wait(1, None, u64::MAX), millis(30));
        assert_eq!(backoff.wait(2, Some(millis(30)), u64::MAX), millis(90));
        assert_eq!(backoff.wait(9, Some(millis(400)), u64::MAX), millis(500));
    }

    proptest! {
        #[test]
        fn a_fixed_wait_is_always_the_same(wait: u32, attempt: u32, random: u64) {
            let wait = Duration::from_micros(wait.into());
            prop_assert_eq!(FixedBackoff { wait }.wait(attempt, None, random), wait);
        }

        #[test]
        fn full_jitter_stays_below_its_bound(base: u32, cap: u32, attempt in 1..200_u32, random: u64) {
            let (base, cap) = (Duration::from_micros(base.into()), Duration::from_micros(cap.into()));
            let wait = ExponentialBackoff { base, cap }.wait(attempt, None, random);
            prop_assert!(wait <= cap);
            let doublings = attempt.saturating_sub(1).min(31);
            prop_assert!(wait <= base.saturating_mul(1 << doublings) || attempt > 32);
        }

        #[test]
        fn decorrelated_jitter_stays_between_base_and_cap(
            base in 1..1_000_000_u64, above in 0..10_000_000_u64, draws: Vec<u64>,
        ) {
            let (base, cap) = (Duration::from_micros(base), Duration::from_micros(base + above));
            let backoff = DecorrelatedBackoff { base, cap };
            let mut previous = None;
            for (index, random) in draws.into_iter().enumerate() {
                let wait = backoff.wait(u32::try_from(index).unwrap() + 1, previous, random);
                prop_assert!(wait >= base && wait <= cap);
                prop_assert!(wait <= previous.unwrap_or(base) * 3);
                previous = Some(wait);
            }
        }

        #[test]
        fn a_larger_draw_never_waits_less(base: u32, cap: u32, attempt in 1..40_u32, draws: (u64, u64)) {
            let (base, cap) = (Duration::from_micros(base.into()), Duration::from_micros(cap.into()));
            let (low, high) = (draws.0.min(draws.1), draws.0.max(draws.1));
            let full = ExponentialBackoff { base, cap };
            prop_assert!(full.wait(attempt, None, low) <= full.wait(attempt, None, high));
            let decorrelated = DecorrelatedBackoff { base, cap: cap.max(base) };
            prop_assert!(decorrelated.wait(attempt, None, low) <= decorrelated.wait(attempt, None, high));
        }
    }
}
