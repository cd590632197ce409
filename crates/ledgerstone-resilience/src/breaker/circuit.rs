//! The state machine of a circuit breaker: pure, over a time that is given to it.

use std::time::Duration;

use crate::circuit_breaker::{BreakerState, CircuitBreaker};
use crate::window::{CallEnd, SlidingWindow, Tally};

/// A circuit breaker without a clock, a lock or a name.
#[derive(Debug)]
pub(crate) struct Circuit {
    rules: CircuitBreaker,
    state: State,
    /// Rises with each change of state, so that what began in another state is recognised.
    cycle: u64,
    window: SlidingWindow,
    /// The count that opened it, for reports.
    tripped: Tally,
    /// When it stopped being closed.
    opened: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Duration },
    HalfOpen { under_way: u32, succeeded: u32 },
    Isolated,
}

/// What an admitted call holds until it has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    cycle: u64,
}

/// Why a call is not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// After how long a call may be admitted, where a time decides that.
    pub(crate) retry_in: Option<Duration>,
}

impl Circuit {
    /// Makes a closed circuit that has seen no call.
    pub(crate) fn new(rules: CircuitBreaker) -> Self {
        let window = SlidingWindow::new(rules.window);
        Self { rules, state: State::Closed, cycle: 0, window, tripped: Tally::default(), opened: None }
    }

    /// Admits a call, which then has to be recorded or released, or tells when to ask again.
    pub(crate) fn admit(&mut self, now: Duration) -> Result<Ticket, Stopped> {
        if let State::Open { until } = self.state {
            if now < until {
                return Err(Stopped { retry_in: Some(until - now) });
            }
            self.enter(State::HalfOpen { under_way: 0, succeeded: 0 });
        }
        match &mut self.state {
            State::Closed => Ok(Ticket { cycle: self.cycle }),
            State::HalfOpen { under_way, succeeded } if *under_way + *succeeded < self.rules.probes => {
                *under_way += 1;
                Ok(Ticket { cycle: self.cycle })
            }
            _ => Err(Stopped { retry_in: None }),
        }
    }

    /// Takes in how an admitted call ended, unless the state has changed since it was admitted.
    pub(crate) fn record(&mut self, ticket: &Ticket, end: CallEnd, now: Duration) {
        if ticket.cycle != self.cycle {
            return;
        }
        match &mut self.state {
            State::Closed => {
                self.window.add(end, now);
                let tally = self.window.tally(now);
                if self.is_too_much(tally) {
                    self.tripped = tally;
                    self.open(now);
                }
            }
            State::HalfOpen { .. } if end.is_failure || end.is_slow => self.open(now),
            State::HalfOpen { under_way, succeeded } => {
                *under_way = under_way.saturating_sub(1);
                *succeeded += 1;
                if *succeeded >= self.rules.probes {
                    self.close();
                }
            }
            State::Open { .. } | State::Isolated => {}
        }
    }

    /// Forgets an admitted call that was cancelled.
    pub(crate) fn release(&mut self, ticket: &Ticket) {
        if let State::HalfOpen { under_way, .. } = &mut self.state
            && ticket.cycle == self.cycle
        {
            *under_way = under_way.saturating_sub(1);
        }
    }

    /// Refuses everything until [`close`](Self::close).
    pub(crate) fn isolate(&mut self, now: Duration) {
        if self.state == State::Closed {
            self.tripped = self.window.tally(now);
        }
        self.opened.get_or_insert(now);
        self.enter(State::Isolated);
    }

    /// Closes and forgets what was counted.
    pub(crate) fn close(&mut self) {
        self.enter(State::Closed);
        self.window = SlidingWindow::new(self.rules.window);
        self.opened = None;
    }

    /// Changes the rules and keeps the state, unless enough probes have succeeded by them; another window begins
    /// empty.
    pub(crate) fn reconfigure(&mut self, rules: CircuitBreaker) {
        if rules.window != self.rules.window {
            self.window = SlidingWindow::new(rules.window);
        }
        self.rules = rules;
        // No probe is left to be admitted, so none would end and close it.
        if let State::HalfOpen { succeeded, .. } = self.state
            && succeeded >= self.rules.probes
        {
            self.close();
        }
    }

    /// Returns where it stands.
    pub(crate) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
            State::Isolated => BreakerState::Isolated,
        }
    }

    /// Returns the count of the window, or the one that opened it.
    pub(crate) fn tally(&mut self, now: Duration) -> Tally {
        if self.state == State::Closed { self.window.tally(now) } else { self.tripped }
    }

    /// Returns how long ago it stopped being closed.
    pub(crate) fn opened_since(&self, now: Duration) -> Option<Duration> {
        self.opened.map(|opened| now.saturating_sub(opened))
    }

    /// Returns after how long it tries again.
    pub(crate) fn retry_in(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Open { until } => Some(until.saturating_sub(now)),
            _ => None,
        }
    }

    /// Tells whether a call that took so long was slow.
    pub(crate) fn is_slow(&self, took: Duration) -> bool {
        self.rules.slow_call.is_some_and(|slow| took >= slow)
    }

    fn is_too_much(&self, tally: Tally) -> bool {
        let CircuitBreaker { failure_rate, slow_call_rate, minimum_calls, .. } = self.rules;
        let slow = self.rules.slow_call.is_some() && tally.slow_call_rate() >= slow_call_rate;
        tally.calls >= minimum_calls && (slow || tally.failure_rate() >= failure_rate)
    }

    fn open(&mut self, now: Duration) {
        self.opened.get_or_insert(now);
        self.enter(State::Open { until: now.saturating_add(self.rules.open_for) });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.cycle += 1;
    }
}

#[cfg(test)]
#[path = "circuit_tests.rs"]
mod tests;
