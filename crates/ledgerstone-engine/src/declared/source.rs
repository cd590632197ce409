//! Where a declared value comes from: the payload, the envelope, a constant, or a text made of them.

use std::borrow::Cow;

use ledgerstone_core::{OffsetTime, ProjectionError, RecordedEvent};
use serde_json::Value;

use crate::declared::hint::hint;
use crate::declared::payload::{Picked, Pointers};

/// A value's origin.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Always the same.
    Constant(Value),
    /// The slot of a pointer into the payload.
    Pointer(usize),
    /// Something known about the event.
    Envelope(Envelope),
    /// A text with placeholders.
    Template(Template),
}

/// What is known about an event beside its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Envelope {
    Id,
    Type,
    SchemaVersion,
    Stream,
    StreamId,
    Category,
    Revision,
    Position,
    Tenant,
    Subject,
    ContentType,
    RecordedAt,
    OccurredAt,
    Day,
    Month,
    Tags,
    /// The rest of the first tag with this beginning.
    Tag(String),
    /// The rests of all tags with this beginning.
    TagsWith(String),
    Correlation,
    Causation,
    Actor,
    Origin,
    Validation,
    /// A free entry of the metadata.
    Entry(String),
}

/// The plain names, as they are written after `$` or between braces.
const NAMES: [(&str, Envelope); 17] = [
    ("id", Envelope::Id),
    ("type", Envelope::Type),
    ("schema_version", Envelope::SchemaVersion),
    ("stream", Envelope::Stream),
    ("stream.id", Envelope::StreamId),
    ("stream.category", Envelope::Category),
    ("category", Envelope::Category),
    ("revision", Envelope::Revision),
    ("position", Envelope::Position),
    ("tenant", Envelope::Tenant),
    ("subject", Envelope::Subject),
    ("content_type", Envelope::ContentType),
    ("recorded_at", Envelope::RecordedAt),
    ("occurred_at", Envelope::OccurredAt),
    ("day", Envelope::Day),
    ("month", Envelope::Month),
    ("tags", Envelope::Tags),
];
const PREFIXES: &str = "data:/pointer, meta.name, tag:prefix and tags:prefix";

impl Source {
    /// Reads a value as people write it: `/pointer`, `$name`, or a text with `{placeholders}`.
    pub(crate) fn parse(text: &str, pointers: &mut Pointers) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            return pointers.add(text).map(Self::Pointer);
        }
        if let Some(name) = text.strip_prefix('$') {
            return Self::named(name, pointers);
        }
        if text.contains('{') {
            return Template::parse(text, pointers).map(Self::Template);
        }
        Err(format!(
            "{text:?} is no value; write \"/…\" for a place in the data, \"$…\" for the envelope, a text \
             with {{placeholders}}, or {{ value = {text:?} }} for a constant"
        ))
    }

    /// Reads a name as it stands after `$` or between braces.
    fn named(name: &str, pointers: &mut Pointers) -> Result<Self, String> {
        let part = |prefix: &str| name.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        if let Some(pointer) = name.strip_prefix("data:") {
            return pointers.add(pointer).map(Self::Pointer);
        }
        if let Some(field) = part("meta.").or_else(|| part("meta:")) {
            return Ok(Self::Envelope(metadata_field(field)));
        }
        if let Some(prefix) = part("tags:") {
            return Ok(Self::Envelope(Envelope::TagsWith(prefix.to_owned())));
        }
        if let Some(prefix) = part("tag:") {
            return Ok(Self::Envelope(Envelope::Tag(prefix.to_owned())));
        }
        if let Some((_, envelope)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(Self::Envelope(envelope.clone()));
        }
        let names = NAMES.map(|(known, _)| known);
        let hint = hint(name, names);
        let hint =
            if hint.is_empty() { format!("; there are {}, {PREFIXES}", names.join(", ")) } else { hint };
        Err(format!("the envelope has no {name:?}{hint}"))
    }

    /// Returns the value for an event, or nothing if the event has none.
    pub(crate) fn read<'a>(
        &'a self,
        event: &RecordedEvent,
        picked: &'a Picked,
    ) -> Result<Option<Cow<'a, Value>>, ProjectionError> {
        Ok(match self {
            Self::Constant(value) => Some(Cow::Borrowed(value)),
            Self::Pointer(slot) => picked.get(*slot).map(Cow::Borrowed),
            Self::Envelope(envelope) => envelope.read(event).map(Cow::Owned),
            Self::Template(template) => template.fill(event, picked).ok().map(|text| Cow::Owned(text.into())),
        })
    }
}

fn metadata_field(name: &str) -> Envelope {
    match name {
        "correlation" => Envelope::Correlation,
        "causation" => Envelope::Causation,
        "actor" => Envelope::Actor,
        "source" => Envelope::Origin,
        "validation" => Envelope::Validation,
        "occurred_at" => Envelope::OccurredAt,
        entry => Envelope::Entry(entry.to_owned()),
    }
}

impl Envelope {
    fn read(&self, event: &RecordedEvent) -> Option<Value> {
        if let Some(text) = self.text(event) {
            return Some(Value::String(text.into_owned()));
        }
        match self {
            Self::SchemaVersion => Some(event.schema_version().into()),
            Self::Revision => event.revision().map(|revision| revision.0.into()),
            Self::Position => Some(event.position().0.into()),
            Self::Tags => Some(event.tags().map(Value::from).collect()),
            Self::TagsWith(prefix) => Some(
                event.tags().filter_map(|tag| tag.strip_prefix(prefix.as_str())).map(Value::from).collect(),
            ),
            Self::Validation => {
                let validation = event.metadata().validation?;
                serde_json::from_str(validation.get()).ok()
            }
            _ => None,
        }
    }

    /// Returns the value if it is a text, without allocating where that is possible.
    fn text<'e>(&self, event: &'e RecordedEvent) -> Option<Cow<'e, str>> {
        let owned = |text: Option<String>| text.map(Cow::Owned);
        match self {
            Self::Id => Some(event.id().to_string().into()),
            Self::Type => Some(event.event_type().into()),
            Self::Stream => event.stream().map(Cow::Borrowed),
            Self::StreamId => {
                let (category, id) = event.stream()?.split_once('-')?;
                (!category.is_empty() && !id.is_empty()).then_some(Cow::Borrowed(id))
            }
            Self::Category => event.category().map(Cow::Borrowed),
            Self::Tenant => Some(event.tenant().into()),
            Self::Subject => event.subject().map(Cow::Borrowed),
            Self::ContentType => Some(event.content_type().into()),
            Self::RecordedAt => Some(event.recorded_at().to_string().into()),
            Self::OccurredAt => Some(occurred(event).to_string().into()),
            Self::Day => Some(date(event, 10)),
            Self::Month => Some(date(event, 7)),
            Self::Tag(prefix) => {
                event.tags().find_map(|tag| tag.strip_prefix(prefix.as_str())).map(Cow::Borrowed)
            }
            Self::Correlation => event.correlation().map(Cow::Borrowed),
            Self::Origin => event.source().map(Cow::Borrowed),
            Self::Causation => owned(event.metadata().causation),
            Self::Actor => owned(event.metadata().actor),
            Self::Entry(name) => owned(event.metadata().entry(name).map(str::to_owned)),
            _ => None,
        }
    }
}

/// Returns when an event happened; without a time of its own, when it was recorded.
fn occurred(event: &RecordedEvent) -> OffsetTime {
    event.occurred_at().unwrap_or_else(|| OffsetTime::utc(event.recorded_at()))
}

/// Returns the beginning of the day or the month in UTC, as `2011-10-11` or `2011-10`.
fn date<'e>(event: &RecordedEvent, length: usize) -> Cow<'e, str> {
    let mut text = occurred(event).at.to_string();
    text.truncate(length);
    text.into()
}

/// A text with placeholders, such as `{stream.id}/{data:/country}`.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Source(String, Source),
}

impl Template {
    /// Reads a text with placeholders; `{{` and `}}` stand for braces.
    pub(crate) fn parse(text: &str, pointers: &mut Pointers) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.push_str(from.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let inner = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((name, after)) = inner else {
                return Err(format!(
                    "{text:?} has a brace without its partner; write {{{{ or }}}} for a brace"
                ));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Source(name.to_owned(), Source::named(name, pointers)?));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Returns the text as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Fills the placeholders, or returns the name of the first one for which the event has no value.
    pub(crate) fn fill<'a>(&'a self, event: &RecordedEvent, picked: &Picked) -> Result<String, &'a str> {
        let mut filled = String::with_capacity(48);
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Source(name, source) => {
                    fill_one(source, event, picked, &mut filled).ok_or(name.as_str())?;
                }
            }
        }
        Ok(filled)
    }
}

fn fill_one(source: &Source, event: &RecordedEvent, picked: &Picked, filled: &mut String) -> Option<()> {
    if let Source::Envelope(envelope) = source
        && let Some(text) = envelope.text(event)
    {
        filled.push_str(&text);
        return Some(());
    }
    let value = source.read(event, picked).ok().flatten()?;
    match value.as_ref() {
        Value::String(text) => filled.push_str(text),
        Value::Number(number) => filled.push_str(&number.to_string()),
        Value::Bool(flag) => filled.push_str(if *flag { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    }
    Some(())
}
