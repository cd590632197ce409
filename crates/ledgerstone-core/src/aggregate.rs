//! Aggregates: what decides from its state and a command, and evolves by events.

use std::fmt::Debug;

use crate::event::SubjectId;
use crate::tag::Tag;
use crate::text::InvalidName;

/// The events of one aggregate, as a Rust enum; [`domain_events!`](crate::domain_events) writes it.
pub trait DomainEvent: Debug + Send + Sync + Sized + 'static {
    /// The types that it knows, with the newest version of each.
    const SCHEMAS: &'static [EventSchema];

    /// Returns the stable name of its shape.
    fn event_type(&self) -> &'static str;

    /// Returns the tags by which it is found across streams, and by which an append condition sees it.
    ///
    /// A tag that cannot be one is an error: an event without it would slip past conditions.
    fn tags(&self) -> Result<Vec<Tag>, InvalidName> {
        Ok(Vec::new())
    }

    /// Returns whom it is about, if it is about somebody; else the context of the append may say so.
    fn subject(&self) -> Result<Option<SubjectId>, InvalidName> {
        Ok(None)
    }

    /// Tells whether it carries the whole state of its stream, so that what stands before it may be removed.
    fn carries_state(&self) -> bool {
        false
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
///
/// After the variants may stand, in this order and each at will, how an event is tagged, whom it is
/// about, and which events carry the whole state of their stream; see [`DomainEvent`] for what each means.
///
/// ```
/// use ledgerstone_core::{DomainEvent, SubjectId, Tag};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Enrolled { pub student: String, pub course: String }
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Summed { pub student: String, pub courses: Vec<String> }
///
/// ledgerstone_core::domain_events! {
///     /// What happens to a student.
///     pub enum StudentEvent {
///         /// A place was taken.
///         Enrolled = "Enrolled" v1,
///         /// The books were closed.
///         Summed = "CoursesSummed" v1,
///     }
///     tags = |event| match event {
///         Self::Enrolled(data) => Ok(vec![
///             Tag::new(format!("student:{}", data.student))?,
///             Tag::new(format!("course:{}", data.course))?,
///         ]),
///         Self::Summed(_) => Ok(Vec::new()),
///     },
///     subject = |event| match event {
///         Self::Enrolled(Enrolled { student, .. }) | Self::Summed(Summed { student, .. }) => {
///             SubjectId::new(student).map(Some)
///         }
///     },
///     carries_state = |event| matches!(event, Self::Summed(_)),
/// }
///
/// # fn main() -> Result<(), ledgerstone_core::InvalidName> {
/// let event = StudentEvent::from(Enrolled { student: "7".to_owned(), course: "art".to_owned() });
/// assert_eq!(event.tags()?, [Tag::new("student:7")?, Tag::new("course:art")?]);
/// assert_eq!(event.subject()?, Some(SubjectId::new("7")?));
/// let summed = StudentEvent::from(Summed { student: "7".to_owned(), courses: Vec::new() });
/// assert!(summed.carries_state() && !event.carries_state());
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! domain_events {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal v $version:literal,)+
    } $($rest:tt)*) => { compile_error!("write the version without a space: v1") };
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$doc:meta])* $variant:ident = $text:literal $version:ident,)+
    }
    $(tags = $tags:expr,)?
    $(subject = $subject:expr,)?
    $(carries_state = $carries_state:expr,)?) => {
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

            $(fn tags(&self) -> Result<Vec<$crate::Tag>, $crate::InvalidName> {
                let tags: fn(&Self) -> Result<Vec<$crate::Tag>, $crate::InvalidName> = $tags;
                tags(self)
            })?

            $(fn subject(&self) -> Result<Option<$crate::SubjectId>, $crate::InvalidName> {
                let subject: fn(&Self) -> Result<Option<$crate::SubjectId>, $crate::InvalidName> = $subject;
                subject(self)
            })?

            $(fn carries_state(&self) -> bool {
                let carries_state: fn(&Self) -> bool = $carries_state;
                carries_state(self)
            })?

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
