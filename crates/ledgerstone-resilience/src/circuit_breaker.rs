//! The circuit breaker slot: when to stop calling a dependency that fails, and when to try again.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::duration_text::{self, show};
use crate::window::Window;

/// The circuit breaker slot of a policy.
///
/// 1. It opens when, of at least `minimum_calls` in the window, the part that failed has reached
///    `failure_rate`, or the part that took `slow_call` or longer has reached `slow_call_rate`.
/// 2. Open, it refuses every call for `open_for`; then it lets probes through, never more than `probes` at
///    once. When so many have succeeded it closes; the first that fails, or is slow, opens it again.
/// 3. A call that is cancelled counts as neither success nor failure, and gives its probe back. So does
///    one that the bulkhead refused, that a caller's deadline cut, or that began before the state changed.
/// 4. Isolated by hand it refuses everything until somebody closes it.
/// 5. All policies of one dependency share it by name, whatever clones of them there are; a reload keeps it.
///
/// What fails to it: errors that say `is_retryable`, unless the call decides otherwise by
/// [`counts_as_failure`](crate::Call::counts_as_failure), and attempts that the policy's own time cuts. So
/// give the policy an attempt timeout: a call that never ends says nothing, and a probe that never ends
/// keeps its place.
#[derive(Debug, Clone, PartialEq)]
pub struct CircuitBreaker {
    /// The part of the calls that may fail before it opens: above 0, at most 1.
    pub failure_rate: f64,
    /// How long a call takes that is slow; nothing if none is.
    pub slow_call: Option<Duration>,
    /// The part of the calls that may be slow before it opens: above 0, at most 1.
    pub slow_call_rate: f64,
    /// How many calls the window needs before a rate means anything.
    pub minimum_calls: u32,
    /// Over which calls the rates are reckoned.
    pub window: Window,
    /// How long it stays open before it tries again.
    pub open_for: Duration,
    /// How many calls may try at once, and have to succeed.
    pub probes: u32,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            failure_rate: 0.5,
            slow_call: None,
            slow_call_rate: 0.8,
            minimum_calls: 20,
            window: Window::Time(Duration::from_secs(30)),
            open_for: Duration::from_secs(5),
            probes: 3,
        }
    }
}

impl CircuitBreaker {
    pub(crate) fn describe(&self) -> String {
        let slow = self
            .slow_call
            .map(|slow| format!(" or {}% take {} or longer", percent(self.slow_call_rate), show(slow)));
        format!(
            "opens when {}% fail{} of {} and at least {} calls; tries again after {} with {} probes",
            percent(self.failure_rate),
            slow.unwrap_or_default(),
            self.window.describe(),
            self.minimum_calls,
            show(self.open_for),
            self.probes
        )
    }
}

fn percent(rate: f64) -> f64 {
    // Two places are as much as anybody sets.
    (rate * 10_000.0).round() / 100.0
}

/// Where a circuit breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// A few calls try whether the dependency is back.
    HalfOpen,
    /// Calls are refused for a time.
    Open,
    /// Calls are refused until somebody closes it.
    Isolated,
}

impl BreakerState {
    /// Returns the state in lower case, as logs, metrics and JSON show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
            Self::Isolated => "isolated",
        }
    }

    /// Returns the state as the gauge shows it: the larger, the worse.
    pub(crate) fn gauge(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
            Self::Isolated => 3.0,
        }
    }
}

/// What is known of a circuit breaker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakerReport {
    /// The dependency that it stands before.
    pub name: Arc<str>,
    /// Where it stands.
    pub state: BreakerState,
    /// The part of the calls that failed, from 0 to 1: of the window, or of what it was when it opened.
    pub failure_rate: f64,
    /// The part of the calls that were slow, likewise.
    pub slow_call_rate: f64,
    /// How many calls these parts are of.
    pub calls: u32,
    /// How long ago it stopped being closed; nothing if it is closed.
    #[serde(with = "duration_text::optional")]
    pub opened_since: Option<Duration>,
    /// After how long it tries again; nothing unless it is open.
    #[serde(with = "duration_text::optional")]
    pub retry_in: Option<Duration>,
    /// Whether somebody isolated it.
    pub is_isolated: bool,
}
