//! What a circuit breaker remembers of the last calls, in memory that does not grow with them.

use std::time::Duration;

use crate::duration_text::show;

/// Over which calls a circuit breaker reckons its rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last so many calls.
    Calls(u32),
    /// The calls of the last so long, to a tenth of it.
    Time(Duration),
}

impl Window {
    /// The largest number of calls that a window remembers.
    pub const MOST_CALLS: u32 = 100_000;

    pub(crate) fn describe(self) -> String {
        match self {
            Self::Calls(calls) => format!("the last {calls} calls"),
            Self::Time(time) => format!("the last {}", show(time)),
        }
    }
}

/// How a call ended, to the breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CallEnd {
    pub(crate) is_failure: bool,
    pub(crate) is_slow: bool,
}

/// A count of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) calls: u32,
    pub(crate) failures: u32,
    pub(crate) slow: u32,
}

impl Tally {
    fn add(&mut self, end: CallEnd) {
        self.calls = self.calls.saturating_add(1);
        self.failures = self.failures.saturating_add(end.is_failure.into());
        self.slow = self.slow.saturating_add(end.is_slow.into());
    }

    fn take(&mut self, other: Self) {
        self.calls = self.calls.saturating_sub(other.calls);
        self.failures = self.failures.saturating_sub(other.failures);
        self.slow = self.slow.saturating_sub(other.slow);
    }

    /// Returns the part of the calls that failed, from 0 to 1.
    pub(crate) fn failure_rate(self) -> f64 {
        rate(self.failures, self.calls)
    }

    /// Returns the part of the calls that were slow, from 0 to 1.
    pub(crate) fn slow_call_rate(self) -> f64 {
        rate(self.slow, self.calls)
    }
}

fn rate(some: u32, all: u32) -> f64 {
    if all == 0 { 0.0 } else { f64::from(some) / f64::from(all) }
}

const BUCKETS: usize = 10;

/// The window, filled. Time is a monotonic span from any start.
#[derive(Debug)]
pub(crate) struct SlidingWindow {
    sum: Tally,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Calls { ends: Vec<CallEnd>, oldest: usize, most: usize },
    Time { buckets: [Tally; BUCKETS], newest: u128, width: u128 },
}

impl SlidingWindow {
    /// Makes an empty window.
    pub(crate) fn new(window: Window) -> Self {
        let kept = match window {
            Window::Calls(calls) => {
                let most = calls.clamp(1, Window::MOST_CALLS) as usize;
                Kept::Calls { ends: Vec::with_capacity(most), oldest: 0, most }
            }
            Window::Time(time) => {
                let width = (time.as_nanos() / BUCKETS as u128).max(1);
                Kept::Time { buckets: [Tally::default(); BUCKETS], newest: 0, width }
            }
        };
        Self { sum: Tally::default(), kept }
    }

    /// Takes in how a call ended.
    pub(crate) fn add(&mut self, end: CallEnd, now: Duration) {
        self.slide(now);
        match &mut self.kept {
            Kept::Calls { ends, oldest, most } => {
                if ends.len() < *most {
                    ends.push(end);
                } else if let Some(slot) = ends.get_mut(*oldest) {
                    let mut gone = Tally::default();
                    gone.add(std::mem::replace(slot, end));
                    self.sum.take(gone);
                    *oldest = (*oldest + 1) % *most;
                }
            }
            Kept::Time { buckets, newest, .. } => {
                if let Some(bucket) = buckets.get_mut(place(*newest)) {
                    bucket.add(end);
                }
            }
        }
        self.sum.add(end);
    }

    /// Returns the count over the window.
    pub(crate) fn tally(&mut self, now: Duration) -> Tally {
        self.slide(now);
        self.sum
    }

    /// Drops what is older than the window. A time before the newest call counts as that call's.
    fn slide(&mut self, now: Duration) {
        let Kept::Time { buckets, newest, width } = &mut self.kept else { return };
        let current = now.as_nanos() / *width;
        let passed = current.saturating_sub(*newest).min(BUCKETS as u128);
        for step in 1..=passed {
            // The buckets that were passed over are those that come up again, emptied.
            if let Some(bucket) = buckets.get_mut(place(*newest + step)) {
                self.sum.take(std::mem::take(bucket));
            }
        }
        *newest = current.max(*newest);
    }
}

fn place(bucket: u128) -> usize {
    (bucket % BUCKETS as u128) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(is_failure: bool, is_slow: bool) -> CallEnd {
        CallEnd { is_failure, is_slow }
    }

    #[test]
    fn a_window_of_time_forgets_what_is_older() {
        let second = Duration::from_secs(1);
        let mut window = SlidingWindow::new(Window::Time(second * 10));
        window.add(end(true, false), Duration::ZERO);
        window.add(end(false, true), second * 5);
        assert_eq!(window.tally(second * 9), Tally { calls: 2, failures: 1, slow: 1 });
        assert_eq!(window.tally(second * 10), Tally { calls: 1, failures: 0, slow: 1 });
        assert_eq!(window.tally(second * 60), Tally::default());
    }

    proptest! {
        #[test]
        fn a_window_of_calls_holds_the_last_ones(most in 1..30_u32, ends: Vec<(bool, bool)>) {
            let mut window = SlidingWindow::new(Window::Calls(most));
            for (index, (is_failure, is_slow)) in ends.iter().enumerate() {
                window.add(end(*is_failure, *is_slow), Duration::ZERO);
                let last = &ends[(index + 1).saturating_sub(most as usize)..=index];
                let tally = window.tally(Duration::ZERO);
                prop_assert_eq!(tally.calls as usize, last.len());
                prop_assert_eq!(tally.failures as usize, last.iter().filter(|end| end.0).count());
                prop_assert_eq!(tally.slow as usize, last.iter().filter(|end| end.1).count());
            }
        }

        #[test]
        fn a_window_of_time_holds_the_calls_of_its_buckets(steps: Vec<(u8, bool)>) {
            let mut window = SlidingWindow::new(Window::Time(Duration::from_nanos(100)));
            let (mut now, mut calls) = (0_u64, Vec::new());
            for (step, is_failure) in steps {
                now += u64::from(step);
                window.add(end(is_failure, false), Duration::from_nanos(now));
                calls.push((now / 10, is_failure));
                let held: Vec<_> = calls.iter().filter(|call| call.0 + 10 > now / 10).collect();
                let tally = window.tally(Duration::from_nanos(now));
                prop_assert_eq!(tally.calls as usize, held.len());
                prop_assert_eq!(tally.failures as usize, held.iter().filter(|call| call.1).count());
            }
        }
    }
}
