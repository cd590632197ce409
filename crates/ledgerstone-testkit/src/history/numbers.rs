//! Positions, revisions and times: each follows from the one before.

use std::collections::HashMap;

use ledgerstone_core::{Position, Revision};

use super::commits::COUNTS;
use super::verdict::History;
use super::violation::{Checked, holds};

/// Checks that no number was left out or used twice, that the heads are the last ones, and that time never falls.
pub(super) fn check(history: &History) -> Checked {
    for log in COUNTS {
        let mut revisions = HashMap::new();
        let mut before = None;
        for (event, position) in history.log[log as usize].iter().zip(1..) {
            holds!(5, event.position() == Position(position), "position {position} of {log:?} is missing");
            if let Some((stream, revision)) = event.stream().zip(event.revision()) {
                let next = revisions.entry((event.tenant(), stream)).or_insert(Revision::FIRST);
                holds!(5, revision == *next, "{stream:?} goes on at {revision} where {next} follows");
                *next = next.next();
            }
            let time = Some(event.recorded_at());
            holds!(14, time >= before, "the event at {position} was recorded before its predecessor");
            before = time;
        }
        let last = Position(history.log[log as usize].len() as u64);
        let head = history.heads.of(log);
        holds!(5, head == last, "the head of {log:?} is told to be {head}, and the last event is {last}");
    }
    Ok(())
}
