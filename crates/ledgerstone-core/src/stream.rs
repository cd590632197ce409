//! Streams: the events of one thing, their names and their revisions.

use std::fmt;

use crate::text::name_type;

name_type! {
    /// The name of a stream, such as `account-42`: any printable text up to 512 bytes, spaces included.
    ///
    /// The part before the first `-` is its category; without a `-` it has none. A name that begins
    /// with `$` belongs to the system. Names are compared as bytes.
    StreamId, "a stream id", 512
}

impl StreamId {
    /// Returns the part before the first `-`, if there is one and it is not empty.
    pub fn category(&self) -> Option<&str> {
        category_of(self.as_str())
    }

    /// Tells whether the stream belongs to the system.
    pub fn is_system(&self) -> bool {
        self.as_str().starts_with('$')
    }
}

/// Returns the category of a stream name: what stands before its first `-`.
pub fn category_of(stream: &str) -> Option<&str> {
    stream.split_once('-').map(|(category, _)| category).filter(|category| !category.is_empty())
}

/// The place of an event in its stream, counted from 0, without gaps.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The first revision of a stream.
    pub const FIRST: Self = Self(0);

    /// Returns the revision that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a stream stands: at the revision of its newest event, or nowhere.
///
/// Removing events never moves it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StreamState {
    /// Nothing was ever appended to it.
    #[default]
    Missing,
    /// Its newest event has this revision.
    At(Revision),
}

impl StreamState {
    /// Returns the revision that the next event will get.
    pub fn next_revision(self) -> Revision {
        match self {
            Self::Missing => Revision::FIRST,
            Self::At(revision) => revision.next(),
        }
    }
}

impl fmt::Display for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no event"),
            Self::At(revision) => write!(f, "revision {revision}"),
        }
    }
}

/// The guard of an append: where its stream must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ExpectedRevision {
    /// Anywhere.
    #[default]
    Any,
    /// It must have no event yet.
    NoStream,
    /// It must have an event.
    StreamExists,
    /// Its newest event must have this revision.
    At(Revision),
}

impl ExpectedRevision {
    /// Tells whether a stream that stands at `state` satisfies the guard.
    pub fn holds(self, state: StreamState) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => state == StreamState::Missing,
            Self::StreamExists => state != StreamState::Missing,
            Self::At(revision) => state == StreamState::At(revision),
        }
    }

    /// Tells whether appending under this guard makes the guard fail, so that a repeated append is noticed.
    pub fn is_exact(self) -> bool {
        matches!(self, Self::NoStream | Self::At(_))
    }
}

impl fmt::Display for ExpectedRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::NoStream => f.write_str("no_stream"),
            Self::StreamExists => f.write_str("stream_exists"),
            Self::At(revision) => revision.fmt(f),
        }
    }
}

impl std::str::FromStr for ExpectedRevision {
    type Err = crate::text::InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "no_stream" => Ok(Self::NoStream),
            "stream_exists" => Ok(Self::StreamExists),
            number => number.parse().map(|n| Self::At(Revision(n))).map_err(|_| {
                crate::text::InvalidName::new(
                    "an expected revision",
                    text,
                    "use any, no_stream, stream_exists or a number",
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_category_ends_at_the_first_dash() {
        assert_eq!(category_of("account-42-7"), Some("account"));
        assert_eq!(category_of("account"), None);
        assert_eq!(category_of("-42"), None);
    }

    #[test]
    fn a_stream_id_may_hold_spaces_but_no_control_characters() {
        assert!(StreamId::new("case 10011").is_ok());
        assert!(StreamId::new("case\n10011").is_err());
        assert!(StreamId::new("").is_err());
        assert!(StreamId::new("x".repeat(512)).is_ok());
        assert!(StreamId::new("x".repeat(513)).is_err());
    }
}
