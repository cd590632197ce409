//! Why a repository did not do what it was asked.

use std::convert::Infallible;

use ledgerstone_core::{
    Code, ErrorKind, EventStoreError, InvalidName, Retryable, Revision, StreamId, StreamState,
};

use crate::as_of::AsOf;
use crate::codec_error::CodecError;

/// Why a repository or a unit of work failed; `R` is the aggregate's own refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError<R = Infallible> {
    /// The aggregate refused the command.
    #[error("{0}")]
    Refused(R),
    /// Others kept changing the stream.
    #[error(
        "stream {stream} was changed by others in each of {attempts} attempts and stands at {actual}; try again later"
    )]
    Conflict {
        /// Which stream.
        stream: StreamId,
        /// Where it stands.
        actual: StreamState,
        /// How often it was tried.
        attempts: u32,
    },
    /// An event could not be encoded or decoded.
    #[error("stream {stream}: {error}")]
    Codec {
        /// Which stream.
        stream: StreamId,
        /// Why.
        #[source]
        error: CodecError,
    },
    /// The point lies before what is left of the stream.
    #[error("{as_of} of stream {stream} was removed; what is left begins at revision {first}")]
    Removed {
        /// Which stream.
        stream: StreamId,
        /// What was asked for.
        as_of: AsOf,
        /// The first revision that can be read.
        first: Revision,
    },
    /// The point lies beyond the newest event.
    #[error("{as_of} of stream {stream} does not exist; it stands at {actual}")]
    Beyond {
        /// Which stream.
        stream: StreamId,
        /// What was asked for.
        as_of: AsOf,
        /// Where the stream stands.
        actual: StreamState,
    },
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The event store failed or refused.
    #[error(transparent)]
    Store(#[from] EventStoreError),
}

impl<R> RepositoryError<R> {
    /// Returns the refusal, if the aggregate refused.
    pub fn refusal(&self) -> Option<&R> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) | Self::Name(_) => ErrorKind::Invalid,
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Codec { error, .. } => error.kind(),
            Self::Removed { .. } | Self::Beyond { .. } => ErrorKind::NotFound,
            Self::Store(error) => error.kind(),
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    ///
    /// A refusal is the aggregate's own affair; for an operator it is input that was not accepted.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(_) | Self::Name(_) => Code::InvalidInput,
            Self::Conflict { .. } => Code::WrongRevision,
            Self::Codec { error, .. } => error.code(),
            Self::Removed { .. } | Self::Beyond { .. } => Code::NotFound,
            Self::Store(error) => error.code(),
        }
    }

    /// Tells whether the same call may succeed if it is simply made again: a command may after a
    /// conflict, because it is decided anew.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Conflict { .. } => true,
            Self::Store(error) => error.is_retryable(),
            _ => false,
        }
    }
}

impl<R> Retryable for RepositoryError<R> {
    fn is_retryable(&self) -> bool {
        self.is_retryable()
    }
}
