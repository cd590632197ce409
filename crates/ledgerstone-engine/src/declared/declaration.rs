//! A declaration after it was read and checked: fields, rules and upcasts as data.

use std::collections::{BTreeSet, HashSet};

use ledgerstone_core::{
    CollectionId, CollectionName, Definition, DefinitionHash, EventType, Field, FieldName, InvalidName,
    Query, QueryItem, RecordedEvent, StreamId, Tag,
};
use serde_json::{Value, json};

use crate::declared::payload::Pointers;
use crate::declared::source::{Source, Template};
use crate::declared::upcast::{Upcast, Upcasts};
use crate::declared::value::{Reading, ValueKind};

/// Everything that a declaration says.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    pub name: CollectionName,
    pub description: Option<String>,
    pub key: Template,
    /// Whether an event without a value for the key concerns no document, instead of being a mistake.
    pub skip_without_key: bool,
    pub fields: Vec<DeclaredField>,
    pub rules: Vec<Rule>,
    pub upcasts: Upcasts,
    /// What the rules read.
    pub pointers: Pointers,
    /// What the keys read.
    pub key_pointers: Pointers,
    pub hash: DefinitionHash,
}

/// A declared field.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredField {
    pub name: FieldName,
    pub kind: ValueKind,
    pub indexed: bool,
    pub searchable: bool,
}

/// One `[[on]]`: which events, and what they do.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub matching: Matching,
    /// A key of its own instead of the model's.
    pub key: Option<Template>,
    /// Whether it leaves documents alone that are not there yet.
    pub if_exists: bool,
    pub delete: bool,
    pub steps: Vec<Step>,
}

/// Which events a rule takes; empty means any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matching {
    pub types: HashSet<String>,
    pub categories: Vec<String>,
    pub streams: Vec<String>,
    pub tags: Vec<String>,
}

/// One operation on one field.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The field's place among the fields.
    pub field: usize,
    pub operation: Operation,
}

/// What happens to a field.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Set(Reader),
    SetIfAbsent(Reader),
    Min(Reader),
    Max(Reader),
    Unset,
    AddTo(Reader),
    RemoveFrom(Reader),
    Increment(Reader),
    SoftDelete,
}

/// A value to be read, and how.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub source: Source,
    /// What counts where the event has no value.
    pub default: Option<Value>,
    pub reading: Reading,
    /// The value as it was written, for the hash and for messages.
    pub written: Value,
}

impl Operation {
    /// Returns its name in a declaration, and the value that it reads.
    pub(crate) fn parts(&self) -> (&'static str, Option<&Reader>) {
        match self {
            Self::Set(reader) => ("set", Some(reader)),
            Self::SetIfAbsent(reader) => ("set_if_absent", Some(reader)),
            Self::Min(reader) => ("min", Some(reader)),
            Self::Max(reader) => ("max", Some(reader)),
            Self::Unset => ("unset", None),
            Self::AddTo(reader) => ("add_to", Some(reader)),
            Self::RemoveFrom(reader) => ("remove_from", Some(reader)),
            Self::Increment(reader) => ("increment", Some(reader)),
            Self::SoftDelete => ("soft_delete", None),
        }
    }
}

impl Matching {
    /// Tells whether an event is meant.
    pub(crate) fn matches(&self, event: &RecordedEvent) -> bool {
        let among = |wanted: &[String], given: Option<&str>| {
            wanted.is_empty() || given.is_some_and(|given| wanted.iter().any(|one| one == given))
        };
        (self.types.is_empty() || self.types.contains(event.event_type()))
            && among(&self.categories, event.category())
            && among(&self.streams, event.stream())
            && self.tags.iter().all(|tag| event.has_tag(tag))
    }

    fn items(&self) -> Result<Vec<QueryItem>, InvalidName> {
        let types: BTreeSet<_> = self.types.iter().map(EventType::new).collect::<Result<_, _>>()?;
        let tags = self.tags.iter().map(Tag::new).collect::<Result<Vec<_>, _>>()?;
        let base = QueryItem { stream: None, types: types.into_iter().collect(), tags };
        let mut items = Vec::new();
        let streams = self.streams.iter().map(|stream| StreamId::new(stream).map(Some));
        let streams = if self.streams.is_empty() { vec![None] } else { streams.collect::<Result<_, _>>()? };
        for stream in streams {
            let of_stream = QueryItem { stream, ..base.clone() };
            if self.categories.is_empty() {
                items.push(of_stream);
                continue;
            }
            for category in &self.categories {
                let mut item = of_stream.clone();
                item.tags.push(Tag::category(category)?);
                items.push(item);
            }
        }
        Ok(items)
    }

    fn canonical(&self) -> Value {
        let types: BTreeSet<_> = self.types.iter().collect();
        json!({"types": types, "categories": self.categories, "streams": self.streams, "tags": self.tags})
    }
}

impl Declaration {
    /// Returns which events any of the rules takes.
    pub(crate) fn query(&self) -> Result<Query, InvalidName> {
        let items = self.rules.iter().map(|rule| rule.matching.items()).collect::<Result<Vec<_>, _>>()?;
        let query = Query::any_of(items.into_iter().flatten());
        // One rule for every event makes the others' items needless.
        Ok(if query.is_all() { Query::all() } else { query })
    }

    /// Returns the collection that the declaration fills.
    pub(crate) fn definition(&self) -> Definition {
        let fields = self.fields.iter().filter_map(|field| match field.kind {
            ValueKind::Json => None,
            ValueKind::Field(kind) => Some(Field {
                name: field.name.clone(),
                kind,
                indexed: field.indexed,
                searchable: field.searchable,
            }),
        });
        let id = CollectionId { name: self.name.clone(), definition: self.hash };
        Definition { id, fields: fields.collect() }
    }

    /// Hashes everything that decides what the documents say: not the indexes, not the description.
    pub(crate) fn hash_of(&self, upcasts: &[Upcast]) -> DefinitionHash {
        let fields: Vec<_> =
            self.fields.iter().map(|field| json!([field.name.as_str(), field.kind.as_str()])).collect();
        let rules: Vec<_> = self.rules.iter().map(|rule| self.canonical_rule(rule)).collect();
        let upcasts: Vec<_> = upcasts.iter().map(Upcast::canonical).collect();
        let canonical = json!({
            "format": 1, "key": self.key.as_str(), "skip": self.skip_without_key,
            "fields": fields, "rules": rules, "upcasts": upcasts,
        });
        DefinitionHash::of(canonical.to_string().as_bytes())
    }

    fn canonical_rule(&self, rule: &Rule) -> Value {
        let steps = rule.steps.iter().map(|step| {
            let (name, reader) = step.operation.parts();
            let field = self.fields.get(step.field).map_or("", |field| field.name.as_str());
            json!([name, field, reader.map(|reader| &reader.written)])
        });
        json!({
            "on": rule.matching.canonical(), "key": rule.key.as_ref().map(Template::as_str),
            "if_exists": rule.if_exists, "delete": rule.delete, "steps": steps.collect::<Vec<_>>(),
        })
    }
}
