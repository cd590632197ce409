//! How finely a rule counts time: as finely as its numbers stay exact, here and in Redis.

use std::time::Duration;

/// The largest number up to which every whole number is exact in a double, which is all that Lua knows.
pub(crate) const EXACT: u64 = 1 << 53;

/// Lengths of a tick in microseconds, the finest first.
const TICKS: [u64; 4] = [1, 1_000, 1_000_000, 60_000_000];

/// A number to divide by, with its reciprocal, as a division would be the dearest step of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Divisor {
    by: u64,
    /// The whole part of 2^64 - 1 by the number.
    reciprocal: u64,
}

impl Divisor {
    /// Works out the reciprocal; to divide by nothing is to divide by 1.
    pub(crate) fn new(by: u64) -> Self {
        let by = by.max(1);
        Self { by, reciprocal: u64::MAX / by }
    }

    /// Returns the number.
    #[inline]
    pub(crate) fn get(self) -> u64 {
        self.by
    }

    /// Returns the whole part of `number` by this one.
    #[inline]
    pub(crate) fn quotient(self, number: u64) -> u64 {
        // The reciprocal is too small by less than 1 + 2^-64 * by, so that the product is at most 1 too small.
        let product = u128::from(number) * u128::from(self.reciprocal);
        let at_least = (product >> 64) as u64;
        at_least + u64::from(number - at_least * self.by >= self.by)
    }
}

/// A rule's time in ticks, and the length of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Microseconds in a tick.
    pub(crate) tick: u64,
    /// Ticks in the time of the rule.
    pub(crate) per: u64,
}

impl Scale {
    /// Returns the finest scale that divides the time evenly and in which `fits` holds.
    pub(crate) fn finest(per_micros: u64, fits: impl Fn(u64) -> bool) -> Option<Self> {
        let scales = TICKS.iter().filter(|tick| per_micros.is_multiple_of(**tick));
        scales.map(|tick| Self { tick: *tick, per: per_micros / tick }).find(|scale| fits(scale.per))
    }

    /// Returns a time in microseconds as whole ticks.
    #[inline]
    pub(crate) fn ticks(self, micros: u64) -> u64 {
        // A division costs more than all the rest of a decision.
        if self.tick == 1 { micros } else { micros / self.tick }
    }

    /// Returns how many microseconds lie between `now` and the beginning of a tick.
    #[inline]
    pub(crate) fn until(self, tick: u64, now: u64) -> u64 {
        tick.saturating_mul(self.tick).saturating_sub(now)
    }
}

/// Tells whether the product of two numbers is exact.
pub(crate) fn is_exact(a: u64, b: u64) -> bool {
    a.checked_mul(b).is_some_and(|product| product <= EXACT)
}

/// Returns the greatest common divisor of two numbers of which one at least is not 0.
pub(crate) fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Returns a time in whole microseconds.
#[inline]
pub(crate) fn micros(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(time.subsec_micros()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_reciprocal_divides_exactly(number: u64, by: u64, shift in 0_u32..64) {
            for by in [by >> shift, 1, 2, u64::MAX] {
                let by = Divisor::new(by);
                let multiple = number - number % by.get();
                for number in [number, number >> shift, multiple, multiple.saturating_sub(1), u64::MAX] {
                    prop_assert_eq!(by.quotient(number), number / by.get());
                }
            }
        }
    }

    #[test]
    fn a_rule_counts_as_finely_as_its_numbers_stay_exact() {
        let scale = |per, limit| Scale::finest(per, |ticks| is_exact(ticks, limit)).map(|scale| scale.tick);
        assert_eq!(scale(1_000_000, 1_000_000), Some(1));
        assert_eq!(scale(86_400_000_000, 1_000_000), Some(1_000));
        assert_eq!(scale(366 * 86_400_000_000, u64::from(u32::MAX)), Some(60_000_000));
        assert_eq!(scale(366 * 86_400_000_000 - 1, u64::from(u32::MAX)), None);
    }
}
