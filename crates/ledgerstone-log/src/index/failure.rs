//! What can go wrong with a run: whatever it is, the run can be made again from the log.

use std::io;

use crate::failure::LogError;

/// Why a run was not written or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The disk failed.
    #[error("{operation} of an index failed: {source}")]
    Disk {
        /// What was done.
        operation: &'static str,
        /// How the disk put it.
        source: io::Error,
    },
    /// The file is not what was written, or no index at all; make it again from the log.
    #[error("an index is damaged at byte {at}: {why}; it has to be made again")]
    Damaged {
        /// Where in the file.
        at: u64,
        /// What is wrong there.
        why: &'static str,
    },
    /// A newer version wrote the file; make it again from the log.
    #[error("an index has format {found} and this version knows {known}; it has to be made again")]
    Newer {
        /// The format it has.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// What is to be indexed does not come in the promised order.
    #[error("an index was fed out of order: {0}")]
    Disordered(&'static str),
    /// What is to be read is not in memory, and the caller does not want to wait.
    #[error("the disk would have to be waited for")]
    WouldWait,
    /// The caller wanted a merge to end.
    #[error("the merge was stopped")]
    Stopped,
}

impl IndexError {
    /// Returns what makes a failure of the disk an error of the index.
    pub(super) fn disk(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Disk { operation, source }
    }

    /// Returns what makes a failed read at a place an error: a file that ends too early is damaged.
    pub(super) fn reading(at: u64) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged { at, why: "the file ends too early" },
            _ => Self::Disk { operation: "reading", source },
        }
    }
}

impl From<IndexError> for LogError {
    fn from(error: IndexError) -> Self {
        let file = || "an index".to_owned();
        match error {
            IndexError::Disk { operation, source } => Self::Disk { operation, file: file(), source },
            IndexError::Damaged { at, why } => Self::Damaged { file: file(), at, why: why.to_owned() },
            IndexError::Newer { found, known } => Self::Newer { file: file(), found, known },
            IndexError::Disordered(_) | IndexError::Stopped => Self::Mixed(error.to_string()),
            IndexError::WouldWait => Self::WouldWait,
        }
    }
}
