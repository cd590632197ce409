//! A clock that is cheap to read: the processor's counter, where it has one that can be trusted.

use std::time::Duration;

use ledgerstone_core::{Clock, SystemClock, Timestamp};

/// The machine's clock, its monotonic time counted by the processor.
///
/// A rate limiter reads the time for every call, and asking the kernel would be a quarter of what a call
/// costs. The counter is measured against the kernel's clock once in a process, in a fifth of a second at
/// most; from then on the two may drift apart by some seconds a day. Where no counter can be trusted it is
/// the kernel's clock.
#[derive(Debug, Clone)]
pub struct CounterClock {
    wall: SystemClock,
    counter: quanta::Clock,
    started: quanta::Instant,
}

impl CounterClock {
    /// Creates a clock whose monotonic time begins now.
    pub fn new() -> Self {
        let counter = quanta::Clock::new();
        Self { wall: SystemClock::new(), started: counter.now(), counter }
    }
}

impl Default for CounterClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for CounterClock {
    fn now(&self) -> Timestamp {
        self.wall.now()
    }

    #[inline]
    fn monotonic(&self) -> Duration {
        self.counter.now().saturating_duration_since(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_time_never_goes_back_and_does_pass() {
        let clock = CounterClock::new();
        let begun = clock.monotonic();
        let mut last = begun;
        while last == begun {
            for _ in 0..1_000 {
                let now = clock.monotonic();
                assert!(now >= last);
                last = now;
            }
        }
    }
}
