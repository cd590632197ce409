//! Inspection: what a look at a store's own files finds, below the port.

use serde::Serialize;

/// How many problems are listed; of a store that is damaged throughout, more tell nobody more.
const LISTED: usize = 100;

/// What a look at a store's own files found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Inspection {
    /// How many application events were looked at.
    pub application: u64,
    /// How many system events were looked at.
    pub system: u64,
    /// How many entries of the index were compared with the log, where that is part of the look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_entries: Option<u64>,
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<String>,
    /// How many more problems there are than are listed.
    pub unlisted: u64,
}

impl Inspection {
    /// Adds a problem, or counts it where enough are listed.
    pub fn problem(&mut self, problem: impl Into<String>) {
        if self.problems.len() < LISTED {
            self.problems.push(problem.into());
        } else {
            self.unlisted += 1;
        }
    }
}
