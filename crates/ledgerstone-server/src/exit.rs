//! Exit codes: what a script learns from a command without reading what it printed.

use std::process::ExitCode;

use ledgerstone::core::{Code, ErrorKind};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It failed for a reason that has no code of its own below.
    Failed = 1,
    /// The command line, the configuration, the token or the input is wrong.
    Usage = 2,
    /// A guard refused: a revision, a condition, a mark, an id, a tombstone.
    Refused = 3,
    /// What was named does not exist.
    NotFound = 4,
    /// It may work later: the store is owned by another process, unreachable or slow.
    Unavailable = 5,
    /// It did what was asked, except for some rows that were rejected, or found problems.
    Partly = 6,
    /// The store cannot be used as it is: read-only, full, damaged, newer or foreign.
    Unusable = 7,
    /// It was interrupted; what it had done so far is consistent.
    Interrupted = 130,
}

impl Exit {
    /// Returns the exit code of a failure.
    pub fn of(kind: ErrorKind, code: Code) -> Self {
        match code {
            Code::Owned | Code::Unreachable | Code::Indeterminate | Code::WaitTimedOut => Self::Unavailable,
            Code::ReadOnly
            | Code::DiskFull
            | Code::NewerSchema
            | Code::ForeignData
            | Code::Corrupt
            | Code::BackupUnusable => Self::Unusable,
            Code::NotEmpty | Code::TruncationRefused | Code::CheckpointMoved => Self::Refused,
            Code::UnknownReadModel | Code::NotFound => Self::NotFound,
            Code::RowsRejected => Self::Partly,
            Code::Locator
            | Code::Configuration
            | Code::BindRefused
            | Code::Unauthorized
            | Code::InvalidInput
            | Code::TooLarge
            | Code::ForeignCursor
            | Code::ForeignPosition
            | Code::InvalidFilter
            | Code::InvalidDeclaration => Self::Usage,
            _ => Self::of_kind(kind),
        }
    }

    fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::Throttled => Self::Unavailable,
            ErrorKind::Conflict => Self::Refused,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Invalid | ErrorKind::Misconfigured => Self::Usage,
            ErrorKind::Corrupt => Self::Unusable,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
