//! The token bucket: it fills evenly, and what is in it may be taken at once.
//!
//! Kept the other way round, as what was taken and has not come back, so that a full bucket is zero.
//! A token is as many units as make both it and what comes back in a tick whole numbers.

use super::scale::{Scale, common_divisor, is_exact};
use super::tally::Tally;

/// A rule that counts units missing from a bucket; a tally's `at` is the tick at which it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenBucket {
    pub(crate) scale: Scale,
    /// Units in a token.
    pub(crate) token: u64,
    /// Units that come back in a tick.
    pub(crate) refill: u64,
    /// Units in a full bucket.
    pub(crate) room: u64,
}

impl TokenBucket {
    /// Makes the rule; nothing if no scale keeps its numbers exact.
    pub(crate) fn new(limit: u64, per_micros: u64, burst: u64) -> Option<Self> {
        let token = |per| per / common_divisor(limit, per);
        let scale = Scale::finest(per_micros, |per| is_exact(token(per), burst))?;
        let token = token(scale.per);
        let refill = limit / common_divisor(limit, scale.per);
        Some(Self { scale, token, refill, room: token * burst })
    }

    /// Returns the tally as it stands at a tick.
    fn refilled(self, tally: Tally, tick: u64) -> Tally {
        let passed = tick.saturating_sub(tally.at);
        let used = tally.used.saturating_sub(passed.saturating_mul(self.refill));
        Tally { at: tick, used, before: 0 }
    }

    /// Returns the tally after taking `cost`, or how many microseconds to wait.
    #[inline]
    pub(crate) fn take(self, tally: Tally, now: u64, cost: u64) -> Result<Tally, u64> {
        let tally = self.refilled(tally, self.scale.ticks(now));
        let used = tally.used.saturating_add(cost.saturating_mul(self.token));
        if used <= self.room || cost == 0 {
            return Ok(Tally { used, ..tally });
        }
        let ticks = (used - self.room).div_ceil(self.refill);
        Err(self.scale.until(tally.at + ticks, now))
    }

    /// Returns how much may be taken at `now`.
    #[inline]
    pub(crate) fn remaining(self, tally: Tally, now: u64) -> u64 {
        let tally = self.refilled(tally, self.scale.ticks(now));
        self.room.saturating_sub(tally.used) / self.token
    }

    /// Returns how many microseconds until everything may be taken.
    #[inline]
    pub(crate) fn resets_in(self, tally: Tally, now: u64) -> u64 {
        let tally = self.refilled(tally, self.scale.ticks(now));
        if tally.used == 0 { 0 } else { self.scale.until(tally.at + tally.used.div_ceil(self.refill), now) }
    }

    /// Returns the tally of a key that has so much left.
    pub(crate) fn with_remaining(self, remaining: u64, now: u64) -> Tally {
        let left = remaining.saturating_mul(self.token);
        Tally { at: self.scale.ticks(now), used: self.room.saturating_sub(left), before: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::gcra::Gcra;
    use super::*;

    /// The plainest bucket: missing tokens, each counted as `per` parts of which `limit` come back a microsecond.
    #[derive(Default)]
    struct Naive {
        missing: u128,
        at: u64,
    }

    impl Naive {
        fn refill(&mut self, limit: u64, now: u64) {
            self.missing = self.missing.saturating_sub(u128::from(now - self.at) * u128::from(limit));
            self.at = now;
        }
    }

    proptest! {
        #[test]
        fn both_buckets_agree_with_the_plainest_one(
            limit in 1..2_000_u64,
            per in 1_000..100_000_u64,
            burst in 1..60_u64,
            calls in prop::collection::vec((0..3_000_u64, 1..60_u64), 1..100),
        ) {
            let bucket = TokenBucket::new(limit, per, burst).unwrap();
            let gcra = Gcra::new(limit, per, burst).unwrap();
            let (mut tally, mut times, mut naive, mut now) = (Tally::default(), Tally::default(), Naive::default(), 1_000_000);
            for (passed, cost) in calls {
                now += passed;
                let cost = cost.min(burst);
                naive.refill(limit, now);
                let room = u128::from(burst) * u128::from(per);
                let left = u64::try_from((room - naive.missing) / u128::from(per)).unwrap();
                prop_assert_eq!(bucket.remaining(tally, now), left);
                prop_assert_eq!(gcra.remaining(times, now), left);
                prop_assert_eq!(bucket.resets_in(tally, now), gcra.resets_in(times, now));
                prop_assert_eq!(bucket.remaining(tally, now + bucket.resets_in(tally, now)), burst);
                let fits = naive.missing + u128::from(cost) * u128::from(per) <= room;
                match (bucket.take(tally, now, cost), gcra.take(times, now, cost)) {
                    (Ok(one), Ok(other)) => {
                        prop_assert!(fits);
                        naive.missing += u128::from(cost) * u128::from(per);
                        (tally, times) = (one, other);
                    }
                    (Err(wait), Err(other)) => {
                        prop_assert!(!fits);
                        prop_assert_eq!(wait, other);
                        prop_assert!(bucket.take(tally, now + wait, cost).is_ok());
                        prop_assert!(gcra.take(times, now + wait, cost).is_ok());
                        prop_assert!(bucket.take(tally, now + wait - 1, cost).is_err());
                        prop_assert!(gcra.take(times, now + wait - 1, cost).is_err());
                    }
                    other => prop_assert!(false, "they differ: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_rate_that_divides_nothing_loses_nothing() {
        let bucket = TokenBucket::new(3, 1_000_000, 1).unwrap();
        let (mut tally, mut taken) = (Tally::default(), 0);
        for now in 1_000_000..4_000_000 {
            if let Ok(next) = bucket.take(tally, now, 1) {
                (tally, taken) = (next, taken + 1);
            }
        }
        // Three a second, and where a third falls between two microseconds the later one.
        assert_eq!(taken, 9);
    }
}
