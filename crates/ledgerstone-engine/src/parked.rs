//! Parked keys: rows beside the checkpoint that say which documents stand still, since when and why.

use std::collections::HashMap;

use ledgerstone_core::{
    Body, CollectionId, CollectionName, Definition, DefinitionHash, Document, DocumentKey, DocumentStore,
    DocumentStoreError, Field, FieldKind, FieldName, Filter, InvalidName, Position, RecordedEvent, Select,
    Tenant, TenantScope, Timestamp, Write,
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::read_models::error::ReadModelError;

/// The collection of every read model's parked keys.
pub const PARKED: &str = "$parked";

/// A key whose events are held back: by reference, not by copy.
///
/// The document stands as it was before the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParkedKey {
    /// The read model.
    pub model: CollectionName,
    /// The generation of the read model.
    pub definition: DefinitionHash,
    /// Whose document.
    pub tenant: String,
    /// The document's key, or `$event:<position>` for an event whose keys are not known.
    pub key: String,
    /// Whether it stands for one event whose keys are not known.
    pub whole_event: bool,
    /// The position of the first event that is held.
    pub first: Position,
    /// The position of the last event that is held.
    pub last: Position,
    /// How many events are held; none if it is an event that was given up.
    pub events: u64,
    /// The type of the first of them.
    pub event_type: String,
    /// Why the first of them could not be applied.
    pub cause: String,
    /// When it was parked.
    pub parked_at: Timestamp,
}

impl ParkedKey {
    /// The longest cause in characters that is kept.
    const MAX_CAUSE: usize = 500;

    /// Parks a key at the first event that could not be applied.
    pub(crate) fn new(
        collection: &CollectionId,
        key: Option<&DocumentKey>,
        first: &RecordedEvent,
        cause: &str,
        parked_at: Timestamp,
    ) -> Self {
        let event_key = || event_key(first.position());
        Self {
            model: collection.name.clone(),
            definition: collection.definition,
            tenant: first.tenant().to_owned(),
            key: key.map_or_else(event_key, |key| key.as_str().to_owned()),
            whole_event: key.is_none(),
            first: first.position(),
            last: first.position(),
            events: 1,
            event_type: first.event_type().to_owned(),
            cause: cause.chars().take(Self::MAX_CAUSE).collect(),
            parked_at,
        }
    }

    /// Holds one more event.
    pub(crate) fn hold(&mut self, event: &RecordedEvent) {
        self.events += 1;
        self.last = self.last.max(event.position());
    }

    /// Notes that a whole event was given up: a key that was parked before it must not apply it later.
    pub(crate) fn give_up(&mut self) {
        self.events = 0;
    }

    /// Reads the row again, as it is stored now; nothing if it is gone or was given up.
    pub(crate) async fn fresh(&self, documents: &dyn DocumentStore) -> Result<Option<Self>, ReadModelError> {
        let tenant = Tenant::new(&self.tenant)?;
        let found = stored(documents, &tenant, &[self.row_key()?]).await?;
        Ok(found.into_iter().find(|row| row.events > 0))
    }

    /// Returns what it is the row of: a document may bear the name that a whole event is listed under.
    fn held(&self) -> Held {
        if self.whole_event { Held::WholeEvent(self.first) } else { Held::Key(self.key.clone()) }
    }

    /// Returns the id of the event that records its discard: one for each time that it is parked.
    pub(crate) fn discard_id(&self) -> Result<Uuid, InvalidName> {
        let (first, parked_at) = (self.first.to_string(), self.parked_at.to_string());
        let parked = [self.row_key()?.as_str(), &first, &parked_at].join("\u{0}");
        Ok(Uuid::new_v5(&Uuid::nil(), parked.as_bytes()))
    }

    fn row_key(&self) -> Result<DocumentKey, InvalidName> {
        row_key(&self.model, self.definition, self.whole_event, &self.tenant, &self.key)
    }

    /// Returns the write that stores the row.
    pub(crate) fn put(&self) -> Result<Write, InvalidName> {
        self.write(Some(self.body()))
    }

    /// Returns the write that removes the row.
    pub(crate) fn removal(&self) -> Result<Write, InvalidName> {
        self.write(None)
    }

    fn write(&self, body: Option<Body>) -> Result<Write, InvalidName> {
        let collection = parked_definition()?.id;
        Ok(Write { collection, tenant: Tenant::new(&self.tenant)?, key: self.row_key()?, body })
    }

    fn body(&self) -> Body {
        let mut body = Body::new();
        let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
        put("model", self.model.as_str().into());
        put("definition", self.definition.to_string().into());
        put("tenant", self.tenant.as_str().into());
        put("key", self.key.as_str().into());
        put("whole_event", self.whole_event.into());
        put("first", self.first.0.into());
        put("last", self.last.0.into());
        put("events", self.events.into());
        put("event_type", self.event_type.as_str().into());
        put("cause", self.cause.as_str().into());
        put("parked_at", self.parked_at.to_string().into());
        body
    }

    fn from_document(document: &Document) -> Option<Self> {
        let text = |name: &str| document.body.get(name).and_then(Value::as_str);
        let number = |name: &str| document.body.get(name).and_then(Value::as_u64);
        Some(Self {
            model: CollectionName::new(text("model")?).ok()?,
            definition: text("definition")?.parse().ok()?,
            tenant: document.tenant.as_str().to_owned(),
            key: text("key")?.to_owned(),
            whole_event: document.body.get("whole_event").and_then(Value::as_bool).unwrap_or_default(),
            first: Position(number("first")?),
            last: Position(number("last")?),
            events: number("events")?,
            event_type: text("event_type")?.to_owned(),
            cause: text("cause")?.to_owned(),
            parked_at: Timestamp::parse(text("parked_at")?).ok()?,
        })
    }
}

fn event_key(position: Position) -> String {
    format!("$event:{position}")
}

fn row_key(
    model: &CollectionName,
    definition: DefinitionHash,
    whole_event: bool,
    tenant: &str,
    key: &str,
) -> Result<DocumentKey, InvalidName> {
    let kind = if whole_event { "event" } else { "key" };
    let address = [model.as_str(), &definition.to_string(), kind, tenant, key].join("\u{0}");
    DocumentKey::new(DefinitionHash::of(address.as_bytes()).to_string())
}

/// Returns which of a tenant's documents are parked, with their rows.
pub(crate) async fn parked_among(
    documents: &dyn DocumentStore,
    collection: &CollectionId,
    tenant: &Tenant,
    keys: &[DocumentKey],
) -> Result<Vec<ParkedKey>, ReadModelError> {
    let row = |key: &DocumentKey| {
        row_key(&collection.name, collection.definition, false, tenant.as_str(), key.as_str())
    };
    let rows: Vec<_> = keys.iter().map(row).collect::<Result<_, _>>()?;
    stored(documents, tenant, &rows).await
}

/// Returns the rows of those of a tenant's events that are parked whole, or were given up.
pub(crate) async fn whole_among(
    documents: &dyn DocumentStore,
    collection: &CollectionId,
    tenant: &Tenant,
    positions: &[Position],
) -> Result<Vec<ParkedKey>, ReadModelError> {
    let row = |position: &Position| {
        let key = event_key(*position);
        row_key(&collection.name, collection.definition, true, tenant.as_str(), &key)
    };
    let rows: Vec<_> = positions.iter().map(row).collect::<Result<_, _>>()?;
    stored(documents, tenant, &rows).await
}

async fn stored(
    documents: &dyn DocumentStore,
    tenant: &Tenant,
    rows: &[DocumentKey],
) -> Result<Vec<ParkedKey>, ReadModelError> {
    let collection = parked_definition()?.id.into();
    let mut found = Vec::new();
    for rows in rows.chunks(documents.capabilities().commit_writes.max(1)) {
        let stored = documents.get(&collection, tenant, rows).await?;
        found.extend(stored.iter().flatten().filter_map(ParkedKey::from_document));
    }
    Ok(found)
}

/// Returns what the collection of parked keys holds.
pub(crate) fn parked_definition() -> Result<Definition, InvalidName> {
    let fields = [
        ("model", FieldKind::Text, true),
        ("definition", FieldKind::Text, true),
        ("tenant", FieldKind::Text, false),
        ("key", FieldKind::Text, true),
        ("whole_event", FieldKind::Boolean, false),
        ("first", FieldKind::Integer, false),
        ("last", FieldKind::Integer, false),
        ("events", FieldKind::Integer, false),
        ("event_type", FieldKind::Text, false),
        ("cause", FieldKind::Text, false),
        ("parked_at", FieldKind::Time, false),
    ];
    let fields = fields.into_iter().map(|(name, kind, indexed)| {
        Ok(Field { name: FieldName::declared(name)?, kind, indexed, searchable: false })
    });
    let id = CollectionId {
        name: CollectionName::new(PARKED)?,
        definition: DefinitionHash::of(b"ledgerstone parked keys 1"),
    };
    Ok(Definition { id, fields: fields.collect::<Result<_, InvalidName>>()? })
}

/// What a row holds back: a document's events, or one event whose documents are not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Held {
    Key(String),
    WholeEvent(Position),
}

/// The parked keys of one generation, as a projector sees them.
#[derive(Debug, Default)]
pub(crate) struct ParkedKeys(HashMap<(String, Held), ParkedKey>);

impl ParkedKeys {
    /// Reads them all; there are at most as many as the bound allows.
    pub(crate) async fn load(
        documents: &dyn DocumentStore,
        collection: &CollectionId,
        tenants: &TenantScope,
    ) -> Result<Self, DocumentStoreError> {
        let keys = list(documents, collection, tenants).await?;
        let mut parked = Self::default();
        parked.extend(keys);
        Ok(parked)
    }

    /// Returns how many keys are parked.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether none is.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a key's row, if it is parked.
    pub(crate) fn get(&self, tenant: &str, key: &str) -> Option<&ParkedKey> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(tenant.to_owned(), Held::Key(key.to_owned())))
    }

    /// Takes rows that were stored.
    pub(crate) fn extend(&mut self, rows: Vec<ParkedKey>) {
        self.0.extend(rows.into_iter().map(|row| ((row.tenant.clone(), row.held()), row)));
    }

    /// Returns how many there would be together with these rows.
    pub(crate) fn len_with(&self, rows: &[ParkedKey]) -> usize {
        let known = |row: &&ParkedKey| self.0.contains_key(&(row.tenant.clone(), row.held()));
        self.0.len() + rows.len() - rows.iter().filter(known).count()
    }
}

/// Lists the parked keys of a generation, by position.
pub(crate) async fn list(
    documents: &dyn DocumentStore,
    collection: &CollectionId,
    tenants: &TenantScope,
) -> Result<Vec<ParkedKey>, DocumentStoreError> {
    let filter = Filter::And(vec![of(collection)?, held()?]);
    select(documents, filter, tenants).await
}

/// Lists every row of a generation, those of events that were given up too.
pub(crate) async fn rows(
    documents: &dyn DocumentStore,
    collection: &CollectionId,
    tenants: &TenantScope,
) -> Result<Vec<ParkedKey>, DocumentStoreError> {
    select(documents, of(collection)?, tenants).await
}

async fn select(
    documents: &dyn DocumentStore,
    filter: Filter,
    tenants: &TenantScope,
) -> Result<Vec<ParkedKey>, DocumentStoreError> {
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let select = Select::from(name(PARKED)?).filter(filter.clone()).of(tenants.clone());
        let size = documents.capabilities().page_size.clamp(1, 1_000);
        let page = documents.query(select.size(size).cursor(cursor)).await?;
        keys.extend(page.documents.iter().filter_map(ParkedKey::from_document));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    keys.sort_by_key(|key| key.first);
    Ok(keys)
}

/// Counts the parked keys of a generation.
pub(crate) async fn count(
    documents: &dyn DocumentStore,
    collection: &CollectionId,
    tenants: &TenantScope,
) -> Result<u64, DocumentStoreError> {
    let filter = Filter::And(vec![of(collection)?, held()?]);
    documents.count(&name(PARKED)?.into(), tenants, &filter).await
}

fn name(text: &str) -> Result<CollectionName, DocumentStoreError> {
    CollectionName::new(text).map_err(|error| DocumentStoreError::InvalidSelect(error.to_string()))
}

fn field(text: &str) -> Result<FieldName, DocumentStoreError> {
    FieldName::new(text).map_err(|error| DocumentStoreError::InvalidSelect(error.to_string()))
}

/// Selects the rows of a generation.
fn of(collection: &CollectionId) -> Result<Filter, DocumentStoreError> {
    let model = Filter::Eq { field: field("model")?, value: collection.name.to_string().into() };
    let value = collection.definition.to_string().into();
    Ok(Filter::And(vec![model, Filter::Eq { field: field("definition")?, value }]))
}

/// Selects the rows that hold events.
fn held() -> Result<Filter, DocumentStoreError> {
    Ok(Filter::Range { field: field("events")?, from: Some(1.into()), to: None })
}
