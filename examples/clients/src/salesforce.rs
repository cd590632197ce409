//! The CRM's side: its change events, how they are normalised, and the sample feed.

mod change_event;
mod feed;
mod normalise;

pub use change_event::{ChangeEvent, ChangeHeader, ChangeKind, MalformedChange};
pub use feed::{FeedLine, SAMPLE_FEED, lines};
pub use normalise::{NormalisedChange, normalise};
