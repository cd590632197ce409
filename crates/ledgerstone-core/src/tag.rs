//! Tags: the texts by which events are found across streams.

use crate::text::{InvalidName, name_type};

name_type! {
    /// A text that an event carries and a query asks for, such as `account:42`; at most 1,024 bytes, of
    /// which an application's own tag may have 255 ([`Tag::MAX_APPLICATION_BYTES`]).
    ///
    /// Tags that begin with `$` are reserved: the store sets `$category:`, `$source:` and
    /// `$correlation:` itself, a `$unique:` tag holds a value (see [`Tag::unique`]), and a `$released:` tag
    /// sets it free again.
    Tag, "a tag", 1024
}

const UNIQUE: &str = "$unique:";
const RELEASED: &str = "$released:";

impl Tag {
    /// The largest size in bytes of a tag that an application may set.
    pub const MAX_APPLICATION_BYTES: usize = 255;

    /// Makes the tag that every event of a stream category carries.
    pub fn category(category: &str) -> Result<Self, InvalidName> {
        Self::new(format!("$category:{category}"))
    }

    /// Makes the tag that every event with this source in its metadata carries.
    pub fn source(source: &str) -> Result<Self, InvalidName> {
        Self::new(format!("$source:{source}"))
    }

    /// Makes the tag that every event with this correlation in its metadata carries.
    pub fn correlation(correlation: &str) -> Result<Self, InvalidName> {
        Self::new(format!("$correlation:{correlation}"))
    }

    /// Makes the tag that holds a value so that nobody else takes it, such as a hashed mail address.
    ///
    /// Whoever takes the value appends under the condition that no event has this tag. The condition sees such
    /// an event even after it was removed, until an event carries the tag that [releases](Self::released) it.
    pub fn unique(name: &str, value: &str) -> Result<Self, InvalidName> {
        let tag = Self::new(format!("{UNIQUE}{name}:{value}"))?;
        tag.check_application().map(|()| tag)
    }

    /// Makes the tag that sets a value free, so that somebody else may take it: from the event that carries it
    /// on, conditions do not see the events before that hold the value, nor that event if it holds it too.
    pub fn released(name: &str, value: &str) -> Result<Self, InvalidName> {
        let tag = Self::new(format!("{RELEASED}{name}:{value}"))?;
        tag.check_application().map(|()| tag)
    }

    /// Tells whether the tag holds a value.
    pub fn is_unique(&self) -> bool {
        self.as_str().starts_with(UNIQUE)
    }

    /// Returns the tag that sets the value free that this one holds, if it holds one.
    pub fn release(&self) -> Option<Self> {
        let value = self.as_str().strip_prefix(UNIQUE)?;
        Self::new(format!("{RELEASED}{value}")).ok()
    }

    /// Tells whether conditions see the tag on an event that was removed.
    pub fn outlives_removal(&self) -> bool {
        outlives_removal(self.as_str())
    }

    /// Tells whether the store sets this tag by itself.
    pub fn is_derived(&self) -> bool {
        self.as_str().starts_with('$') && !self.outlives_removal()
    }

    /// Checks that an application may put this tag on an event.
    pub fn check_application(&self) -> Result<(), InvalidName> {
        if self.is_derived() {
            return Err(InvalidName::new("a tag", self.as_str(), "tags that begin with $ are reserved"));
        }
        // What is held must be releasable, by a tag that is longer.
        let limit =
            Self::MAX_APPLICATION_BYTES - if self.is_unique() { RELEASED.len() - UNIQUE.len() } else { 0 };
        if self.as_str().len() > limit {
            let reason = format!("it has {} bytes and the limit is {limit}", self.as_str().len());
            return Err(InvalidName::new("a tag", self.as_str(), reason));
        }
        Ok(())
    }
}

/// Tells whether conditions see a tag with this text on an event that was removed.
pub(crate) fn outlives_removal(tag: &str) -> bool {
    tag.starts_with(UNIQUE) || tag.starts_with(RELEASED)
}
