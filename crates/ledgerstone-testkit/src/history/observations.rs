//! Who knew what, and when: what was acknowledged, read or told of is known from then on.

use ledgerstone_core::{Direction, Heads, LogKind, Position};

use super::attempt::{Reading, Span};
use super::commits::{Asked, COUNTS};
use super::verdict::History;
use super::violation::{Checked, Violation, holds};

/// Notes for each batch when somebody saw it first.
pub(super) fn note_what_was_seen(history: &History, asked: &mut [Asked<'_>]) {
    for log in COUNTS {
        // By position: when somebody saw first that the log reaches there.
        let mut seen = vec![u64::MAX; history.log[log as usize].len() + 1];
        let mut note = |position: Position, when: u64| {
            let at = usize::try_from(position.0).unwrap_or(usize::MAX);
            if let Some(seen) = seen.get_mut(at) {
                *seen = when.min(*seen);
            }
        };
        for reading in history.readings.iter().filter(|reading| reading.selection.log == log) {
            note(furthest(reading), reading.span.to);
        }
        for sighting in &history.sightings {
            note(sighting.heads.of(log), sighting.span.to);
        }
        for at in (1..seen.len()).rev() {
            seen[at - 1] = seen[at - 1].min(seen[at]);
        }
        for batch in asked.iter_mut().filter(|batch| !batch.events_of(log).is_empty()) {
            let last = usize::try_from(batch.last().of(log).0).unwrap_or(usize::MAX);
            batch.known = seen.get(last).copied().unwrap_or(u64::MAX).min(batch.known);
        }
    }
}

/// Returns the furthest position that a reading shows to be there.
fn furthest(reading: &Reading) -> Position {
    let events = reading.frames.iter().flat_map(|frame| &frame.events).map(|event| event.position());
    let forwards = reading.selection.direction == Direction::Forwards;
    let passed = reading.frames.iter().map(|frame| frame.read_to).filter(|_| forwards);
    events.chain(passed).max().unwrap_or_default()
}

/// Returns the heads that a call in this span must have found at least: of what somebody knew before it.
pub(super) fn least(order: &[&Asked<'_>], log: LogKind, span: Span) -> Position {
    let known = order.iter().filter(|batch| batch.known < span.from);
    known.map(|batch| batch.last().of(log)).max().unwrap_or_default()
}

/// Checks a head that a call in this span found: not less than somebody knew before, nothing that was asked for
/// later, and no part of a batch.
pub(super) fn check_head(order: &[&Asked<'_>], log: LogKind, head: Position, span: Span) -> Checked {
    let least = least(order, log, span);
    holds!(6, head >= least, "{log:?} was found to end at {head} by {span:?}, and {least} was known before");
    if head == Position::START {
        return Ok(());
    }
    let batch = order.iter().find(|batch| batch.last().of(log) >= head);
    let Some(batch) = batch else {
        return Err(Violation::of(
            6,
            format_args!("{log:?} was found to end at {head}, which is beyond its end"),
        ));
    };
    let last = batch.last().of(log);
    holds!(6, last == head, "{log:?} was found to end at {head}, within the batch that ends at {last}");
    holds!(6, batch.from < span.to, "the batch at {last} was found by {span:?} before anybody asked for it");
    Ok(())
}

/// Checks the heads that callers were told.
pub(super) fn check(history: &History, order: &[&Asked<'_>]) -> Checked {
    for sighting in &history.sightings {
        for log in COUNTS {
            check_head(order, log, sighting.heads.of(log), sighting.span)?;
        }
    }
    let mut before: Vec<(usize, Heads)> = Vec::new();
    for sighting in &history.sightings {
        let Some(follower) = sighting.follower else { continue };
        let newest = before.iter_mut().find(|(other, _)| *other == follower);
        let Some((_, newest)) = newest else {
            before.push((follower, sighting.heads));
            continue;
        };
        for log in COUNTS {
            let (now, told) = (sighting.heads.of(log), newest.of(log));
            holds!(9, now >= told, "a follower was told {now} after {told}");
        }
        *newest = sighting.heads;
    }
    Ok(())
}
