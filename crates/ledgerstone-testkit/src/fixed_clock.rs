//! A clock that stands still until a test moves it.

use std::time::Duration;

use ledgerstone_core::{Clock, Timestamp};
use parking_lot::Mutex;

/// Tells the time that a test has set.
#[derive(Debug)]
pub struct FixedClock {
    now: Mutex<(Timestamp, Duration)>,
}

impl FixedClock {
    /// Creates a clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { now: Mutex::new((now, Duration::ZERO)) }
    }

    /// Sets the wall clock, back if need be; monotonic time stays where it is.
    pub fn set(&self, now: Timestamp) {
        self.now.lock().0 = now;
    }

    /// Moves both times on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock();
        now.0 = now.0.plus(by);
        now.1 = now.1.saturating_add(by);
    }
}

impl Default for FixedClock {
    /// Creates a clock that stands at the beginning of the year 2020.
    fn default() -> Self {
        Self::at(Timestamp::from_micros(1_577_836_800_000_000))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.now.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.now.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_the_clock_back_leaves_monotonic_time_alone() {
        let clock = FixedClock::default();
        clock.advance(Duration::from_secs(5));
        clock.set(Timestamp::from_micros(0));
        assert_eq!((clock.now().as_micros(), clock.monotonic()), (0, Duration::from_secs(5)));
    }
}
