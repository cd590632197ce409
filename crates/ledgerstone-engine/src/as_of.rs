//! Points in the past of an aggregate.

use std::time::Duration;

use ledgerstone_core::{Revision, TimeRange, Timestamp};

use crate::loaded::Bounds;

/// Up to where the past is told, both kinds of end included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// As it stood right after the event of this revision.
    Revision(Revision),
    /// As this store knew it at this time.
    RecordedAt(Timestamp),
    /// As it was at this time, by what is known today; an event without a time of its own happened
    /// when it was recorded.
    OccurredAt(Timestamp),
}

impl AsOf {
    pub(crate) fn bounds(self) -> Bounds {
        // Times are whole microseconds, and the end of a span is not part of it.
        let until = |time: Timestamp| TimeRange { from: None, to: Some(time.plus(Duration::from_micros(1))) };
        match self {
            Self::Revision(revision) => Bounds { to_revision: Some(revision), ..Bounds::default() },
            Self::RecordedAt(time) => Bounds { recorded: until(time), ..Bounds::default() },
            Self::OccurredAt(time) => Bounds { occurred: until(time), ..Bounds::default() },
        }
    }
}

impl std::fmt::Display for AsOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Revision(revision) => write!(f, "revision {revision}"),
            Self::RecordedAt(time) => write!(f, "what was recorded at {time}"),
            Self::OccurredAt(time) => write!(f, "what had occurred at {time}"),
        }
    }
}
