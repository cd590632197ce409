//! The generations of collections: declared, promoted, dropped, and found by name.

use std::collections::HashMap;
use std::sync::Arc;

use ledgerstone_core::{
    Alteration, Collection, CollectionId, CollectionName, CollectionRef, CollectionState, Definition,
    DocumentStoreError, InvalidName, LogPoint,
};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::layout::Layout;
use crate::sqlite::failure::{corrupt, failed};

const COLUMNS: &str =
    "SELECT number, layout, name, definition, fields, live, checkpoint FROM document_collections";

/// Finds generations, and remembers their layouts as long as they do not change.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    layouts: Mutex<HashMap<i64, (i64, Arc<Layout>)>>,
}

/// A generation as it stands, with its tables.
#[derive(Debug, Clone)]
pub(super) struct Generation {
    pub(super) layout: Arc<Layout>,
    pub(super) state: CollectionState,
    pub(super) checkpoint: Option<LogPoint>,
}

impl Generation {
    fn collection(&self) -> Collection {
        Collection {
            definition: self.layout.definition.clone(),
            state: self.state,
            checkpoint: self.checkpoint,
        }
    }
}

impl Catalogue {
    /// Finds a generation.
    pub(super) fn find(
        &self,
        connection: &Connection,
        asked: &CollectionRef,
    ) -> Result<Generation, DocumentStoreError> {
        let found = match asked {
            CollectionRef::Live(name) => self.live(connection, name)?,
            CollectionRef::Generation(id) => self.generation(connection, id)?,
        };
        match found {
            Some(generation) => Ok(generation),
            None => Err(DocumentStoreError::unknown_collection(asked, &self.list(connection)?)),
        }
    }

    /// Returns all generations, by name and definition.
    pub(super) fn list(&self, connection: &Connection) -> Result<Vec<Collection>, DocumentStoreError> {
        let sql = format!("{COLUMNS} ORDER BY name, definition");
        let mut statement = connection.prepare_cached(&sql).map_err(failed("list collections"))?;
        let rows = statement.query_map([], Record::read).map_err(failed("list collections"))?;
        let records: Vec<_> = rows.collect::<Result<_, _>>().map_err(failed("list collections"))?;
        records.into_iter().map(|record| Ok(self.resolve(record)?.collection())).collect()
    }

    /// Forgets what was remembered, after alterations that may have been rolled back: numbers and
    /// versions of layouts that never came to be are given again.
    pub(super) fn forget(&self) {
        self.layouts.lock().clear();
    }

    /// Changes a collection; call it within a transaction.
    pub(super) fn alter(
        &self,
        connection: &Connection,
        alteration: &Alteration,
    ) -> Result<(), DocumentStoreError> {
        match alteration {
            Alteration::Declare(definition) => self.declare(connection, definition),
            Alteration::Promote(id) => self.promote(connection, id),
            Alteration::Drop(id) => {
                let generation = self.find(connection, &id.clone().into())?;
                drop_generation(connection, &generation)
            }
        }
    }

    fn declare(&self, connection: &Connection, wanted: &Definition) -> Result<(), DocumentStoreError> {
        wanted.check()?;
        if let Some(generation) = self.generation(connection, &wanted.id)? {
            return change_indexes(connection, &generation.layout, wanted);
        }
        let sql = "INSERT INTO document_collections (name, definition, fields, live) \
                   VALUES (?1, ?2, ?3, NOT EXISTS (SELECT 1 FROM document_collections WHERE name = ?1))";
        let (name, definition) = (wanted.id.name.as_str(), wanted.id.definition.to_string());
        let values = params![name, definition, fields_json(wanted)];
        connection.execute(sql, values).map_err(failed("declare a collection"))?;
        let layout = Layout::new(connection.last_insert_rowid(), wanted.clone());
        Ok(layout.create(connection).map_err(failed("declare a collection"))?)
    }

    fn promote(&self, connection: &Connection, id: &CollectionId) -> Result<(), DocumentStoreError> {
        let generation = self.find(connection, &id.clone().into())?;
        if generation.state == CollectionState::Live {
            return Ok(());
        }
        if let Some(live) = self.live(connection, &id.name)? {
            generation.collection().check_promotion(&live.collection())?;
            drop_generation(connection, &live)?;
        }
        let sql = "UPDATE document_collections SET live = 1 WHERE number = ?1";
        connection.execute(sql, [generation.layout.number]).map_err(failed("promote a collection"))?;
        Ok(())
    }

    fn live(
        &self,
        connection: &Connection,
        name: &CollectionName,
    ) -> Result<Option<Generation>, DocumentStoreError> {
        let sql = format!("{COLUMNS} WHERE name = ?1 AND live");
        let mut statement = connection.prepare_cached(&sql).map_err(failed("find a collection"))?;
        let record = statement.query_row([name.as_str()], Record::read).optional();
        record.map_err(failed("find a collection"))?.map(|record| self.resolve(record)).transpose()
    }

    fn generation(
        &self,
        connection: &Connection,
        id: &CollectionId,
    ) -> Result<Option<Generation>, DocumentStoreError> {
        let sql = format!("{COLUMNS} WHERE name = ?1 AND definition = ?2");
        let mut statement = connection.prepare_cached(&sql).map_err(failed("find a collection"))?;
        let address = params![id.name.as_str(), id.definition.to_string()];
        let record = statement.query_row(address, Record::read).optional();
        record.map_err(failed("find a collection"))?.map(|record| self.resolve(record)).transpose()
    }

    fn resolve(&self, record: Record) -> Result<Generation, DocumentStoreError> {
        let damaged = |error: InvalidName| corrupt("find a collection", error);
        let checkpoint = record.checkpoint.as_deref().map(str::parse).transpose().map_err(damaged)?;
        let state = if record.live { CollectionState::Live } else { CollectionState::Building };
        let known = self.layouts.lock().get(&record.number).cloned();
        let layout = match known {
            Some((version, layout)) if version == record.layout => layout,
            _ => {
                let layout = Arc::new(Layout::new(record.number, record.definition()?));
                self.layouts.lock().insert(record.number, (record.layout, Arc::clone(&layout)));
                layout
            }
        };
        Ok(Generation { layout, state, checkpoint })
    }
}

struct Record {
    number: i64,
    layout: i64,
    name: String,
    definition: String,
    fields: String,
    live: bool,
    checkpoint: Option<String>,
}

impl Record {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            layout: row.get(1)?,
            name: row.get(2)?,
            definition: row.get(3)?,
            fields: row.get(4)?,
            live: row.get(5)?,
            checkpoint: row.get(6)?,
        })
    }

    fn definition(&self) -> Result<Definition, DocumentStoreError> {
        let damaged = |error: InvalidName| corrupt("find a collection", error);
        let name = CollectionName::new(&self.name).map_err(damaged)?;
        let definition = self.definition.parse().map_err(damaged)?;
        let fields = serde_json::from_str(&self.fields);
        let fields = fields.map_err(|error| {
            corrupt("find a collection", format!("the fields of {name} do not read back: {error}"))
        })?;
        Ok(Definition { id: CollectionId { name, definition }, fields })
    }
}

fn change_indexes(
    connection: &Connection,
    layout: &Layout,
    wanted: &Definition,
) -> Result<(), DocumentStoreError> {
    let brought = layout.definition.with_indexes_of(wanted)?;
    if brought == layout.definition {
        return Ok(());
    }
    let sql = "UPDATE document_collections SET fields = ?2, layout = layout + 1 WHERE number = ?1";
    let values = params![layout.number, fields_json(&brought)];
    connection.execute(sql, values).map_err(failed("change indexes"))?;
    let brought = Layout::new(layout.number, brought);
    Ok(layout.change_indexes(connection, &brought).map_err(failed("change indexes"))?)
}

fn drop_generation(connection: &Connection, generation: &Generation) -> Result<(), DocumentStoreError> {
    let sql = "DELETE FROM document_collections WHERE number = ?1";
    connection.execute(sql, [generation.layout.number]).map_err(failed("drop a collection"))?;
    Ok(generation.layout.drop_tables(connection).map_err(failed("drop a collection"))?)
}

/// Writes the declared fields; they are names and flags, which cannot fail.
fn fields_json(definition: &Definition) -> String {
    serde_json::to_string(&definition.fields).unwrap_or_default()
}
