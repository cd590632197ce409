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
    let found: Vec<&RecordedEvent> = reading.frames.iter().flat_map(|frame| &frame.events).collect();
    check_frames(reading)?;
    let end = end_of(order, reading, &found)?;
    let log = &history.log[selection.log as usize];
    let mut expected: Vec<&RecordedEvent> =
        log.iter().filter(|event| event.position() <= end && selection.matches(event)).collect();
    if selection.direction == Direction::Backwards {
        expected.reverse();
    }
    let limit = selection.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    expected.truncate(limit);
    let positions = |events: &[&RecordedEvent]| -> Vec<Position> {
        events.iter().map(|event| event.position()).collect()
    };
    let (is, should) = (positions(&found), positions(&expected));
    holds!(
        6,
        is == should,
        "a reading by {:?} found {is:?} and should find {should:?}: {selection:?}",
        reading.span
    );
    for (found, expected) in found.iter().zip(&expected) {
        let same = found.id() == expected.id() && found.payload() == expected.payload();
        holds!(7, same, "a reading found {found:?} where {expected:?} stands");
    }
    check_top(order, &found, reading)
}

fn check_frames(reading: &Reading) -> Checked {
    let selection = &reading.selection;
    let holes = reading.frames.iter().any(|frame| !frame.holes.is_empty());
    holds!(10, !holes, "a reading tells of holes where nothing was removed: {selection:?}");
    let backwards = selection.direction == Direction::Backwards;
    let passed = reading.frames.iter().map(|frame| frame.read_to);
    let ordered = passed.is_sorted_by(|one, next| if backwards { one >= next } else { one <= next });
    holds!(6, ordered, "a reading passes positions in disorder: {selection:?}");
    Ok(())
}

/// Returns how far a reading must have seen at least: to its end if it tells where that is, else to what it shows
/// and what somebody knew before.
fn end_of(order: &[&Asked<'_>], reading: &Reading, found: &[&RecordedEvent]) -> Checked<Position> {
    let selection = &reading.selection;
    let full = selection.limit.is_some_and(|limit| found.len() as u64 >= limit);
    let shown = found.iter().map(|event| event.position()).max().unwrap_or_default();
    if selection.direction == Direction::Backwards {
        return Ok(shown.max(least(order, selection.log, reading.span)));
    }
    if full {
        return Ok(shown);
    }
    let end = reading.frames.last().map_or(selection.after, |frame| frame.read_to);
    check_head(order, selection.log, end, reading.span)?;
    Ok(end)
}

/// Checks that a reading backwards begins with the last event that it could show of a batch.
fn check_top(order: &[&Asked<'_>], found: &[&RecordedEvent], reading: &Reading) -> Checked {
    let selection = &reading.selection;
    let Some(top) = found.first().filter(|_| selection.direction == Direction::Backwards) else {
        return Ok(());
    };
    let batch = order.iter().find(|batch| batch.last().of(selection.log) >= top.position());
    let events = batch.map(|batch| batch.events_of(selection.log)).unwrap_or_default();
    let last = events.iter().rfind(|event| selection.matches(event)).map(RecordedEvent::position);
    let whole = last == Some(top.position());
    holds!(
        6,
        whole,
        "a reading backwards begins at {} within a batch, which goes on to {last:?}",
        top.position()
    );
    Ok(())
}
