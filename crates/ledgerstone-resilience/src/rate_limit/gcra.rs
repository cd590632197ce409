//! The generic cell rate algorithm: one time says how far ahead of its even share a key has run.
//!
//! The time at which the next cell would be due if all were evenly spaced (ITU-T I.371, the virtual
//! scheduling form). It is kept as a tick and a part of one, so that no rate is rounded.

use super::scale::{Divisor, Scale, common_divisor, is_exact};
use super::tally::Tally;

/// A rule that keeps a time; a tally's `at` is its tick, and `used` the parts of a tick above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gcra {
    pub(crate) scale: Scale,
    /// Parts in a tick.
    pub(crate) parts: u64,
    /// Parts from one to the next: `whole` ticks and `rest` parts.
    pub(crate) step: Divisor,
    pub(crate) whole: u64,
    pub(crate) rest: u64,
    /// How far ahead a key may run, in ticks and parts.
    pub(crate) ahead: u64,
    pub(crate) ahead_rest: u64,
}

impl Gcra {
    /// Makes the rule; nothing if no scale keeps its numbers exact.
    pub(crate) fn new(limit: u64, per_micros: u64, burst: u64) -> Option<Self> {
        let step = |per| per / common_divisor(limit, per);
        let scale = Scale::finest(per_micros, |per| is_exact(step(per), burst))?;
        let (step, parts) = (step(scale.per), limit / common_divisor(limit, scale.per));
        let room = step * burst;
        Some(Self {
            scale,
            parts,
            step: Divisor::new(step),
            whole: step / parts,
            rest: step % parts,
            ahead: room / parts,
            ahead_rest: room % parts,
        })
    }

    /// Returns the time kept, not before `tick` and not further ahead than the rule allows.
    #[inline]
    fn due(&self, tally: Tally, tick: u64) -> (u64, u64) {
        let latest = (tick + self.ahead, self.ahead_rest);
        (tally.at, tally.used).max((tick, 0)).min(latest)
    }

    /// Returns the tally after taking `cost`, or how many microseconds to wait.
    #[inline]
    pub(crate) fn take(&self, tally: Tally, now: u64, cost: u64) -> Result<Tally, u64> {
        let tick = self.scale.ticks(now);
        let (at, rest) = self.due(tally, tick);
        let rest = rest + cost.saturating_mul(self.rest);
        let at = at.saturating_add(cost.saturating_mul(self.whole));
        // Most rates divide evenly, and a division would be the dearest step.
        let (at, rest) =
            if self.parts == 1 { (at + rest, 0) } else { (at + rest / self.parts, rest % self.parts) };
        if (at, rest) <= (tick + self.ahead, self.ahead_rest) || cost == 0 {
            return Ok(Tally { at, used: rest, before: 0 });
        }
        let rounded_up = at - self.ahead + u64::from(rest > self.ahead_rest);
        Err(self.scale.until(rounded_up, now))
    }

    /// Returns how much may be taken at `now`, and how many microseconds until everything may.
    #[inline]
    pub(crate) fn standing(&self, tally: Tally, now: u64) -> (u64, u64) {
        let tick = self.scale.ticks(now);
        let (at, rest) = self.due(tally, tick);
        let free = (tick + self.ahead - at) * self.parts + self.ahead_rest - rest;
        let is_whole = at == tick && rest == 0;
        let resets_in = if is_whole { 0 } else { self.scale.until(at + u64::from(rest > 0), now) };
        (self.step.quotient(free), resets_in)
    }

    /// Returns how much may be taken at `now`.
    #[inline]
    pub(crate) fn remaining(&self, tally: Tally, now: u64) -> u64 {
        self.standing(tally, now).0
    }

    /// Returns how many microseconds until everything may be taken.
    #[inline]
    pub(crate) fn resets_in(&self, tally: Tally, now: u64) -> u64 {
        self.standing(tally, now).1
    }

    /// Returns the tally of a key that has so much left.
    pub(crate) fn with_remaining(&self, remaining: u64, now: u64) -> Tally {
        let tick = self.scale.ticks(now);
        let room = self.ahead * self.parts + self.ahead_rest;
        let missing = room.saturating_sub(remaining.saturating_mul(self.step.get()));
        Tally { at: tick + missing / self.parts, used: missing % self.parts, before: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_went_back_refuses_for_one_refill_at_most() {
        let rule = Gcra::new(10, 1_000_000, 10).unwrap();
        let later = rule.take(Tally::default(), 3_600_000_000, 10).unwrap();
        assert_eq!(rule.take(later, 1_000_000, 1), Err(100_000));
        assert_eq!(rule.resets_in(later, 1_000_000), 1_000_000);
    }

    #[test]
    fn a_tally_is_made_from_what_is_left() {
        for (limit, burst) in [(10, 10), (3, 7), (1_000, 1)] {
            let rule = Gcra::new(limit, 1_000_000, burst).unwrap();
            for left in 0..=burst {
                assert_eq!(rule.remaining(rule.with_remaining(left, 5_000_000), 5_000_000), left);
            }
        }
    }
}
