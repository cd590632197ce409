//! What can go wrong with a log, and where.

use std::io;

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The disk failed.
    #[error("{operation} of {file} failed: {source}")]
    Disk {
        /// What was done.
        operation: &'static str,
        /// With which file.
        file: String,
        /// How the disk put it.
        source: io::Error,
    },
    /// Bytes that were durable are not what was written.
    #[error("{file} is damaged at byte {at}: {why}")]
    Damaged {
        /// Which file.
        file: String,
        /// Where in the file.
        at: u64,
        /// What is wrong there.
        why: String,
    },
    /// The files do not belong together, or some are missing.
    #[error("the files of the log do not fit together: {0}")]
    Mixed(String),
    /// Another process has put a file in the place of a segment's, and it is not what scavenging made of that, or
    /// the log was just being opened.
    #[error("{file} was replaced since somebody looked at the log; open it again")]
    Replaced {
        /// The segment's file.
        file: String,
    },
    /// A newer version wrote the files.
    #[error("{file} has format {found} and this version knows {known}; use a newer ledgerstone")]
    Newer {
        /// Which file.
        file: String,
        /// The format it has.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// There is no archive, or it is another log's.
    #[error("{0}")]
    Archive(String),
    /// What is to be read is not in memory, and the caller does not want to wait.
    #[error("the disk would have to be waited for")]
    WouldWait,
}

impl LogError {
    /// Returns what makes a failure of the disk an error of the log.
    pub(crate) fn disk(operation: &'static str, file: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Disk { operation, file, source }
    }

    pub(crate) fn damaged(file: impl Into<String>, at: u64, why: impl Into<String>) -> Self {
        Self::Damaged { file: file.into(), at, why: why.into() }
    }

    /// Tells whether the disk has no room left.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge))
    }

    /// Tells whether a file ends before it should, or is gone.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound))
    }

    /// Tells whether the disk takes no writes.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if matches!(source.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied))
    }
}
