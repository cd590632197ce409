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
