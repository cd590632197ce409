//! Readings: each yields what the log holds up to a head that it may have found.

use ledgerstone_core::{Direction, Position, RecordedEvent};

use super::attempt::Reading;
use super::commits::Asked;
use super::observations::{check_head, least};
use super::verdict::History;
use super::violation::{Checked, holds};

/// Checks every reading.
pub(super) fn check(history: &History, order: &[&Asked<'_>]) -> Checked {
    history.readings.iter().try_for_each(|reading| check_reading(history, order, reading))
}

fn check_reading(history: &History, order: &[&Asked<'_>], reading: &Reading) -> Checked {
    let selection = &reading.selection;
    let log = &history.log[selection.log as usize];
    let found: Vec<&RecordedEvent> = reading.frames.iter().flat_map(|frame| &frame.events).collect();
    let holes = reading.frames.iter().any(|frame| !frame.holes.is_empty());
    holds!(10, !holes, "a reading tells of holes where nothing was removed: {selection:?}");
    let backwards = selection.direction == Direction::Backwards;
    let mut passed = reading.frames.iter().map(|frame| frame.read_to);
    let ordered = passed.by_ref().is_sorted_by(|one, next| if backwards { one >= next } else { one <= next });
    holds!(6, ordered, "a reading passes positions in disorder: {selection:?}");
    let full = selection.limit.is_some_and(|limit| found.len() as u64 >= limit);
    let end = if backwards || full {
        // How far it could see is not told: what somebody knew before, and whatever of the rest it shows.
        let shown = found.iter().map(|event| event.position()).max().unwrap_or_default();
        let least = if backwards || !full { least(order, selection.log, reading.span) } else { shown };
        shown.max(least)
    } else {
        let end = reading.frames.last().map_or(selection.after, |frame| frame.read_to);
        check_head(order, selection.log, end, reading.span)?;
        end
    };
    let mut expected: Vec<&RecordedEvent> =
        log.iter().filter(|event| event.position() <= end && selection.matches(event)).collect();
    if backwards {
        expected.reverse();
    }
    let limit = selection.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    expected.truncate(limit);
    let positions = |events: &[&RecordedEvent]| -> Vec<Position> {
        events.iter().map(|event| event.position()).collect()
    };
    let (is, should) = (positions(&found), positions(&expected));
    holds!(6, is == should, "a reading by {:?} found {is:?} and should find {should:?}: {selection:?}", reading.span);
    for (found, expected) in found.iter().zip(&expected) {
        let same = found.id() == expected.id() && found.payload() == expected.payload();
        holds!(6, same, "a reading found {found:?} where {expected:?} stands");
    }
    let early = order.iter().find(|batch| {
        let first = batch.events_of(selection.log).first().map(RecordedEvent::position);
        batch.from > reading.span.to && first.is_some_and(|first| is.contains(&first))
    });
    holds!(6, early.is_none(), "a reading by {:?} found what was asked for later: {early:?}", reading.span);
    check_whole(order, selection.log, &found, reading)
}

/// Checks that a reading of everything shows no batch in part; only a limit may cut one off.
fn check_whole(
    order: &[&Asked<'_>],
    log: ledgerstone_core::LogKind,
    found: &[&RecordedEvent],
    reading: &Reading,
) -> Checked {
    let selection = &reading.selection;
    if !selection.query.is_all() || selection.direction == Direction::Forwards {
        return Ok(());
    }
    // Backwards it begins at a head, which is the end of a batch of somebody.
    let Some(top) = found.first() else { return Ok(()) };
    let batch = order.iter().find(|batch| batch.last().of(log) >= top.position());
    let seen = batch.is_none_or(|batch| {
        let of_mine = |event: &&RecordedEvent| selection.matches(event);
        let last = batch.events_of(log).iter().rfind(of_mine);
        last.is_none_or(|last| last.position() == top.position())
    });
    holds!(6, seen, "a reading backwards begins within a batch, at {}", top.position());
    Ok(())
}
