//! The sliding window: the running window, and of the one before it the part that still counts.
//!
//! What was used in the window before is taken to have been spread evenly over it, so two numbers
//! stand for all the times of the past.

use super::scale::Scale;
use super::tally::Tally;

/// A rule that counts in two windows; a tally's `at` is the beginning of the running one, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlidingWindow {
    pub(crate) scale: Scale,
    pub(crate) limit: u64,
}

impl SlidingWindow {
    /// Returns the tally as it stands at a tick, and how far its window has run.
    fn rolled(self, tally: Tally, tick: u64) -> (Tally, u64) {
        let run = tick % self.scale.per;
        let at = tick - run;
        let rolled = if tally.at >= at {
            Tally { at, ..tally }
        } else if tally.at + self.scale.per == at {
            Tally { at, used: 0, before: tally.used }
        } else {
            Tally { at, ..Tally::default() }
        };
        (rolled, run)
    }

    /// Returns the tally after taking `cost`, or how many microseconds to wait.
    #[inline]
    pub(crate) fn take(self, tally: Tally, now: u64, cost: u64) -> Result<Tally, u64> {
        let per = self.scale.per;
        let (tally, run) = self.rolled(tally, self.scale.ticks(now));
        let used = tally.used + cost;
        if cost == 0 || tally.before * (per - run) + used * per <= self.limit * per {
            return Ok(Tally { used, ..tally });
        }
        // In this window, once less of the one before counts; else in the next, by what was used in this.
        let (begin, room, counted) = if used <= self.limit {
            (tally.at, self.limit - used, tally.before)
        } else {
            (tally.at + per, self.limit.saturating_sub(cost), tally.used)
        };
        let may_count = (room * per).checked_div(counted).unwrap_or(per);
        Err(self.scale.until(begin + per.saturating_sub(may_count), now))
    }

    /// Returns how much may be taken at `now`.
    #[inline]
    pub(crate) fn remaining(self, tally: Tally, now: u64) -> u64 {
        let per = self.scale.per;
        let (tally, run) = self.rolled(tally, self.scale.ticks(now));
        let of_before = (tally.before * (per - run)).div_ceil(per);
        self.limit.saturating_sub(tally.used + of_before)
    }

    /// Returns how many microseconds until everything may be taken.
    #[inline]
    pub(crate) fn resets_in(self, tally: Tally, now: u64) -> u64 {
        let (tally, _) = self.rolled(tally, self.scale.ticks(now));
        match (tally.used, tally.before) {
            (0, 0) => 0,
            (0, _) => self.scale.until(tally.at + self.scale.per, now),
            _ => self.scale.until(tally.at + 2 * self.scale.per, now),
        }
    }

    /// Returns the tally of a key that has so much left.
    pub(crate) fn with_remaining(self, remaining: u64, now: u64) -> Tally {
        let (begun, _) = self.rolled(Tally::default(), self.scale.ticks(now));
        Tally { used: self.limit.saturating_sub(remaining), ..begun }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What counts at `now`, times `per`, of all that was ever taken.
    fn counted(taken: &[(u64, u64)], per: u64, now: u64) -> u64 {
        let window = now / per;
        let of = |wanted: u64| -> u64 {
            taken.iter().filter(|(at, _)| at / per == wanted).map(|(_, cost)| cost).sum()
        };
        of(window) * per + of(window - 1) * (per - now % per)
    }

    proptest! {
        #[test]
        fn it_agrees_with_weighing_all_that_was_ever_taken(
            limit in 1..20_u64,
            per in 1..50_u64,
            calls in prop::collection::vec((0..30_u64, 0..20_u64), 1..100),
        ) {
            let rule = SlidingWindow { scale: Scale { tick: 1, per }, limit };
            let (mut tally, mut now, mut taken) = (Tally::default(), 1_000, Vec::new());
            for (passed, cost) in calls {
                now += passed;
                let cost = cost.clamp(1, limit);
                let weighed = counted(&taken, per, now);
                prop_assert_eq!(rule.remaining(tally, now), (limit * per - weighed) / per);
                match rule.take(tally, now, cost) {
                    Ok(next) => {
                        prop_assert!(weighed + cost * per <= limit * per);
                        taken.push((now, cost));
                        tally = next;
                    }
                    Err(wait) => {
                        prop_assert!(weighed + cost * per > limit * per);
                        prop_assert!(rule.take(tally, now + wait, cost).is_ok());
                        prop_assert!(rule.take(tally, now + wait - 1, cost).is_err());
                    }
                }
                prop_assert_eq!(rule.remaining(tally, now + rule.resets_in(tally, now)), limit);
            }
        }
    }

    #[test]
    fn around_the_edge_of_a_window_passes_no_burst() {
        let rule = SlidingWindow { scale: Scale { tick: 1, per: 100 }, limit: 10 };
        let full = rule.take(Tally::default(), 999, 10).unwrap();
        assert_eq!(rule.take(full, 1_000, 1), Err(10));
        assert!(rule.take(full, 1_010, 1).is_ok());
    }
}
