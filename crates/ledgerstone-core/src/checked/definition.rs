//! The rules that a collection's definition, its alterations and its documents have to keep.

use std::collections::BTreeSet;
use std::io;

use crate::checked::field_value::FieldValue;
use crate::document::{
    Body, Collection, CollectionName, CollectionRef, CollectionState, Definition, DocumentKey, Field,
    FieldKind, FieldName,
};
use crate::document_store::{Commit, DocumentCapabilities, DocumentStoreError};
use crate::nearest::nearest;
use crate::position::LogPoint;
use crate::tenant::Tenant;

impl Definition {
    /// Checks the declared fields: their number, their names, and that only texts are searchable.
    pub fn check(&self) -> Result<(), DocumentStoreError> {
        let invalid = |reason: String| {
            DocumentStoreError::InvalidDefinition(format!("the collection {}: {reason}", self.id.name))
        };
        if self.fields.len() > Self::MAX_FIELDS {
            let (given, limit) = (self.fields.len(), Self::MAX_FIELDS);
            return Err(invalid(format!("{given} fields are declared and the limit is {limit}")));
        }
        let mut names = BTreeSet::new();
        for field in &self.fields {
            FieldName::declared(field.name.as_str()).map_err(|error| invalid(error.to_string()))?;
            if !names.insert(&field.name) {
                return Err(invalid(format!("the field {} is declared twice", field.name)));
            }
            if field.searchable && !matches!(field.kind, FieldKind::Text | FieldKind::TextArray) {
                let (name, kind) = (&field.name, field.kind.as_str());
                return Err(invalid(format!("the field {name} is a {kind}, and only texts are searchable")));
            }
        }
        Ok(())
    }

    /// Returns this definition with the indexes of `wanted`, which must declare the same names and kinds.
    ///
    /// The places of the fields stay as they are.
    pub fn with_indexes_of(&self, wanted: &Self) -> Result<Self, DocumentStoreError> {
        let same = |field: &Field| {
            wanted.fields.iter().find(|other| other.name == field.name && other.kind == field.kind).cloned()
        };
        let fields: Option<Vec<_>> = self.fields.iter().map(same).collect();
        let fields = fields.filter(|fields| fields.len() == wanted.fields.len());
        let fields = fields.ok_or_else(|| other_fields(self))?;
        Ok(Self { id: self.id.clone(), fields })
    }

    /// Reads the declared fields of a document to put, and checks its size.
    pub fn read(
        &self,
        tenant: &Tenant,
        key: &DocumentKey,
        body: &Body,
        capabilities: &DocumentCapabilities,
    ) -> Result<Vec<FieldValue>, DocumentStoreError> {
        let invalid = |reason: String| DocumentStoreError::InvalidDocument {
            collection: self.id.name.clone(),
            tenant: tenant.clone(),
            key: key.as_str().to_owned(),
            reason,
        };
        let values = FieldValue::read_all(&self.fields, body).map_err(invalid)?;
        let (size, limit) = (json_size(body), capabilities.document_bytes);
        if size > limit {
            return Err(invalid(format!("it has {size} bytes of JSON and the limit is {limit}")));
        }
        Ok(values)
    }
}

fn other_fields(definition: &Definition) -> DocumentStoreError {
    DocumentStoreError::InvalidDefinition(format!(
        "the collection {} is declared with other fields under the same hash; hash the changed definition anew",
        definition.id
    ))
}

/// Counts the bytes of a body as JSON without writing them anywhere.
fn json_size(body: &Body) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    match serde_json::to_writer(&mut counter, body) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}

impl DocumentCapabilities {
    /// Describes a store that does everything, up to the usual limits: pages of 1,000 documents, documents of
    /// 1 MiB, commits of 10,000 writes.
    pub const fn full(backend: &'static str, durable: bool) -> Self {
        Self {
            backend,
            durable,
            writable: true,
            search: true,
            page_size: 1_000,
            document_bytes: 1024 * 1024,
            commit_writes: 10_000,
        }
    }

    /// Checks the number of keys that are read at once: as many as a commit may write.
    pub fn check_keys(&self, keys: &[DocumentKey]) -> Result<(), DocumentStoreError> {
        let (given, limit) = (keys.len(), self.commit_writes);
        if given > limit {
            let reason = format!("{given} keys are read at once and the limit is {limit}; split them");
            return Err(DocumentStoreError::InvalidSelect(reason));
        }
        Ok(())
    }
}

impl Commit {
    /// Checks the number of writes.
    pub fn check(&self, capabilities: &DocumentCapabilities) -> Result<(), DocumentStoreError> {
        let (given, limit) = (self.writes.len(), capabilities.commit_writes);
        if given > limit {
            let reason = format!("a commit has {given} writes and the limit is {limit}; split it");
            return Err(DocumentStoreError::InvalidSelect(reason));
        }
        Ok(())
    }
}

impl Collection {
    /// Checks that this generation may take the place of the `live` one: that it does not stand before it.
    ///
    /// A live generation that was filled from another log, or from an earlier epoch, may be replaced at any point.
    pub fn check_promotion(&self, live: &Self) -> Result<(), DocumentStoreError> {
        let behind = match (self.checkpoint, live.checkpoint) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(new), Some(old)) => is_behind(new, old),
        };
        if !behind {
            return Ok(());
        }
        let stands = |point: Option<LogPoint>| {
            point.map_or_else(|| "the beginning".to_owned(), |at| at.position.to_string())
        };
        Err(DocumentStoreError::InvalidDefinition(format!(
            "the collection {} stands at {} and the live one at {}; fill it up to there before it is promoted",
            self.definition.id,
            stands(self.checkpoint),
            stands(live.checkpoint),
        )))
    }
}

fn is_behind(new: LogPoint, old: LogPoint) -> bool {
    if new.log.id != old.log.id {
        return false;
    }
    (new.log.epoch, new.position) < (old.log.epoch, old.position)
}

impl DocumentStoreError {
    /// Says that a collection is not among `known`, and names the most similar live one.
    pub fn unknown_collection<'a>(
        asked: &CollectionRef,
        known: impl IntoIterator<Item = &'a Collection>,
    ) -> Self {
        let live = known.into_iter().filter(|collection| collection.state == CollectionState::Live);
        let names = live.map(|collection| &collection.definition.id.name);
        let nearest: Option<&CollectionName> = nearest(asked.name().as_str(), names);
        let name = match asked {
            CollectionRef::Live(name) => name.to_string(),
            CollectionRef::Generation(id) => id.to_string(),
        };
        Self::UnknownCollection { name, nearest: nearest.cloned() }
    }
}
