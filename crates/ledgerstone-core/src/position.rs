//! Positions: places in the log, the heads of its two counts, and the log's identity.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::text::InvalidName;

/// The place of an event in the log, counted from 1 in commit order; 0 is before the first event.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// Returns the position that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which of the log's two counts: application events and system events are numbered apart.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// What the application records.
    #[default]
    Application,
    /// What the system records about itself: types that begin with `$`.
    System,
}

/// The newest position of each count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Heads {
    /// The newest application event.
    pub application: Position,
    /// The newest system event.
    pub system: Position,
}

impl Heads {
    /// Returns the head of one count.
    pub fn of(self, kind: LogKind) -> Position {
        match kind {
            LogKind::Application => self.application,
            LogKind::System => self.system,
        }
    }

    /// Moves the head of one count.
    pub fn set(&mut self, kind: LogKind, position: Position) {
        match kind {
            LogKind::Application => self.application = position,
            LogKind::System => self.system = position,
        }
    }
}

/// Which log: an id for life, and an epoch that rises with every restore or promotion.
///
/// It rises by an amount that two restores hardly share, so that two logs restored from one export, which go
/// on apart from there, do not take each other's positions for their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogIdentity {
    /// The log's id.
    pub id: Uuid,
    /// Which life of it, from 1; a later one has a larger number.
    pub epoch: u32,
}

impl fmt::Display for LogIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id.simple(), self.epoch)
    }
}

impl FromStr for LogIdentity {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let parse = || {
            let (id, epoch) = text.split_once('.')?;
            Some(Self { id: Uuid::try_parse(id).ok()?, epoch: epoch.parse().ok()? })
        };
        parse().ok_or_else(|| InvalidName::new("a log identity", text, "it is not <log id>.<epoch>"))
    }
}

/// A position together with the log that it belongs to: what checkpoints, cursors and tokens carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogPoint {
    /// The log.
    pub log: LogIdentity,
    /// The place in its application events.
    pub position: Position,
}

impl fmt::Display for LogPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.log, self.position)
    }
}

impl FromStr for LogPoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let parse = || {
            let (log, position) = text.rsplit_once('.')?;
            Some(Self { log: log.parse().ok()?, position: Position(position.parse().ok()?) })
        };
        parse()
            .ok_or_else(|| InvalidName::new("a log position", text, "it is not <log id>.<epoch>.<position>"))
    }
}

/// Serialises identities and points as the text that people see.
macro_rules! serde_as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(LogIdentity);
serde_as_text!(LogPoint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_point_reads_back_from_its_text() {
        let point =
            LogPoint { log: LogIdentity { id: Uuid::from_u128(7), epoch: 3 }, position: Position(42) };
        assert_eq!(point.to_string().parse(), Ok(point));
        assert!("42".parse::<LogPoint>().is_err());
    }
}
