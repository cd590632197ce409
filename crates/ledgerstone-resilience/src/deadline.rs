//! Until when a call may take: it travels with the task, over HTTP and with messages.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// The header that carries a deadline over HTTP and with messages: the milliseconds that remain, in decimal.
///
/// It is never a wall time, so the clocks of the two sides need not agree.
pub const DEADLINE_HEADER: &str = "x-ledgerstone-deadline-ms";

tokio::task_local! {
    static CURRENT: Deadline;
}

/// A moment after which nobody waits for the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The longest time that a deadline lies ahead: a day. What is asked to be later than that is then.
    pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

    /// Makes the deadline that lies `ahead` from now.
    pub fn after(ahead: Duration) -> Self {
        Self::at(Instant::now(), ahead)
    }

    /// Makes the deadline that lies `ahead` from `now`.
    pub(crate) fn at(now: Instant, ahead: Duration) -> Self {
        Self(now + ahead.min(Self::LONGEST))
    }

    /// Returns the deadline of this task, if it has one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// Runs `future` under this deadline, or under that of the task if it is tighter.
    ///
    /// What runs inside sees it as [`current`](Self::current) and a policy keeps to it; a task that is
    /// spawned inside does not inherit it.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        let tightest = Self::current().map_or(self, |outer| outer.tighter(self));
        CURRENT.scope(tightest, future)
    }

    /// Runs `future` under this deadline, which is known to be the tightest.
    pub(crate) fn scope_tightest<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// Returns the tightest of two that may not be there.
    pub(crate) fn tightest(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(one.tighter(other)),
            (one, other) => one.or(other),
        }
    }

    /// Returns the time that is left; zero if the deadline is over.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Tells whether the deadline has passed.
    pub fn is_over(self) -> bool {
        self.0 <= Instant::now()
    }

    /// Returns the earlier one of two.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        self.min(other)
    }

    /// Returns the moment on tokio's clock.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Returns what [`DEADLINE_HEADER`] carries: the whole milliseconds that are left.
    pub fn to_header(self) -> String {
        self.remaining().as_millis().to_string()
    }

    /// Reads what [`DEADLINE_HEADER`] carried; nothing if it is no decimal number of milliseconds.
    pub fn from_header(value: &str) -> Option<Self> {
        let is_decimal = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        // A number too large to read is a very late deadline, and that is cut to the longest one.
        is_decimal.then(|| Self::after(Duration::from_millis(value.parse().unwrap_or(u64::MAX))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn the_tighter_deadline_holds_inside_and_the_outer_one_afterwards() {
        assert_eq!(Deadline::current(), None);
        let outer = Deadline::after(second(10));
        outer
            .scope(async {
                let inner = Deadline::after(second(1));
                inner.scope(async { assert_eq!(Deadline::current(), Some(inner)) }).await;
                let late = Deadline::after(second(60));
                late.scope(async { assert_eq!(Deadline::current(), Some(outer)) }).await;
                assert_eq!(Deadline::current(), Some(outer));
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_shrinks_to_nothing() {
        let deadline = Deadline::after(second(2));
        tokio::time::advance(second(1)).await;
        assert_eq!((deadline.remaining(), deadline.is_over()), (second(1), false));
        tokio::time::advance(second(5)).await;
        assert_eq!((deadline.remaining(), deadline.is_over()), (Duration::ZERO, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_crosses_in_milliseconds_and_never_as_a_time() {
        let header = Deadline::after(Duration::from_micros(1_500_900)).to_header();
        assert_eq!(header, "1500");
        assert_eq!(Deadline::from_header("1500").unwrap().remaining(), Duration::from_millis(1_500));
        let longest = Deadline::from_header("99999999999999999999999").unwrap();
        assert_eq!(longest.remaining(), Deadline::LONGEST);
        for wrong in ["", "-1", "+1", "1.5", "1s", " 1", "Infinity"] {
            assert_eq!(Deadline::from_header(wrong), None, "{wrong:?}");
        }
    }
}
