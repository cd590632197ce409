//! When marks expire: the log keeps an expired one until its next segment, and its version counts at once.

use std::collections::BTreeMap;

use ledgerstone_core::{Mark, Timestamp};

/// The versions of marks, by when they expire.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    /// How many marks expire at a time with a version.
    coming: BTreeMap<(Timestamp, u64), usize>,
    /// The highest version of any that has expired.
    retired: u64,
}

impl Expiries {
    /// Takes all marks that there are, expired or not.
    pub(crate) fn of(marks: &[Mark]) -> Self {
        let mut expiries = Self::default();
        marks.iter().for_each(|mark| expiries.add(mark));
        expiries
    }

    /// Notes a mark that is there from now on.
    pub(crate) fn add(&mut self, mark: &Mark) {
        if let Some(at) = mark.expires_at {
            *self.coming.entry((at, mark.version)).or_default() += 1;
        }
    }

    /// Notes that a mark has changed or gone; nothing comes of it if it had expired before.
    pub(crate) fn remove(&mut self, mark: &Mark) {
        let Some(at) = mark.expires_at else { return };
        if let Some(marks) = self.coming.get_mut(&(at, mark.version)) {
            *marks -= 1;
            if *marks == 0 {
                self.coming.remove(&(at, mark.version));
            }
        }
    }

    /// Returns the highest version of any mark that has expired.
    pub(crate) fn retired(&mut self, now: Timestamp) -> u64 {
        while let Some(expired) = self.coming.first_entry().filter(|marks| marks.key().0 <= now) {
            self.retired = self.retired.max(expired.key().1);
            expired.remove();
        }
        self.retired
    }
}
