//! Finds what a policy asks for that cannot be: pure, before anything is built.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::deadline::Deadline;
use crate::duration_text::show;
use crate::hedge::Hedge;
use crate::rate_limit_slot::{RateKey, RateLimitSlot};
use crate::retry::Retry;
use crate::slots::Slots;
use crate::window::Window;

type Found = Result<(), String>;

/// Returns the first contradiction in the slots as an error that says what to change.
pub(crate) fn find(slots: &Slots) -> Found {
    times(slots)?;
    slots.rate_limit.as_ref().map_or(Ok(()), rate_limit)?;
    slots.retry.as_ref().map_or(Ok(()), |retry| retries(retry, slots))?;
    slots.hedge.as_ref().map_or(Ok(()), |hedge| hedges(hedge, slots))?;
    slots.circuit_breaker.as_ref().map_or(Ok(()), |rules| breaker(rules, slots))?;
    slots.bulkhead.as_ref().map_or(Ok(()), |rules| bulkhead(rules, slots))?;
    budget(slots)
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err(what()) }
}

/// Checks that a time is below that of a slot around it, if that is there.
fn below(what: &str, time: Duration, around: &str, limit: Option<Duration>) -> Found {
    let Some(limit) = limit else { return Ok(()) };
    check(time < limit, || {
        format!("{what} of {} is not below the {around} of {}; shorten it", show(time), show(limit))
    })
}

fn times(slots: &Slots) -> Found {
    for (name, time) in [("total timeout", slots.total_timeout), ("attempt timeout", slots.attempt_timeout)] {
        check(time != Some(Duration::ZERO), || format!("a {name} of zero lets no call end; leave it out"))?;
        check(time.is_none_or(|time| time <= Deadline::LONGEST), || {
            format!("the {name} is above {}, the longest that a call may take", show(Deadline::LONGEST))
        })?;
    }
    match (slots.attempt_timeout, slots.total_timeout) {
        (Some(attempt), Some(total)) => check(attempt <= total, || {
            let (attempt, total) = (show(attempt), show(total));
            format!("the attempt timeout of {attempt} is above the total timeout of {total}; shorten it")
        }),
        _ => Ok(()),
    }
}

fn rate_limit(slot: &RateLimitSlot) -> Found {
    check(slot.cost > 0, || "a rate limit that costs nothing limits nothing; set a cost of 1".to_owned())?;
    if let RateKey::Constant(key) = &slot.key {
        check(!key.is_empty(), || "the key of the rate limit is empty; name one".to_owned())?;
    }
    let rules = slot.limiter.rules();
    let never = rules.iter().find(|rule| rule.most_at_once() < slot.cost);
    never.map_or(Ok(()), |rule| {
        let (cost, most) = (slot.cost, rule.most_at_once());
        Err(format!("a call costs {cost} and rule {} never allows more than {most} at once", rule.name))
    })
}

fn retries(retry: &Retry, slots: &Slots) -> Found {
    check(retry.attempts > 0, || "0 attempts call nobody; 1 attempt means no retry".to_owned())?;
    retry.backoff.contradiction().map_or(Ok(()), Err)?;
    if retry.attempts > 1 {
        let first = retry.backoff.first();
        below("the first wait between attempts", first, "total timeout", slots.total_timeout)?;
        let needs = retry.attempt_needs;
        if !needs.is_zero() {
            below("what an attempt needs", needs, "total timeout", slots.total_timeout)?;
            below("what an attempt needs", needs, "attempt timeout", slots.attempt_timeout)?;
        }
    }
    Ok(())
}

fn hedges(hedge: &Hedge, slots: &Slots) -> Found {
    check(!hedge.delay.is_zero(), || {
        "a hedge after no delay doubles every call; set one that few answers exceed".to_owned()
    })?;
    check(hedge.most > 0, || "a hedge of 0 attempts never hedges; leave it out".to_owned())?;
    below("the delay of the hedge", hedge.delay, "attempt timeout", slots.attempt_timeout)?;
    below("the delay of the hedge", hedge.delay, "total timeout", slots.total_timeout)
}

fn breaker(rules: &CircuitBreaker, slots: &Slots) -> Found {
    for (name, rate) in [("failure rate", rules.failure_rate), ("slow call rate", rules.slow_call_rate)] {
        check(rate > 0.0 && rate <= 1.0, || {
            format!("a {name} of {rate} is not above 0 and at most 1; 0.5 is half of the calls")
        })?;
    }
    check(rules.probes > 0, || "a circuit breaker with 0 probes never closes again; set 1".to_owned())?;
    check(rules.minimum_calls > 0, || "the minimum of calls is 0; set 1 at least".to_owned())?;
    check(!rules.open_for.is_zero(), || {
        "a circuit breaker that opens for no time protects nobody".to_owned()
    })?;
    match rules.window {
        Window::Calls(calls) => {
            let most = Window::MOST_CALLS;
            check(calls <= most, || format!("a window of {calls} calls is above the limit of {most}"))?;
            let minimum = rules.minimum_calls;
            check(calls >= minimum, || {
                format!("a window of {calls} calls never holds the minimum of {minimum}; widen it")
            })?;
        }
        Window::Time(time) => {
            check(!time.is_zero(), || "the window of the breaker is of no time".to_owned())?
        }
    }
    let Some(slow) = rules.slow_call else { return Ok(()) };
    check(!slow.is_zero(), || "every call takes longer than a slow call of zero; raise it".to_owned())?;
    below("a slow call", slow, "attempt timeout", slots.attempt_timeout)?;
    below("a slow call", slow, "total timeout", slots.total_timeout)
}

fn bulkhead(rules: &Bulkhead, slots: &Slots) -> Found {
    let Bulkhead { concurrency, queue, longest_wait } = *rules;
    check(concurrency > 0, || "a bulkhead with 0 places lets no call through; set 1 at least".to_owned())?;
    check(concurrency <= Semaphore::MAX_PERMITS, || format!("{concurrency} places are above every limit"))?;
    if queue == 0 {
        return Ok(());
    }
    check(!longest_wait.is_zero(), || "a queue in which nobody may wait; set a longest wait".to_owned())?;
    below("the longest wait for a place", longest_wait, "total timeout", slots.total_timeout)
}

fn budget(slots: &Slots) -> Found {
    let Some(budget) = slots.budget() else { return Ok(()) };
    check((0.0..=1.0).contains(&budget.ratio), || {
        format!("a retry budget of {} of the calls is not between 0 and 1", budget.ratio)
    })?;
    let repeats = slots.hedge.is_some() || slots.retry.as_ref().is_some_and(|retry| retry.attempts > 1);
    check(!repeats || budget.ratio > 0.0 || budget.reserve > 0, || {
        "retries or hedges stand beside a budget that pays for none; raise it or leave them out".to_owned()
    })
}
