//! Aggregates: what decides from its state and a command, and evolves by events.

use std::fmt::Debug;

use crate::tag::Tag;

/// The events of one aggregate, as a Rust enum; [`domain_events!`](crate::domain_events) writes it.
pub trait DomainEvent: Debug + Send + Sync + Sized + 'static {
    /// The types that it knows, with the newest version of each.
    const SCHEMAS: &'static [EventSchema];

    /// Returns the stable name of its shape.
    fn event_type(&self) -> &'static str;

    /// Returns the tags by which it is found across streams.
    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    /// Encodes its data as JSON.
    fn to_json(&self) -> Result<Vec<u8>, serde_json::Error>;

    /// Decodes the data of the newest version of a type; `None` if the type is not known.
    fn from_json(event_type: &str, data: &[u8]) -> Option<Result<Self, serde_json::Error>>;
}

/// A type of event and the newest version of its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSchema {
    /// The stable name.
    pub event_type: &'static str,
    /// The newest version, from 1.
    pub version: u32,
}

/// State that is rebuilt from events, decides what a command leads to, and evolves by what happened.
///
/// Both functions are pure: no time, no chance, no I/O. What they need comes with the command.
pub trait Aggregate: Debug + Default + Clone + Send + Sync + 'static {
    /// What happened.
    type Event: DomainEvent;
    /// What somebody wishes.
    type Command: Send;
    /// Why a wish is refused.
    type Refusal: std::error::Error + Send + Sync + 'static;

    /// The category of its streams; an aggregate's stream is `category-id`.
    const CATEGORY: &'static str;

    /// Decides which events a command leads to; no events means that nothing is to be done.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Evolves by one event.
    fn evolve(&mut self, event: &Self::Event);
}

/// Writes an enum of events and its [`DomainEvent`], one variant a type of data.
///
/// The text is the stable name in the store and the number its newest schema version.
///
/// ```
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Opened { pub owner: String }
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Closed {}
///
/// ledgerstone_core::domain_events! {
///     /// What happens to an account.
///     pub enum AccountEvent {
///         /// It was opened.
///         Opened = "AccountOpened" v2,
///         /// It was closed.
///         Closed = "AccountClosed" v1,
///     }
/// }
///
/// use ledgerstone_core::DomainEvent;
/// let event = AccountEvent::from(Opened { owner: "Ada".to_owned() });
/// assert_eq!(event.event_type(), "AccountOpened");
/// ```
#[macro_export]
macro_rules! domain_events {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal v $version:literal,)+
    }) => { compile_error!("write the version without a space: v1") };
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal $version:ident,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        $vis enum $name {
            $($(#[$doc])* $variant($variant),)+
        }

        $(impl From<$variant> for $name {
            fn from(data: $variant) -> Self {
                Self::$variant(data)
            }
        })+

        impl $crate::DomainEvent for $name {
            const SCHEMAS: &'static [$crate::EventSchema] = &[
                $($crate::EventSchema {
                    event_type: $text,
                    version: $crate::schema_version(stringify!($version)),
                },)+
            ];

            fn event_type(&self) -> &'static str {
                match self { $(Self::$variant(_) => $text,)+ }
            }

            fn to_json(&self) -> Result<Vec<u8>, $crate::serde_json::Error> {
                match self { $(Self::$variant(data) => $crate::serde_json::to_vec(data),)+ }
            }

            fn from_json(
                event_type: &str,
                data: &[u8],
            ) -> Option<Result<Self, $crate::serde_json::Error>> {
                match event_type {
                    $($text => Some($crate::serde_json::from_slice(data).map(Self::$variant)),)+
                    _ => None,
                }
            }
        }
    };
}

/// Reads the number of `v1`; a text of another form fails the build.
#[doc(hidden)]
pub const fn schema_version(text: &str) -> u32 {
    let bytes = text.as_bytes();
    assert!(bytes.len() > 1 && bytes[0] == b'v', "write the version as v1, v2, …");
    let mut version = 0;
    let mut at = 1;
    while at < bytes.len() {
        assert!(bytes[at].is_ascii_digit(), "write the version as v1, v2, …");
        version = version * 10 + (bytes[at] - b'0') as u32;
        at += 1;
    }
    assert!(version > 0, "versions count from 1");
    version
}
