//! The batches that stand in the log, whole, in an order that contradicts no caller's time.

use std::collections::HashMap;

use ledgerstone_core::{Batch, EventData, Heads, LogKind, RecordedEvent, StreamId};
use uuid::Uuid;

use super::attempt::{Attempt, Outcome};
use super::verdict::History;
use super::violation::{Checked, holds};

/// Both counts.
pub(super) const COUNTS: [LogKind; 2] = [LogKind::Application, LogKind::System];

/// A batch that was asked for, once or several times.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) batch: &'a Batch,
    pub(super) attempts: Vec<&'a Attempt>,
    /// Its events in the log, by count.
    pub(super) events: [&'a [RecordedEvent]; 2],
    /// When it was asked for first.
    pub(super) from: u64,
    /// When somebody knew first that it is there.
    pub(super) known: u64,
}

impl Asked<'_> {
    pub(super) fn is_recorded(&self) -> bool {
        self.events.iter().any(|events| !events.is_empty())
    }

    /// Returns its last positions, 0 in a count where it has none.
    pub(super) fn last(&self) -> Heads {
        let mut last = Heads::default();
        for log in COUNTS {
            if let Some(event) = self.events_of(log).last() {
                last.set(log, event.position());
            }
        }
        last
    }

    pub(super) fn events_of(&self, log: LogKind) -> &[RecordedEvent] {
        self.events.get(log as usize).copied().unwrap_or_default()
    }
}

/// Finds what was asked for, and where it stands in the log; whatever stands there was asked for, and is whole.
pub(super) fn asked(history: &History) -> Checked<Vec<Asked<'_>>> {
    let mut asked: Vec<Asked<'_>> = Vec::new();
    let mut numbers: HashMap<Vec<Uuid>, usize> = HashMap::new();
    for attempt in &history.attempts {
        let ids = attempt.batch.events().map(|event| event.id).collect();
        let number = *numbers.entry(ids).or_insert(asked.len());
        if number == asked.len() {
            let none: [&[RecordedEvent]; 2] = [&[], &[]];
            let from = attempt.span.from;
            asked.push(Asked {
                batch: &attempt.batch,
                attempts: Vec::new(),
                events: none,
                from,
                known: u64::MAX,
            });
        }
        if let Some(batch) = asked.get_mut(number) {
            batch.attempts.push(attempt);
            batch.from = batch.from.min(attempt.span.from);
            if matches!(attempt.outcome, Outcome::Appended(_)) {
                batch.known = batch.known.min(attempt.span.to);
            }
        }
    }
    for log in COUNTS {
        place(&mut asked, &history.log[log as usize], log)?;
    }
    asked.iter().try_for_each(check_whole)?;
    Ok(asked)
}

/// Gives each batch the run of events that is its own.
fn place<'a>(asked: &mut [Asked<'a>], log: &'a [RecordedEvent], kind: LogKind) -> Checked {
    let ids_of = |batch: &Batch| -> Vec<Uuid> {
        batch.events().filter(|event| event.log() == kind).map(|event| event.id).collect()
    };
    let by_ids: HashMap<Vec<Uuid>, usize> =
        asked.iter().enumerate().map(|(number, asked)| (ids_of(asked.batch), number)).collect();
    let mut from = 0;
    while let Some(first) = log.get(from) {
        let at = first.position();
        holds!(1, first.is_batch_first(), "at {at} a batch begins whose beginning is missing");
        let rest = log.get(from..).unwrap_or_default();
        let last = rest.iter().position(RecordedEvent::is_batch_last);
        let run = last.and_then(|last| rest.get(..=last));
        let Some(run) = run else {
            return Err(super::violation::Violation::of(1, format_args!("the batch at {at} has no end")));
        };
        let ids: Vec<Uuid> = run.iter().map(RecordedEvent::id).collect();
        let number = by_ids.get(&ids).copied();
        let batch = number.and_then(|number| asked.get_mut(number));
        let Some(batch) = batch else {
            let what = format_args!("nobody asked for a batch like that at {at}: {run:?}");
            return Err(super::violation::Violation::of(1, what));
        };
        let twice = !batch.events_of(kind).is_empty();
        holds!(4, !twice, "the batch at {at} was recorded before, at {:?}", batch.last());
        if let Some(events) = batch.events.get_mut(kind as usize) {
            *events = run;
        }
        from += run.len();
    }
    Ok(())
}

/// Checks that a batch is there whole or not at all, and says what was asked.
fn check_whole(asked: &Asked<'_>) -> Checked {
    let acknowledged = asked.attempts.iter().any(|attempt| matches!(attempt.outcome, Outcome::Appended(_)));
    if !asked.is_recorded() {
        holds!(15, !acknowledged, "an acknowledged batch is not there: {:?}", asked.batch);
        return Ok(());
    }
    for log in COUNTS {
        let given = asked.batch.appends.iter().filter(|append| append.log() == log);
        let given = given.flat_map(|append| append.events.iter().map(move |event| (append, event)));
        let mut there = asked.events_of(log).iter();
        for (append, event) in given {
            let Some(recorded) = there.next() else {
                return Err(super::violation::Violation::of(
                    1,
                    format_args!("a batch is there in one count only: {:?}", asked.batch),
                ));
            };
            check_same(asked.batch, append.stream.as_ref(), event, recorded)?;
        }
    }
    Ok(())
}

fn check_same(
    batch: &Batch,
    stream: Option<&StreamId>,
    given: &EventData,
    recorded: &RecordedEvent,
) -> Checked {
    let at = recorded.position();
    let same = recorded.to_data().is_ok_and(|data| data == *given);
    holds!(7, same, "the event at {at} is not what was given: {recorded:?} and {given:?}");
    let place = (recorded.tenant(), recorded.stream());
    let asked = (batch.tenant.as_str(), stream.map(StreamId::as_str));
    holds!(7, place == asked, "the event at {at} stands in {place:?} and was meant for {asked:?}");
    Ok(())
}

/// Puts the recorded batches into the order of their positions in both counts, in which none may stand before
/// another that somebody knew of before it was asked for.
pub(super) fn in_order<'a, 'b>(asked: &'b [Asked<'a>]) -> Checked<Vec<&'b Asked<'a>>> {
    let chain = |log: LogKind| {
        let mut chain: Vec<&Asked<'_>> =
            asked.iter().filter(|batch| !batch.events_of(log).is_empty()).collect();
        chain.sort_by_key(|batch| batch.last().of(log));
        chain
    };
    let chains = COUNTS.map(chain);
    let earliest = chains.each_ref().map(|chain| earliest_known(chain));
    let mut at = [0, 0];
    let mut order = Vec::new();
    while at.iter().zip(&chains).any(|(at, chain)| *at < chain.len()) {
        let due = |count: usize| earliest[count].get(at[count]).copied().unwrap_or(u64::MAX);
        let due = due(0).min(due(1));
        let next = COUNTS.iter().find_map(|log| {
            let batch = *chains[*log as usize].get(at[*log as usize])?;
            // A batch of both counts comes when it is its turn in both.
            let its_turn = COUNTS.iter().all(|other| {
                batch.events_of(*other).is_empty()
                    || chains[*other as usize]
                        .get(at[*other as usize])
                        .is_some_and(|head| std::ptr::eq(*head, batch))
            });
            (its_turn && batch.from <= due).then_some(batch)
        });
        let Some(next) = next else {
            let stands = at.map(|at| at + 1);
            let what = format_args!(
                "the order contradicts what callers knew, from batches {stands:?} of the counts on"
            );
            return Err(super::violation::Violation::of(5, what));
        };
        for log in COUNTS {
            at[log as usize] += usize::from(!next.events_of(log).is_empty());
        }
        order.push(next);
    }
    Ok(order)
}

/// Returns for each place of a chain when somebody knew first of a batch there or later.
fn earliest_known(chain: &[&Asked<'_>]) -> Vec<u64> {
    let mut earliest = u64::MAX;
    let mut all: Vec<u64> = chain
        .iter()
        .rev()
        .map(|batch| {
            earliest = earliest.min(batch.known);
            earliest
        })
        .collect();
    all.reverse();
    all
}
