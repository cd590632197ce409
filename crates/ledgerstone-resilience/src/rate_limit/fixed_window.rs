//! The fixed window: so many from each multiple of its length to the next.

use super::tally::Tally;

/// A rule that counts in windows; a tally's `at` is the beginning of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedWindow {
    pub(crate) limit: u64,
    /// The length in microseconds.
    pub(crate) per: u64,
}

impl FixedWindow {
    /// Returns the tally as it stands in the window of `now`.
    fn rolled(self, tally: Tally, now: u64) -> Tally {
        let at = now - now % self.per;
        // A window of the future is a clock that went back: what was used counts now, and not for longer.
        if tally.at >= at { Tally { at, ..tally } } else { Tally { at, ..Tally::default() } }
    }

    /// Returns the tally after taking `cost`, or how many microseconds to wait.
    #[inline]
    pub(crate) fn take(self, tally: Tally, now: u64, cost: u64) -> Result<Tally, u64> {
        let tally = self.rolled(tally, now);
        let used = tally.used + cost;
        if used <= self.limit || cost == 0 {
            Ok(Tally { used, ..tally })
        } else {
            Err(tally.at + self.per - now)
        }
    }

    /// Returns how much may be taken at `now`.
    #[inline]
    pub(crate) fn remaining(self, tally: Tally, now: u64) -> u64 {
        self.limit.saturating_sub(self.rolled(tally, now).used)
    }

    /// Returns how many microseconds until everything may be taken.
    #[inline]
    pub(crate) fn resets_in(self, tally: Tally, now: u64) -> u64 {
        let tally = self.rolled(tally, now);
        if tally.used == 0 { 0 } else { tally.at + self.per - now }
    }

    /// Returns the tally of a key that has so much left.
    pub(crate) fn with_remaining(self, remaining: u64, now: u64) -> Tally {
        Tally { at: now - now % self.per, used: self.limit.saturating_sub(remaining), before: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_counting_what_was_taken_since_the_window_began(
            limit in 1..20_u64,
            per in 1..50_u64,
            calls in prop::collection::vec((0..30_u64, 0..20_u64), 1..100),
        ) {
            let rule = FixedWindow { limit, per };
            let (mut tally, mut now, mut taken) = (Tally::default(), 1_000, Vec::new());
            for (passed, cost) in calls {
                now += passed;
                let cost = cost.min(limit);
                let counted: u64 = taken.iter().filter(|(at, _)| at / per == now / per).map(|(_, cost)| cost).sum();
                prop_assert_eq!(rule.remaining(tally, now), limit - counted);
                match rule.take(tally, now, cost) {
                    Ok(next) => {
                        prop_assert!(counted + cost <= limit);
                        taken.push((now, cost));
                        tally = next;
                    }
                    Err(wait) => {
                        prop_assert!(counted + cost > limit);
                        prop_assert!(rule.take(tally, now + wait, cost).is_ok());
                        prop_assert!(rule.take(tally, now + wait - 1, cost).is_err());
                    }
                }
                prop_assert_eq!(rule.remaining(tally, now + rule.resets_in(tally, now)), limit);
            }
        }
    }

    #[test]
    fn a_clock_that_went_back_refuses_for_one_window_at_most() {
        let rule = FixedWindow { limit: 1, per: 10 };
        let later = rule.take(Tally::default(), 1_000, 1).unwrap();
        assert_eq!(rule.take(later, 500, 1), Err(10));
    }
}
