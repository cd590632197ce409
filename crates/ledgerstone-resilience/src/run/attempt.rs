//! One attempt: past the circuit breaker, into the bulkhead, under the attempt timeout.

use std::sync::Arc;

use ledgerstone_core::Retryable;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, debug_span};

use crate::breaker::Admitted;
use crate::breaker::circuit::Stopped;
use crate::bulkhead::{Full, Place, Places};
use crate::call::{Attempt, Attempts};
use crate::deadline::Deadline;
use crate::refusal::Refusal;
use crate::run::{Answer, Run};

/// Which time of the policy itself ends an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Attempt(Deadline),
    Total(Deadline),
}

impl<A> Run<'_, A>
where
    A: Attempts,
    A::Error: Retryable,
{
    /// Makes one attempt. Dropped before it has ended, it gives back whatever it holds and counts nowhere.
    pub(crate) async fn attempt(&self) -> Answer<A> {
        let asked = Instant::now();
        let admitted = self.admitted(asked)?;
        let (_place, began) = match &self.onion.places {
            None => (None, asked),
            Some(places) => match places.try_take() {
                Some(place) => (Some(place), asked),
                None => (Some(self.place(places).await?), Instant::now()),
            },
        };
        let cut = self.cut(began);
        let deadline = Deadline::tightest(self.deadline, cut.map(Cut::deadline));
        let number = self.next_number();
        let begun = self.attempts.lock().begin(Attempt::new(number, deadline));
        let Some(future) = begun else {
            let policy = Arc::clone(&self.onion.name);
            return Err(self.onion.refuse(Refusal::NotRepeatable { policy }).into());
        };
        let future = future.instrument(debug_span!("attempt", number));
        let answer = match (deadline, cut) {
            (None, _) => Some(future.await),
            (Some(deadline), None) => Some(deadline.scope_tightest(future).await),
            (Some(deadline), Some(cut)) => {
                timeout_at(cut.deadline().instant(), deadline.scope_tightest(future)).await.ok()
            }
        };
        self.settled(admitted, began, answer, cut)
    }

    fn admitted(&self, now: Instant) -> Result<Option<Admitted<'_>>, Refusal> {
        let Some(breaker) = &self.onion.breaker else { return Ok(None) };
        breaker.admit(now).map(Some).map_err(|Stopped { retry_in }| {
            self.onion.refuse(Refusal::CircuitOpen { breaker: Arc::clone(breaker.name()), retry_in })
        })
    }

    /// Waits for a place in the bulkhead.
    async fn place<'p>(&self, places: &'p Places) -> Result<Place<'p>, Refusal> {
        let asked = Instant::now();
        let place = places.take().instrument(debug_span!("bulkhead")).await;
        self.onion.metrics.waited(places.name(), asked.elapsed());
        place.map_err(|Full| self.onion.refuse(Refusal::Overloaded { bulkhead: Arc::clone(places.name()) }))
    }

    /// Returns the time of the policy's own that ends an attempt, if that comes before any other.
    fn cut(&self, began: Instant) -> Option<Cut> {
        let own = self.onion.slots.attempt_timeout.map(|timeout| Deadline::at(began, timeout));
        let first = own.filter(|end| self.deadline.is_none_or(|deadline| *end <= deadline)).map(Cut::Attempt);
        // Left to the total timeout outside, an attempt that it cuts would be dropped and count nowhere.
        first.or_else(|| self.total_end.filter(|end| self.deadline == Some(*end)).map(Cut::Total))
    }

    /// Tells the breaker how the attempt ended. What the policy's own time cuts is a failure to it; so a
    /// dependency that never answers opens it, and an impatient caller does not.
    fn settled(
        &self,
        admitted: Option<Admitted<'_>>,
        began: Instant,
        answer: Option<Result<A::Output, A::Error>>,
        cut: Option<Cut>,
    ) -> Answer<A> {
        if let Some(admitted) = admitted {
            let is_failure = match &answer {
                Some(Ok(_)) => false,
                Some(Err(error)) => self.attempts.lock().is_failure(error),
                None => true,
            };
            let now = Instant::now();
            admitted.record(is_failure, now.saturating_duration_since(began), now);
        }
        match (answer, cut, self.onion.slots.attempt_timeout) {
            (Some(answer), ..) => answer.map_err(crate::failure::Failure::Call),
            (None, Some(Cut::Attempt(_)), Some(timeout)) => {
                let policy = Arc::clone(&self.onion.name);
                Err(self.onion.refuse(Refusal::AttemptTimedOut { policy, timeout }).into())
            }
            (None, ..) => Err(self.onion.too_late().into()),
        }
    }
}

impl Cut {
    fn deadline(self) -> Deadline {
        let (Self::Attempt(deadline) | Self::Total(deadline)) = self;
        deadline
    }
}
