//! A circuit breaker with its name, clock and lock: what the policies of a dependency share.

pub(crate) mod circuit;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::breaker::circuit::{Circuit, Stopped, Ticket};
use crate::circuit_breaker::{BreakerReport, BreakerState, CircuitBreaker};
use crate::window::CallEnd;

/// Where a circuit is kept so that one at a time changes it; the model of the tests keeps it elsewhere.
pub(crate) trait CircuitCell: Debug {
    /// Gives the circuit to `change`, and to nobody else meanwhile.
    fn with<R>(&self, change: impl FnOnce(&mut Circuit) -> R) -> R;
}

impl CircuitCell for Mutex<Circuit> {
    fn with<R>(&self, change: impl FnOnce(&mut Circuit) -> R) -> R {
        change(&mut self.lock())
    }
}

/// The breaker of one dependency.
#[derive(Debug)]
pub(crate) struct Breaker<L = Mutex<Circuit>> {
    name: Arc<str>,
    began: Instant,
    circuit: L,
}

impl Breaker {
    pub(crate) fn new(name: Arc<str>, rules: CircuitBreaker) -> Self {
        let breaker = Self::over(name, Instant::now(), Mutex::new(Circuit::new(rules)));
        tell(&breaker.name, BreakerState::Closed);
        breaker
    }
}

impl<L: CircuitCell> Breaker<L> {
    pub(crate) fn over(name: Arc<str>, began: Instant, circuit: L) -> Self {
        Self { name, began, circuit }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Admits a call at `now`; what it returns gives the place back when it is dropped.
    pub(crate) fn admit(&self, now: Instant) -> Result<Admitted<'_, L>, Stopped> {
        let at = self.since_began(now);
        let ticket = self.change(|circuit| circuit.admit(at))?;
        Ok(Admitted { breaker: self, ticket: Some(ticket) })
    }

    /// Refuses everything until [`close`](Self::close).
    pub(crate) fn isolate(&self) {
        let now = self.since_began(Instant::now());
        self.change(|circuit| circuit.isolate(now));
    }

    /// Closes, from wherever it stands.
    pub(crate) fn close(&self) {
        self.change(Circuit::close);
    }

    /// Changes the rules and keeps the state.
    pub(crate) fn reconfigure(&self, rules: CircuitBreaker) {
        self.change(|circuit| circuit.reconfigure(rules));
    }

    /// Returns what is known of it.
    pub(crate) fn report(&self) -> BreakerReport {
        let now = self.since_began(Instant::now());
        self.circuit.with(|circuit| {
            let tally = circuit.tally(now);
            let state = circuit.state();
            BreakerReport {
                name: Arc::clone(&self.name),
                state,
                failure_rate: tally.failure_rate(),
                slow_call_rate: tally.slow_call_rate(),
                calls: tally.calls,
                opened_since: circuit.opened_since(now),
                retry_in: circuit.retry_in(now),
                is_isolated: state == BreakerState::Isolated,
            }
        })
    }

    fn since_began(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// Changes the circuit, and tells the world where it stands when that has changed.
    fn change<R>(&self, change: impl FnOnce(&mut Circuit) -> R) -> R {
        let (result, before, after) = self.circuit.with(|circuit| {
            let before = circuit.state();
            let result = change(circuit);
            (result, before, circuit.state())
        });
        if before != after {
            tell(&self.name, after);
        }
        result
    }
}

/// A call that the breaker let through.
///
/// It ends by [`record`](Self::record); dropped without that it was cancelled, and counts for nothing.
#[derive(Debug)]
pub(crate) struct Admitted<'a, L: CircuitCell = Mutex<Circuit>> {
    breaker: &'a Breaker<L>,
    ticket: Option<Ticket>,
}

impl<L: CircuitCell> Admitted<'_, L> {
    /// Tells the breaker how the call ended, and how long it took.
    pub(crate) fn record(mut self, is_failure: bool, took: Duration, now: Instant) {
        let now = self.breaker.since_began(now);
        if let Some(ticket) = self.ticket.take() {
            self.breaker.change(|circuit| {
                let end = CallEnd { is_failure, is_slow: circuit.is_slow(took) };
                circuit.record(&ticket, end, now);
            });
        }
    }
}

impl<L: CircuitCell> Drop for Admitted<'_, L> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.change(|circuit| circuit.release(&ticket));
        }
    }
}

fn tell(name: &Arc<str>, state: BreakerState) {
    metrics::gauge!("ledgerstone_breaker_state", "breaker" => Arc::clone(name)).set(state.gauge());
    metrics::counter!(
        "ledgerstone_breaker_transitions_total",
        "breaker" => Arc::clone(name), "to" => state.as_str()
    )
    .increment(1);
    if state == BreakerState::Closed {
        tracing::info!(breaker = %name, "circuit breaker is closed");
    } else {
        tracing::warn!(breaker = %name, state = state.as_str(), "circuit breaker has changed");
    }
}

#[cfg(test)]
#[path = "breaker/model_tests.rs"]
mod model_tests;
