//! Why a read model did not do what it was asked.

use std::time::Duration;

use ledgerstone_core::{
    BackendError, Code, CollectionName, DocumentStoreError, ErrorKind, EventStoreError, InvalidName, Position,
};

use crate::declared::declaration_error::DeclarationError;

/// Why a read model did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadModelError {
    /// A declaration is not valid.
    #[error(transparent)]
    Declaration(#[from] DeclarationError),
    /// No read model has the name.
    #[error("there is no read model {name}{}", nearest_hint(.nearest))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The one with the most similar name.
        nearest: Option<String>,
    },
    /// More keys would be parked than the bound allows; nothing of the batch was committed.
    #[error(
        "read model {name} would park {count} keys and the bound is {limit}, so it stopped (the last cause: \
         {cause}); mend the declaration or the events, replay or discard what is parked, then resume it"
    )]
    TooManyParked {
        /// Which read model.
        name: CollectionName,
        /// How many there would be.
        count: usize,
        /// The bound.
        limit: usize,
        /// Why the last of them would be parked.
        cause: String,
    },
    /// The read model did not reach the position in time.
    #[error(
        "read model {name} was to reach position {wanted} and stands at {stands} after {} ms{}",
        .waited.as_millis(), .reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"))
    )]
    WaitTimedOut {
        /// Which read model.
        name: CollectionName,
        /// What was waited for.
        wanted: Position,
        /// How far it has come.
        stands: Position,
        /// How long it was waited.
        waited: Duration,
        /// Why it does not move, if that is known.
        reason: Option<String>,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The event store failed or refused.
    #[error(transparent)]
    Events(#[from] EventStoreError),
    /// The document store failed or refused.
    #[error(transparent)]
    Documents(#[from] DocumentStoreError),
}

fn nearest_hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

impl ReadModelError {
    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Declaration(_) | Self::Invalid(_) => ErrorKind::Invalid,
            Self::Unknown { .. } => ErrorKind::NotFound,
            Self::TooManyParked { .. } => ErrorKind::Misconfigured,
            Self::WaitTimedOut { .. } => ErrorKind::TimedOut,
            Self::Events(error) => error.kind(),
            Self::Documents(error) => error.kind(),
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::Declaration(error) => error.code(),
            Self::Unknown { .. } => Code::UnknownReadModel,
            Self::TooManyParked { .. } => Code::TooManyParked,
            Self::WaitTimedOut { .. } => Code::WaitTimedOut,
            Self::Invalid(_) => Code::InvalidInput,
            Self::Events(error) => error.code(),
            Self::Documents(error) => error.code(),
        }
    }

    /// Tells whether the same call may succeed if it is simply made again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Events(error) => error.is_retryable(),
            Self::Documents(error) => error.is_retryable(),
            other => other.kind().is_retryable(),
        }
    }

    /// Tells whether only a person can help: trying again would change nothing.
    pub(crate) fn stops(&self) -> bool {
        matches!(
            self.code(),
            Code::TooManyParked | Code::ForeignPosition | Code::NewerSchema | Code::ReadOnly
        )
    }
}

impl From<InvalidName> for ReadModelError {
    fn from(error: InvalidName) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<BackendError> for ReadModelError {
    fn from(error: BackendError) -> Self {
        Self::Events(error.into())
    }
}
