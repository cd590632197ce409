//! The context of a command: what is known about the events that it leads to.

use serde::Serialize;
use serde_json::value::to_raw_value;

use ledgerstone_core::{Metadata, OffsetTime, RecordedEvent, SubjectId, Tag};

/// What every event of a command gets beside its data.
///
/// None of it may hold personal data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// What is known about the events.
    pub metadata: Metadata,
    /// Tags beside those that the event gives itself.
    pub tags: Vec<Tag>,
    /// Whom the events are about.
    pub subject: Option<SubjectId>,
}

impl Context {
    /// Begins with nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues what a recorded event began: its correlation (or else its id), with it as the cause.
    pub fn caused_by(event: &RecordedEvent) -> Self {
        let id = event.id().to_string();
        let correlation = event.correlation().map_or_else(|| id.clone(), str::to_owned);
        Self::new().correlation(correlation).causation(id)
    }

    /// Sets what belongs together.
    #[must_use]
    pub fn correlation(mut self, correlation: impl Into<String>) -> Self {
        self.metadata.correlation = Some(correlation.into());
        self
    }

    /// Sets what caused it.
    #[must_use]
    pub fn causation(mut self, causation: impl Into<String>) -> Self {
        self.metadata.causation = Some(causation.into());
        self
    }

    /// Sets who did it, by an opaque id.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.metadata.actor = Some(actor.into());
        self
    }

    /// Sets which system it came from.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.metadata.source = Some(source.into());
        self
    }

    /// Sets what a validator found; an error if it cannot be written as JSON.
    pub fn validation(mut self, validation: &impl Serialize) -> Result<Self, serde_json::Error> {
        self.metadata.validation = Some(to_raw_value(validation)?);
        Ok(self)
    }

    /// Sets when it happened.
    #[must_use]
    pub fn occurred_at(mut self, at: OffsetTime) -> Self {
        self.metadata.occurred_at = Some(at);
        self
    }

    /// Adds a free entry.
    #[must_use]
    pub fn entry(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.entries.push((key.into(), value.into()));
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: Tag) -> Self {
        self.tags.push(tag);
        self
    }

    /// Sets whom it is about.
    #[must_use]
    pub fn subject(mut self, subject: SubjectId) -> Self {
        self.subject = Some(subject);
        self
    }
}

impl From<Metadata> for Context {
    fn from(metadata: Metadata) -> Self {
        Self { metadata, ..Self::default() }
    }
}
