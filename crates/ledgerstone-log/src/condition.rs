//! The condition of an open log: what was found damaged, and how far somebody has looked.

use std::time::Instant;

/// How many places are listed; of a disk that fails throughout, more tell nobody more.
const LISTED: usize = 100;

/// A place in a file whose bytes are not those that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// In which file.
    pub file: String,
    /// At which byte.
    pub at: u64,
    /// What is wrong there.
    pub why: String,
}

/// What is known of the files of a log since it was opened.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// What is wrong with the log, as the newest look at each segment found it.
    pub damages: Vec<Damage>,
    /// How many more places there are than are listed.
    pub unlisted: u64,
    /// How many bytes were looked at.
    pub scrubbed_bytes: u64,
    /// How often every closed segment was looked at.
    pub rounds: u64,
    /// When that was last done.
    pub last_round: Option<Instant>,
    /// How many indexes were found damaged.
    pub indexes_damaged: u64,
    /// How many of them were made again.
    pub indexes_made_again: u64,
}

impl Condition {
    /// Returns how many places are damaged.
    pub fn damage_count(&self) -> u64 {
        self.damages.len() as u64 + self.unlisted
    }

    /// Forgets what was found in a file, which is looked at again.
    pub(crate) fn forget(&mut self, file: &str) {
        self.damages.retain(|damage| damage.file != file);
    }

    pub(crate) fn add(&mut self, damage: Damage) {
        if self.damages.len() < LISTED {
            self.damages.push(damage);
        } else {
            self.unlisted += 1;
        }
    }
}
