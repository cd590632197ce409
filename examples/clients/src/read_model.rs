//! The `clients` read model: one document a client, with everything that is searched for.

use ledgerstone::core::{
    Body, CollectionId, CollectionName, Definition, DefinitionHash, DocumentKey, DomainEvent, EventType,
    Field, FieldKind, FieldName, InvalidName, Projection, ProjectionError, Query, QueryItem, RecordedEvent,
};
use serde_json::{Value, json};

use crate::domain::{ClientEvent, ClientFields};

/// The name of the read model.
pub const CLIENTS: &str = "clients";

/// Raise it when the rules below change: the read model is then rebuilt beside the live one.
const RULES: &str = "clients/1";

/// Fills the `clients` read model.
#[derive(Debug)]
pub struct ClientsProjection {
    definition: Definition,
    query: Query,
}

impl ClientsProjection {
    /// Creates the projection.
    pub fn new() -> Result<Self, InvalidName> {
        let types = ClientEvent::SCHEMAS.iter().map(|schema| EventType::new(schema.event_type));
        let types = types.collect::<Result<Vec<_>, _>>()?;
        let id = CollectionId {
            name: CollectionName::new(CLIENTS)?,
            definition: DefinitionHash::of(RULES.as_bytes()),
        };
        Ok(Self { definition: Definition { id, fields: fields()? }, query: QueryItem::types(types).into() })
    }
}

fn fields() -> Result<Vec<Field>, InvalidName> {
    use FieldKind::{Boolean, Integer, Text, TextArray, Time};
    let declared = [
        ("aggregate_id", Text, true, false),
        ("salesforce_id", Text, true, false),
        ("name", Text, true, true),
        ("status", Text, true, false),
        ("priority", Text, true, false),
        ("business_types", TextArray, true, true),
        ("sso_id_production", Text, true, false),
        ("sso_id_sandbox", Text, true, false),
        ("country", Text, true, false),
        ("is_deleted", Boolean, true, false),
        ("version", Integer, false, false),
        ("updated_at", Time, true, false),
    ];
    let field = |(name, kind, indexed, searchable)| {
        Ok(Field { name: FieldName::declared(name)?, kind, indexed, searchable })
    };
    declared.into_iter().map(field).collect()
}

impl Projection for ClientsProjection {
    fn definition(&self) -> Definition {
        self.definition.clone()
    }

    fn query(&self) -> Query {
        self.query.clone()
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Vec<DocumentKey>, ProjectionError> {
        let stream = event.stream().ok_or_else(|| ProjectionError("the event has no stream".to_owned()))?;
        let (_, client) = stream.split_once('-').unwrap_or(("", stream));
        DocumentKey::new(client).map(|key| vec![key]).map_err(|error| ProjectionError(error.to_string()))
    }

    fn project(
        &self,
        event: &RecordedEvent,
        key: &DocumentKey,
        body: Option<Body>,
    ) -> Result<Option<Body>, ProjectionError> {
        let change = ClientEvent::from_json(event.event_type(), event.payload())
            .ok_or_else(|| ProjectionError(format!("no decoder for {}", event.event_type())))?
            .map_err(|error| ProjectionError(format!("{}: {error}", event.event_type())))?;
        let version = event.revision().map_or(0, |revision| revision.0);
        let mut body = body.unwrap_or_default();
        // An event that the document has seen changes nothing.
        if body.get("version").and_then(Value::as_u64).is_some_and(|seen| seen >= version) {
            return Ok(Some(body));
        }
        match change {
            ClientEvent::ClientCreated(created) => {
                set(&mut body, "aggregate_id", json!(key.as_str()));
                set(&mut body, "salesforce_id", json!(created.salesforce_id));
                set(&mut body, "is_deleted", json!(false));
                set(&mut body, "raw_data", created.raw);
                set_fields(&mut body, &created.fields);
            }
            ClientEvent::ClientUpdated(updated) => {
                set(&mut body, "raw_data", updated.raw);
                set_fields(&mut body, &updated.changes);
            }
            ClientEvent::ClientDeleted(_) => set(&mut body, "is_deleted", json!(true)),
            ClientEvent::ClientRestored(_) => set(&mut body, "is_deleted", json!(false)),
        }
        let at = event.occurred_at().map_or(event.recorded_at(), |time| time.at);
        set(&mut body, "version", json!(version));
        set(&mut body, "updated_at", json!(at));
        Ok(Some(body))
    }
}

fn set_fields(body: &mut Body, fields: &ClientFields) {
    let fields = [
        ("name", fields.name.as_ref().map(|name| json!(name))),
        ("status", fields.status.map(|status| json!(status))),
        ("priority", fields.priority.map(|priority| json!(priority))),
        ("business_types", fields.business_types.as_ref().map(|types| json!(types))),
        ("country", fields.country.as_ref().map(|country| json!(country))),
        ("sso_id_production", fields.sso_id_production.as_ref().map(|id| json!(id))),
        ("sso_id_sandbox", fields.sso_id_sandbox.as_ref().map(|id| json!(id))),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            set(body, name, value);
        }
    }
}

fn set(body: &mut Body, name: &str, value: Value) {
    if value.is_null() {
        body.remove(name);
    } else {
        body.insert(name.to_owned(), value);
    }
}
