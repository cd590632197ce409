//! What a loader brings: a value or the knowledge that there is none, and how to keep it.

use std::time::Duration;

use ledgerstone_core::{LogPoint, Tag};

/// A loaded value, with what only the loader can know about it.
///
/// A plain value becomes one by itself, so that most loaders return just that; `None` says that there is
/// nothing under the key, which is kept for the negative ttl. An empty list is a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<T> {
    pub(crate) value: Option<T>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) as_of: Option<LogPoint>,
}

impl<T> Loaded<T> {
    /// Takes a value.
    pub fn new(value: T) -> Self {
        Self { value: Some(value), tags: Vec::new(), ttl: None, as_of: None }
    }

    /// Says that there is nothing under the key.
    pub fn absent() -> Self {
        Self { value: None, tags: Vec::new(), ttl: None, as_of: None }
    }

    /// Names what the value was made of: an invalidation of any of these tags makes it go.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags.extend(tags);
        self
    }

    /// Keeps it fresh for another time than the cache's.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Says up to where the log the value is known to include it: the checkpoint of the view it was read from.
    ///
    /// A loader that reads a view, which may lag, must say so: otherwise the value counts as knowing
    /// everything that was invalidated before its load began.
    #[must_use]
    pub fn as_of(mut self, point: LogPoint) -> Self {
        self.as_of = Some(point);
        self
    }
}

impl<T> From<T> for Loaded<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> From<Option<T>> for Loaded<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(Self::absent, Self::new)
    }
}
