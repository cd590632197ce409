//! Queries: which events are meant.

use serde::{Deserialize, Serialize};

use crate::event::EventType;
use crate::record::RecordedEvent;
use crate::stream::StreamId;
use crate::tag::Tag;

/// Matches events: every event, or those that any of its items matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    items: Vec<QueryItem>,
}

impl Query {
    /// The largest number of items.
    pub const MAX_ITEMS: usize = 256;
    /// The largest number of types and tags in all items of a condition together.
    pub const MAX_NAMES: usize = 1_024;

    /// Matches every event.
    pub fn all() -> Self {
        Self::default()
    }

    /// Matches the events that any of `items` matches; no items match every event.
    pub fn any_of(items: impl IntoIterator<Item = QueryItem>) -> Self {
        Self { items: items.into_iter().collect() }
    }

    /// Matches the events of one stream.
    pub fn stream(stream: StreamId) -> Self {
        Self::from(QueryItem { stream: Some(stream), ..QueryItem::default() })
    }

    /// Returns the items; none means every event.
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    /// Tells whether every event matches.
    pub fn is_all(&self) -> bool {
        self.items.is_empty() || self.items.iter().any(QueryItem::is_all)
    }

    /// Returns the stream, if the query is exactly one whole stream.
    pub fn as_stream(&self) -> Option<&StreamId> {
        match self.items.as_slice() {
            [item] if item.types.is_empty() && item.tags.is_empty() => item.stream.as_ref(),
            _ => None,
        }
    }

    /// Tells whether an event matches.
    pub fn matches(&self, event: &RecordedEvent) -> bool {
        self.items.is_empty() || self.items.iter().any(|item| item.matches(event))
    }
}

impl From<QueryItem> for Query {
    fn from(item: QueryItem) -> Self {
        Self { items: vec![item] }
    }
}

/// One way to match: of this stream (if named), any of these types (if any), and all of these tags.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryItem {
    /// The stream; nothing means any stream or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamId>,
    /// The types, any of which will do; none means any type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<EventType>,
    /// The tags, all of which are needed; category, source and correlation are tags too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

impl QueryItem {
    /// Matches any of these types.
    pub fn types(types: impl IntoIterator<Item = EventType>) -> Self {
        Self { types: types.into_iter().collect(), ..Self::default() }
    }

    /// Matches all of these tags.
    pub fn tags(tags: impl IntoIterator<Item = Tag>) -> Self {
        Self { tags: tags.into_iter().collect(), ..Self::default() }
    }

    /// Tells whether every event matches.
    pub fn is_all(&self) -> bool {
        self.stream.is_none() && self.types.is_empty() && self.tags.is_empty()
    }

    /// Tells whether an event matches.
    pub fn matches(&self, event: &RecordedEvent) -> bool {
        self.stream.as_ref().is_none_or(|stream| event.stream() == Some(stream.as_str()))
            && (self.types.is_empty() || {
                let event_type = event.event_type();
                self.types.iter().any(|wanted| wanted.as_str() == event_type)
            })
            && self.tags.iter().all(|tag| event.has_tag(tag.as_str()))
    }
}
