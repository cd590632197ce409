//! Metadata: what is known about an event beside its data.

use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::text::InvalidName;
use crate::timestamp::OffsetTime;

/// What is known about an event: where it came from, who did it, when it happened, what was checked.
///
/// None of it may hold personal data: metadata is never encrypted. Read from JSON, a key that is none
/// of the fields becomes a free entry, so `{"user": "u-7"}` is metadata too.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Metadata {
    /// What belongs together, across streams and services; queryable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// What caused the event: an event id, a message id, a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation: Option<String>,
    /// Who did it, by an opaque id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Which system it came from, such as `salesforce` or `backfill`; queryable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What a validator found, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Box<RawValue>>,
    /// When it happened, with the offset that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<OffsetTime>,
    /// Anything else, in the order given.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_entries")]
    pub entries: Vec<(String, String)>,
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        let validation = |metadata: &Self| metadata.validation.as_ref().map(|raw| raw.get().to_owned());
        self.correlation == other.correlation
            && self.causation == other.causation
            && self.actor == other.actor
            && self.source == other.source
            && validation(self) == validation(other)
            && self.occurred_at == other.occurred_at
            && self.entries == other.entries
    }
}

impl Eq for Metadata {}

impl Metadata {
    /// The largest size in bytes of all of it together.
    pub const MAX_BYTES: usize = 64 * 1024;
    /// The largest size in bytes of correlation, causation, actor and source.
    pub const MAX_FIELD_BYTES: usize = 255;

    /// Checks sizes and characters.
    pub fn check(&self) -> Result<(), InvalidName> {
        let fields = [
            ("a correlation", &self.correlation),
            ("a causation", &self.causation),
            ("an actor", &self.actor),
            ("a source", &self.source),
        ];
        for (what, field) in fields {
            if let Some(text) = field {
                crate::text::check(what, text, Self::MAX_FIELD_BYTES)?;
            }
        }
        for (key, _) in &self.entries {
            crate::text::check("a metadata key", key, Self::MAX_FIELD_BYTES)?;
        }
        let size = self.size();
        if size > Self::MAX_BYTES {
            let reason = format!("it has {size} bytes and the limit is {}", Self::MAX_BYTES);
            return Err(InvalidName::new("metadata", "…", reason));
        }
        Ok(())
    }

    /// Returns the bytes that its texts take.
    pub fn size(&self) -> usize {
        let fields = [&self.correlation, &self.causation, &self.actor, &self.source];
        let fields: usize = fields.iter().filter_map(|field| field.as_ref()).map(String::len).sum();
        let validation = self.validation.as_ref().map_or(0, |raw| raw.get().len());
        let entries: usize = self.entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        fields + validation + entries
    }

    /// Returns the first free entry with this key.
    pub fn entry(&self, key: &str) -> Option<&str> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

type Entries = Vec<(String, String)>;

/// Writes entries as an object that keeps its order, or as pairs where a key stands twice.
fn serialize_entries<S: Serializer>(entries: &Entries, serializer: S) -> Result<S::Ok, S::Error> {
    let mut keys: Vec<_> = entries.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() == entries.len() {
        serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
    } else {
        serializer.collect_seq(entries)
    }
}

/// Entries as they are read: an object, or a list of pairs.
struct EntriesJson(Entries);

impl<'de> Deserialize<'de> for EntriesJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntriesVisitor).map(Self)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts, or a list of [key, value]")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            entries.push((key, entry_text(value)));
        }
        Ok(entries)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn entry_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = Metadata::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "correlation" => metadata.correlation = map.next_value()?,
                "causation" => metadata.causation = map.next_value()?,
                "actor" => metadata.actor = map.next_value()?,
                "source" => metadata.source = map.next_value()?,
                "validation" => metadata.validation = map.next_value()?,
                "occurred_at" => metadata.occurred_at = map.next_value()?,
                "entries" => metadata.entries.extend(map.next_value::<EntriesJson>()?.0),
                _ if key.starts_with('$') => {
                    map.next_value::<IgnoredAny>()?;
                    return Err(A::Error::custom(format!("metadata key {key} is reserved")));
                }
                _ => metadata.entries.push((key, entry_text(map.next_value()?))),
            }
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_order_and_their_doubles() {
        let once = r#"{"entries":{"b":"1","a":"2"}}"#;
        let twice = r#"{"entries":[["b","1"],["b","2"]]}"#;
        for text in [once, twice] {
            let metadata: Metadata = serde_json::from_str(text).expect("metadata");
            assert_eq!(serde_json::to_string(&metadata).expect("json"), text);
        }
    }

    #[test]
    fn an_unknown_key_becomes_an_entry() {
        let metadata: Metadata = serde_json::from_str(r#"{"user":"u-7","source":"crm"}"#).expect("metadata");
        assert_eq!(metadata.source.as_deref(), Some("crm"));
        assert_eq!(metadata.entry("user"), Some("u-7"));
    }
}
