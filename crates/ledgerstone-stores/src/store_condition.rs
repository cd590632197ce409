//! The condition of a store's files, as far as the process that has it open knows it.

use ledgerstone_log::{Condition, LogReader};

/// Tells in which condition the files of an open store are.
#[derive(Debug, Clone)]
pub struct StoreCondition(LogReader);

impl StoreCondition {
    #[cfg_attr(not(feature = "file"), expect(dead_code, reason = "no other store looks at its files"))]
    pub(crate) fn of(log: LogReader) -> Self {
        Self(log)
    }

    /// Returns what is known now.
    pub fn now(&self) -> Condition {
        self.0.condition()
    }
}
