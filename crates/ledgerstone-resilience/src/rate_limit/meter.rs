//! A rule made ready to decide by: checked, and its numbers worked out once.

use ledgerstone_core::{RateAlgorithm, RateRule};

use super::fixed_window::FixedWindow;
use super::gcra::Gcra;
use super::invalid_rule::InvalidRule;
use super::scale::{Scale, is_exact, micros};
use super::sliding_window::SlidingWindow;
use super::tally::Tally;
use super::token_bucket::TokenBucket;

/// Decides by one rule; every method is a pure function of a tally, a time in microseconds, and a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meter {
    FixedWindow(FixedWindow),
    SlidingWindow(SlidingWindow),
    TokenBucket(TokenBucket),
    Gcra(Gcra),
}

impl Meter {
    /// Checks a rule and makes it ready.
    pub(crate) fn of(rule: &RateRule) -> Result<Self, InvalidRule> {
        let name = || rule.name.clone();
        check_name(&rule.name)?;
        if rule.limit == 0 {
            return Err(InvalidRule::NoLimit { rule: name() });
        }
        let (limit, per) = (u64::from(rule.limit), micros(rule.per));
        if !(1_000..=micros(RateRule::MAX_PER)).contains(&per)
            || !rule.per.subsec_nanos().is_multiple_of(1_000)
        {
            return Err(InvalidRule::Per { rule: name(), per: rule.per });
        }
        let too_fine = || InvalidRule::TooFine { rule: name() };
        match rule.algorithm {
            RateAlgorithm::FixedWindow | RateAlgorithm::SlidingWindow if rule.burst.is_some() => {
                Err(InvalidRule::BurstOfWindow { rule: name() })
            }
            RateAlgorithm::FixedWindow => Ok(Self::FixedWindow(FixedWindow { limit, per })),
            RateAlgorithm::SlidingWindow => {
                let scale = Scale::finest(per, |per| is_exact(per, limit)).ok_or_else(too_fine)?;
                Ok(Self::SlidingWindow(SlidingWindow { scale, limit }))
            }
            RateAlgorithm::TokenBucket => {
                let burst = checked_burst(rule, per)?;
                TokenBucket::new(limit, per, burst).map(Self::TokenBucket).ok_or_else(too_fine)
            }
            RateAlgorithm::Gcra => {
                let burst = checked_burst(rule, per)?;
                Gcra::new(limit, per, burst).map(Self::Gcra).ok_or_else(too_fine)
            }
            // The port may learn algorithms that this crate does not know yet.
            _ => Err(too_fine()),
        }
    }

    /// Returns the tally after taking `cost`, or how many microseconds to wait.
    #[inline]
    pub(crate) fn take(&self, tally: Tally, now: u64, cost: u64) -> Result<Tally, u64> {
        match self {
            Self::FixedWindow(rule) => rule.take(tally, now, cost),
            Self::SlidingWindow(rule) => rule.take(tally, now, cost),
            Self::TokenBucket(rule) => rule.take(tally, now, cost),
            Self::Gcra(rule) => rule.take(tally, now, cost),
        }
    }

    /// Returns how much may be taken at `now`.
    #[inline]
    pub(crate) fn remaining(&self, tally: Tally, now: u64) -> u32 {
        let remaining = match self {
            Self::FixedWindow(rule) => rule.remaining(tally, now),
            Self::SlidingWindow(rule) => rule.remaining(tally, now),
            Self::TokenBucket(rule) => rule.remaining(tally, now),
            Self::Gcra(rule) => rule.remaining(tally, now),
        };
        u32::try_from(remaining).unwrap_or(u32::MAX)
    }

    /// Returns how many microseconds until everything may be taken.
    #[inline]
    pub(crate) fn resets_in(&self, tally: Tally, now: u64) -> u64 {
        match self {
            Self::FixedWindow(rule) => rule.resets_in(tally, now),
            Self::SlidingWindow(rule) => rule.resets_in(tally, now),
            Self::TokenBucket(rule) => rule.resets_in(tally, now),
            Self::Gcra(rule) => rule.resets_in(tally, now),
        }
    }

    /// Returns both: how much may be taken at `now`, and how many microseconds until everything may.
    #[inline]
    pub(crate) fn standing(&self, tally: Tally, now: u64) -> (u32, u64) {
        match self {
            Self::Gcra(rule) => {
                let (remaining, resets_in) = rule.standing(tally, now);
                (u32::try_from(remaining).unwrap_or(u32::MAX), resets_in)
            }
            _ => (self.remaining(tally, now), self.resets_in(tally, now)),
        }
    }

    /// Returns the tally of a key that has so much left.
    pub(crate) fn with_remaining(&self, remaining: u32, now: u64) -> Tally {
        let remaining = u64::from(remaining);
        match self {
            Self::FixedWindow(rule) => rule.with_remaining(remaining, now),
            Self::SlidingWindow(rule) => rule.with_remaining(remaining, now),
            Self::TokenBucket(rule) => rule.with_remaining(remaining, now),
            Self::Gcra(rule) => rule.with_remaining(remaining, now),
        }
    }
}

fn check_name(name: &str) -> Result<(), InvalidRule> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if fits { Ok(()) } else { Err(InvalidRule::Name { rule: name.to_owned() }) }
}

/// A bucket that takes longer than a year to fill is a mistake in writing, and its numbers would not fit.
fn checked_burst(rule: &RateRule, per: u64) -> Result<u64, InvalidRule> {
    let burst = rule.most_at_once();
    let fills_in = u128::from(burst) * u128::from(per) / u128::from(rule.limit);
    if burst == 0 || fills_in > RateRule::MAX_PER.as_micros() {
        return Err(InvalidRule::Burst { rule: rule.name.clone(), burst });
    }
    Ok(u64::from(burst))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rule(limit: u32, per: Duration, burst: Option<u32>, algorithm: RateAlgorithm) -> RateRule {
        RateRule { name: "r".into(), limit, per, burst, algorithm }
    }

    #[test]
    fn a_rule_that_cannot_hold_is_refused_with_what_to_do() {
        use RateAlgorithm::{FixedWindow, Gcra, SlidingWindow, TokenBucket};
        let second = Duration::from_secs(1);
        let odd = RateRule::MAX_PER - Duration::from_micros(1);
        let cases = [
            (rule(0, second, None, Gcra), "allows nothing"),
            (rule(1, Duration::ZERO, None, FixedWindow), "cannot be counted"),
            (rule(1, Duration::from_nanos(1_000_500), None, Gcra), "cannot be counted"),
            (rule(1, RateRule::MAX_PER + second, None, Gcra), "cannot be counted"),
            (rule(1, second, Some(2), SlidingWindow), "knows no burst"),
            (rule(1, second, Some(0), TokenBucket), "to fill"),
            (rule(1, RateRule::MAX_PER, Some(2), Gcra), "to fill"),
            (rule(u32::MAX, odd, None, SlidingWindow), "whole minutes"),
            (RateRule { name: "per second".into(), ..rule(1, second, None, Gcra) }, "a name is"),
        ];
        for (rule, why) in cases {
            let refused = Meter::of(&rule).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn the_largest_rules_count_without_overflow() {
        for algorithm in RateAlgorithm::ALL {
            for per in [Duration::from_millis(1), Duration::from_secs(1), RateRule::MAX_PER] {
                let meter = Meter::of(&rule(u32::MAX, per, None, *algorithm)).unwrap();
                let now = 1_700_000_000_000_000;
                let full = meter.take(Tally::default(), now, u64::from(u32::MAX)).unwrap();
                assert_eq!(meter.remaining(full, now), 0, "{algorithm:?} {per:?}");
                let resets = meter.resets_in(full, now);
                assert_eq!(meter.remaining(full, now + resets), u32::MAX, "{algorithm:?} {per:?}");
                assert_eq!(meter.remaining(meter.with_remaining(7, now), now), 7, "{algorithm:?} {per:?}");
            }
        }
    }
}
