//! Why an event cannot be encoded or decoded.

use ledgerstone_core::{Code, ErrorKind, InvalidName, RecordedEvent};

/// Which recorded event it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The type as it was recorded.
    pub event_type: String,
    /// The schema version as it was recorded.
    pub version: u32,
    /// Its place in the log.
    pub position: u64,
}

impl Place {
    /// Describes where an event stands.
    pub fn of(event: &RecordedEvent) -> Self {
        Self {
            event_type: event.event_type().to_owned(),
            version: event.schema_version(),
            position: event.position().0,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the event at position {} ({} version {})", self.position, self.event_type, self.version)
    }
}

/// Why an event was not encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Nobody knows the type.
    #[error(
        "{0} is of a type that no decoder knows; add it to the aggregate's events, or an upcaster that renames it"
    )]
    UnknownType(Place),
    /// A newer service wrote it.
    #[error(
        "{place} is newer than version {newest}, the newest that this service decodes; deploy the newer service"
    )]
    NewerVersion {
        /// Which event.
        place: Place,
        /// The newest version that is decoded.
        newest: u32,
    },
    /// No chain leads from its version to the newest.
    #[error("{place} is older than version {newest}, and no upcaster lifts it; add the missing step")]
    NoUpcaster {
        /// Which event.
        place: Place,
        /// The newest version that is decoded.
        newest: u32,
    },
    /// The payload is not what the decoder wants.
    #[error("{place} does not decode: {source}")]
    Malformed {
        /// Which event.
        place: Place,
        /// What the decoder says.
        source: serde_json::Error,
    },
    /// The payload is not JSON.
    #[error("{place} has a payload of {content_type}, and this codec reads JSON")]
    NotJson {
        /// Which event.
        place: Place,
        /// What kind of bytes it is.
        content_type: String,
    },
    /// The data cannot be written as JSON.
    #[error("{event_type} cannot be written as JSON: {source}")]
    Encode {
        /// The type.
        event_type: &'static str,
        /// What the encoder says.
        source: serde_json::Error,
    },
    /// A name is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl CodecError {
    /// Tells whether the event is fine and only this service has no decoder for it.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownType(_) | Self::NewerVersion { .. } | Self::NoUpcaster { .. })
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownType(_) | Self::NewerVersion { .. } | Self::NoUpcaster { .. } => {
                ErrorKind::Misconfigured
            }
            Self::Malformed { .. } => ErrorKind::Corrupt,
            Self::NotJson { .. } => ErrorKind::Unsupported,
            Self::Encode { .. } | Self::Name(_) => ErrorKind::Invalid,
        }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        match self {
            Self::UnknownType(_) | Self::NewerVersion { .. } | Self::NoUpcaster { .. } => {
                Code::UnknownEventType
            }
            Self::Malformed { .. } => Code::Corrupt,
            Self::NotJson { .. } => Code::Unsupported,
            Self::Encode { .. } | Self::Name(_) => Code::InvalidInput,
        }
    }
}
