//! Answers: what was told of a batch is what the log shows, and a refusal was right at some moment of its call.

use ledgerstone_core::{Appended, Position, Refusal};

use super::attempt::{Attempt, Outcome};
use super::commits::{Asked, COUNTS};
use super::replay::{Replay, applied};
use super::violation::{Checked, Violation, holds};

/// Checks what every caller of an append was answered.
pub(super) fn check(asked: &[Asked<'_>], order: &[&Asked<'_>], replay: &Replay<'_>) -> Checked {
    for batch in asked {
        check_first_answer(batch)?;
        for attempt in &batch.attempts {
            match &attempt.outcome {
                Outcome::Appended(appended) => check_appended(batch, appended)?,
                Outcome::Refused(refusal) => check_refusal(batch, attempt, refusal, order, replay)?,
                Outcome::Failed(error) => check_failed(batch, attempt, error)?,
                Outcome::Unknown(_) => {}
            }
        }
    }
    Ok(())
}

/// Checks that one caller at most was told that the batch was new, and none after another had been answered.
fn check_first_answer(asked: &Asked<'_>) -> Checked {
    let answers = asked.attempts.iter().filter_map(|attempt| match &attempt.outcome {
        Outcome::Appended(appended) => Some((attempt, appended.repeated)),
        _ => None,
    });
    let first: Vec<_> = answers.clone().filter(|(_, repeated)| !repeated).collect();
    let at = asked.last();
    holds!(4, first.len() <= 1, "the batch at {at:?} was told {} times to be new", first.len());
    let uncertain = asked.attempts.iter().any(|attempt| matches!(attempt.outcome, Outcome::Unknown(_)));
    let told = answers.clone().next().is_none() || uncertain || !first.is_empty();
    holds!(4, told, "nobody was told that the batch at {at:?} was new");
    let Some((first, _)) = first.first() else { return Ok(()) };
    let earlier = answers.clone().any(|(other, _)| other.span.to < first.span.from);
    holds!(4, !earlier, "the batch at {at:?} was told to be new after it had been acknowledged");
    Ok(())
}

/// Checks that an answer tells the places where the events stand.
fn check_appended(asked: &Asked<'_>, answer: &Appended) -> Checked {
    let at = asked.last();
    holds!(4, answer.last == at, "the batch at {at:?} was told to end at {:?}", answer.last);
    let mut rest = COUNTS.map(|log| asked.events_of(log).iter());
    let appends = asked.batch.appends.len();
    holds!(4, answer.ranges.len() == appends, "the batch at {at:?} was told {} ranges", answer.ranges.len());
    for (append, range) in asked.batch.appends.iter().zip(&answer.ranges) {
        let mut events = rest[append.log() as usize].by_ref().take(append.events.len());
        let first = events.next();
        let last = events.last().or(first);
        let place = |event: Option<&ledgerstone_core::RecordedEvent>| event.map(|event| event.position());
        let same = place(first) == Some(range.first)
            && place(last) == Some(range.last)
            && last.and_then(|event| event.revision()) == range.revision;
        holds!(4, same, "the batch at {at:?} was told {range:?} of {:?}", append.stream);
        let time = first.map(|event| event.recorded_at());
        holds!(
            14,
            time == Some(answer.recorded_at),
            "the batch at {at:?} was told another time than its own"
        );
    }
    Ok(())
}

/// Checks that a failed append left no trace, unless somebody else asked for the same.
fn check_failed(asked: &Asked<'_>, attempt: &Attempt, error: &str) -> Checked {
    let alone = asked.attempts.iter().all(|other| std::ptr::eq(*other, attempt));
    let trace = alone && asked.is_recorded();
    holds!(1, !trace, "the batch at {:?} was told to have failed: {error}", asked.last());
    Ok(())
}

/// Checks that a refusal was right at some moment between the call and its answer.
fn check_refusal(
    asked: &Asked<'_>,
    attempt: &Attempt,
    refusal: &Refusal,
    order: &[&Asked<'_>],
    replay: &Replay<'_>,
) -> Checked {
    let others = asked.attempts.iter().any(|other| !std::ptr::eq(*other, attempt));
    let trace = asked.is_recorded() && !others;
    holds!(1, !trace, "the batch at {:?} was refused: {refusal}", asked.last());
    let least = order.iter().rposition(|batch| batch.known < attempt.span.from).map_or(0, |at| at + 1);
    let most = order.iter().position(|batch| batch.from > attempt.span.to).unwrap_or(order.len());
    let own = order.iter().position(|batch| std::ptr::eq(*batch, asked)).unwrap_or(order.len());
    let right = (least..=most.min(own)).any(|batches| is_right(asked, refusal, order, batches, replay));
    if right {
        return Ok(());
    }
    let what = format_args!(
        "a refusal was never right between {least} and {most} batches ({:?}): {refusal} ({:?})",
        attempt.span, asked.batch
    );
    Err(Violation::of(promise_of(refusal), what))
}

fn promise_of(refusal: &Refusal) -> u32 {
    match refusal {
        Refusal::ConditionFailed { .. } | Refusal::BeyondHead { .. } => 3,
        Refusal::IdReused { .. } => 4,
        Refusal::MarkNotMet { .. } => 11,
        _ => 2,
    }
}

/// Tells whether a refusal is right after so many batches, of which the batch itself is none.
fn is_right(
    asked: &Asked<'_>,
    refusal: &Refusal,
    order: &[&Asked<'_>],
    batches: usize,
    replay: &Replay<'_>,
) -> bool {
    let (batch, tenant) = (asked.batch, &asked.batch.tenant);
    let head = replay.head(batches);
    let condition = batch.condition.as_ref();
    match refusal {
        Refusal::WrongRevision { stream, expected, actual } => batch.appends.iter().any(|append| {
            let state = replay.stream((append.log(), tenant.as_str(), stream.as_str()), batches);
            append.stream.as_ref() == Some(stream)
                && append.expected == *expected
                && state == *actual
                && !expected.holds(state)
        }),
        Refusal::ConditionFailed { position } => condition.is_some_and(|condition| {
            let seen = *position > condition.after && *position <= head;
            seen && replay.find(tenant, condition, batches).is_some()
                && matches_at(replay, asked, *position, batches)
        }),
        Refusal::BeyondHead { position, head: told } => {
            condition.is_some_and(|condition| condition.after == *position)
                && *told == head
                && *position > head
        }
        Refusal::IdReused { id } => {
            let known = order.get(..batches).unwrap_or_default().iter().flat_map(|other| &other.events);
            let known = known.flat_map(|events| events.iter());
            let mut known = known.filter(|event| event.tenant() == tenant.as_str());
            batch.events().any(|event| event.id == *id) && known.any(|event| event.id() == *id)
        }
        Refusal::MarkNotMet { name, version, number } => {
            let current = replay.mark(tenant, name, batches);
            let told = current.map_or((0, 0), |mark| (mark.version, mark.number)) == (*version, *number);
            let change = batch.marks.iter().find(|change| change.name() == name);
            let met = |change| applied(change, tenant, current, replay.retired(batches)).is_some();
            told && change.is_some_and(|change| !met(change))
        }
        // Nothing is removed in a history.
        _ => false,
    }
}

/// Tells whether the condition of a batch sees the event at a position.
fn matches_at(replay: &Replay<'_>, asked: &Asked<'_>, position: Position, batches: usize) -> bool {
    let Some(condition) = &asked.batch.condition else { return false };
    let just_before = Position(position.0.saturating_sub(1));
    let only = ledgerstone_core::AppendCondition { after: just_before, ..condition.clone() };
    replay.find(&asked.batch.tenant, &only, batches) == Some(position)
}
