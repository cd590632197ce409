//! A history, and whether a store that keeps its promises could have answered so.

use ledgerstone_core::{Heads, Mark, RecordedEvent};

use super::attempt::{Attempt, Outcome, Reading, Sighting};
use super::commits::{asked, in_order};
use super::replay::Replay;
use super::violation::Violation;
use super::{numbers, observations, readings, refusals};

/// What callers did with a store that was empty before, and what it holds now that they have ended.
#[derive(Debug, Clone)]
pub struct History {
    /// The appends.
    pub attempts: Vec<Attempt>,
    /// The readings.
    pub readings: Vec<Reading>,
    /// The heads that callers were told.
    pub sightings: Vec<Sighting>,
    /// Every event, by count.
    pub log: [Vec<RecordedEvent>; 2],
    /// The heads.
    pub heads: Heads,
    /// The marks.
    pub marks: Vec<Mark>,
}

impl History {
    /// Checks whether a store that keeps its promises could have answered so.
    pub fn check(&self) -> Result<(), Violation> {
        let mut batches = asked(self)?;
        numbers::check(self)?;
        observations::note_what_was_seen(self, &mut batches);
        let order = in_order(&batches)?;
        let replay = Replay::of(self, &order)?;
        replay.check_marks(self)?;
        refusals::check(&batches, &order, &replay)?;
        observations::check(self, &order)?;
        readings::check(self, &order)
    }

    /// Returns how many appends were recorded, refused, and left without a certain answer.
    pub fn answers(&self) -> (usize, usize, usize) {
        let count = |wanted: fn(&Outcome) -> bool| {
            self.attempts.iter().filter(|attempt| wanted(&attempt.outcome)).count()
        };
        (
            count(|outcome| matches!(outcome, Outcome::Appended(_))),
            count(|outcome| matches!(outcome, Outcome::Refused(_))),
            count(|outcome| matches!(outcome, Outcome::Unknown(_))),
        )
    }
}
