//! Names: short printable texts with a limit, checked once when they are made.

use crate::code::Code;

/// Says why a text cannot be the name of something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} cannot be {what}: {reason}")]
pub struct InvalidName {
    what: &'static str,
    given: String,
    reason: String,
}

impl InvalidName {
    /// Makes the error for a `what` (with its article) that was given as `given`.
    pub fn new(what: &'static str, given: &str, reason: impl Into<String>) -> Self {
        Self { what, given: shorten(given), reason: reason.into() }
    }

    /// Says where among several it was given.
    #[must_use]
    pub(crate) fn within(self, place: impl std::fmt::Display) -> Self {
        Self { reason: format!("{place}: {}", self.reason), ..self }
    }

    /// Returns the code under which `ledgerstone explain` tells more.
    pub fn code(&self) -> Code {
        Code::InvalidInput
    }
}

/// Cuts a text so that it fits into an error message.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let head: String = text.chars().take(SHOWN).collect();
    format!("{head}…")
}

/// Checks that `given` is printable, not empty, and at most `limit` bytes long.
pub(crate) fn check(what: &'static str, given: &str, limit: usize) -> Result<(), InvalidName> {
    // Nearly every name is this, and a byte is looked at sooner than a character.
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if !given.is_empty() && given.len() <= limit && given.bytes().all(is_plain) {
        return Ok(());
    }
    let reason = if given.is_empty() {
        "it is empty".to_owned()
    } else if given.len() > limit {
        format!("it has {} bytes and the limit is {limit}", given.len())
    } else if let Some(control) = given.chars().find(|c| c.is_control()) {
        format!("it contains the control character U+{:04X}", control as u32)
    } else {
        return Ok(());
    };
    Err(InvalidName::new(what, given, reason))
}

/// Defines a cheaply cloneable name: printable text with a limit in bytes, compared as bytes.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The largest size in bytes.
            pub const MAX_BYTES: usize = $limit;

            /// Checks and takes a text.
            pub fn new(text: impl AsRef<str>) -> Result<Self, $crate::text::InvalidName> {
                let text = text.as_ref();
                $crate::text::check($what, text, Self::MAX_BYTES)?;
                Ok(Self(text.into()))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::text::InvalidName;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::text::InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use name_type;
