//! One call on its way through the onion: rate limit, total timeout, retry, and what lies further in.

mod attempt;
mod hedged;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ledgerstone_core::Retryable;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument as _, debug_span};

use crate::call::Attempts;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::onion::Onion;
use crate::rate_limit_slot::RateLimitSlot;
use crate::refusal::Refusal;
use crate::retry::{Attempted, Decision, GivenUp, Retry};

/// How a call, or an attempt of it, ended.
pub(crate) type Answer<A> = Result<<A as Attempts>::Output, Failure<<A as Attempts>::Error>>;

/// What the slots from retry inwards know of a call.
pub(crate) struct Run<'a, A> {
    pub(crate) onion: &'a Onion,
    /// Behind a lock since a hedge begins an attempt while another one is under way.
    pub(crate) attempts: Mutex<A>,
    pub(crate) may_repeat: bool,
    /// When the call is given up, whoever decided it.
    pub(crate) deadline: Option<Deadline>,
    /// When the total timeout of this policy ends.
    pub(crate) total_end: Option<Deadline>,
    begun: AtomicU32,
    retries: Option<u32>,
}

/// Takes a call through every slot but the fallback, which is of the call's own type.
pub(crate) async fn run<A>(onion: &Onion, attempts: A, started: Instant) -> Answer<A>
where
    A: Attempts,
    A::Error: Retryable,
{
    let outer = Deadline::current();
    if outer.is_some_and(|outer| outer.instant() <= started) {
        return Err(onion.too_late().into());
    }
    let mut started = started;
    if let Some(slot) = &onion.slots.rate_limit {
        limited(onion, slot, outer).instrument(debug_span!("rate_limit")).await?;
        started = Instant::now();
    }
    onion.deposit();
    let total_end = onion.slots.total_timeout.map(|total| Deadline::at(started, total));
    let deadline = Deadline::tightest(total_end, outer);
    let (may_repeat, retries) = (attempts.may_repeat(), attempts.retries());
    let (attempts, begun) = (Mutex::new(attempts), AtomicU32::new(0));
    let run = Run { onion, attempts, may_repeat, deadline, total_end, begun, retries };
    match deadline {
        None => run.retried().await,
        Some(deadline) => match timeout_at(deadline.instant(), run.retried()).await {
            Ok(answer) => answer,
            Err(_) => Err(onion.too_late().into()),
        },
    }
}

/// Takes from the rate limit, within the deadline that the caller brought.
async fn limited(onion: &Onion, slot: &RateLimitSlot, outer: Option<Deadline>) -> Result<(), Refusal> {
    let verdict = match outer {
        None => slot.take().await,
        Some(outer) => match timeout_at(outer.instant(), slot.take()).await {
            Ok(verdict) => verdict,
            Err(_) => return Err(onion.too_late()),
        },
    };
    let policy = || Arc::clone(&onion.name);
    match verdict {
        Ok(verdict) if verdict.is_allowed => Ok(()),
        Ok(verdict) => {
            let retry_after = verdict.retry_after;
            Err(onion.refuse(Refusal::RateLimited { policy: policy(), retry_after }))
        }
        Err(error) => Err(onion.refuse(Refusal::LimiterFailed { policy: policy(), error })),
    }
}

impl<A> Run<'_, A>
where
    A: Attempts,
    A::Error: Retryable,
{
    /// Numbers the next attempt.
    pub(crate) fn next_number(&self) -> u32 {
        self.begun.fetch_add(1, Ordering::Relaxed) + 1
    }

    async fn retried(&self) -> Answer<A> {
        let (mut attempt, mut previous) = (1, None);
        loop {
            let failure = match self.hedged().await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let Some((own, wait)) = self.another(attempt, previous, &failure) else { return Err(failure) };
            // Nothing of the failure may live on here: callers wait, some for long.
            drop(failure);
            self.onion.metrics.retried(attempt, wait);
            sleep(wait).instrument(debug_span!("backoff", attempt)).await;
            (attempt, previous) = (attempt + 1, Some(own));
        }
    }

    /// Decides whether to try again, and after which wait, of which the first part is the strategy's.
    fn another(
        &self,
        attempt: u32,
        previous: Option<Duration>,
        failure: &Failure<A::Error>,
    ) -> Option<(Duration, Duration)> {
        let retry = self.onion.slots.retry.as_ref().filter(|_| self.may_repeat)?;
        let retry_after = worth_repeating(failure)?;
        let remaining = self.deadline.map(Deadline::remaining);
        let after = Attempted { attempt, retries: self.retries, previous, retry_after, remaining };
        self.decide(retry, &after).map_err(|why| self.onion.metrics.gave_up(why)).ok()
    }

    fn decide(&self, retry: &Retry, after: &Attempted) -> Result<(Duration, Duration), GivenUp> {
        match retry.decide(after, self.onion.jitter.draw()) {
            Decision::GiveUp(why) => Err(why),
            // Paid last, so that a retry that is not begun costs nothing.
            Decision::Wait { own, wait } if self.onion.spend() => Ok((own, wait)),
            Decision::Wait { .. } => Err(GivenUp::Budget),
        }
    }
}

/// Tells whether the same call may succeed at once: if so, how long the dependency asked to be left alone.
fn worth_repeating<E: Retryable>(failure: &Failure<E>) -> Option<Option<Duration>> {
    match failure {
        Failure::Call(error) => error.is_retryable().then(|| error.retry_after()),
        Failure::Refused(Refusal::AttemptTimedOut { .. }) => Some(None),
        Failure::Refused(_) => None,
    }
}
