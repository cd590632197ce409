//! The tables of one generation: their names, columns and indexes, all made of numbers and never of names.

use ledgerstone_core::{Definition, Field, FieldKind};
use rusqlite::{Connection, params};

use super::rows;

/// Where the documents of a generation stand, and the statements that reach them.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) number: i64,
    pub(super) definition: Definition,
    /// Reads the id and what is indexed of one document.
    pub(super) select_indexed: String,
    pub(super) insert: String,
    pub(super) delete: String,
    pub(super) get: String,
    pub(super) put_words: String,
    pub(super) delete_words: String,
    pub(super) put_element: String,
    pub(super) delete_element: String,
}

impl Layout {
    pub(super) fn new(number: i64, definition: Definition) -> Self {
        let places = 0..definition.fields.len();
        let columns: String = places.clone().map(|place| format!(", f{place}")).collect();
        let values: String = places.map(|place| format!(", ?{}", place + 5)).collect();
        let searchable: Vec<_> = searchable(&definition.fields).collect();
        let word_columns: String = searchable.iter().map(|place| format!(", f{place}")).collect();
        let word_values = ", ?".repeat(searchable.len());
        let (table, words) = (format!("documents_{number}"), format!("document_words_{number}"));
        let elements = format!("document_elements_{number}");
        Self {
            select_indexed: format!("SELECT id, words{columns} FROM {table} WHERE tenant = ?1 AND key = ?2"),
            insert: format!(
                "INSERT INTO {table} (tenant, key, words, body{columns}) VALUES (?1, ?2, ?3, ?4{values})"
            ),
            delete: format!("DELETE FROM {table} WHERE id = ?1"),
            // The cross join keeps the keys on the outside, whatever the planner believes of their number.
            get: format!(
                "SELECT wanted.key, d.body FROM json_each(?2) AS wanted \
                 CROSS JOIN {table} AS d ON d.tenant = ?1 AND d.key = wanted.value"
            ),
            put_words: format!(
                "INSERT OR REPLACE INTO {words} (rowid{word_columns}) VALUES (?{word_values})"
            ),
            delete_words: format!("DELETE FROM {words} WHERE rowid = ?1"),
            put_element: format!(
                "INSERT OR IGNORE INTO {elements} (field, tenant, value, id) VALUES (?1, ?2, ?3, ?4)"
            ),
            delete_element: format!(
                "DELETE FROM {elements} WHERE field = ?1 AND tenant = ?2 AND value = ?3 AND id = ?4"
            ),
            number,
            definition,
        }
    }

    pub(super) fn table(&self) -> String {
        format!("documents_{}", self.number)
    }

    pub(super) fn elements(&self) -> String {
        format!("document_elements_{}", self.number)
    }

    pub(super) fn words(&self) -> String {
        format!("document_words_{}", self.number)
    }

    /// Yields the places of the searchable fields.
    pub(super) fn searchable(&self) -> impl Iterator<Item = usize> {
        searchable(&self.definition.fields)
    }

    /// Creates the tables and indexes.
    pub(super) fn create(&self, connection: &Connection) -> rusqlite::Result<()> {
        let (table, elements) = (self.table(), self.elements());
        let column = |(place, field): (usize, &Field)| format!(", f{place} {}", column_type(field.kind));
        let columns: String = self.definition.fields.iter().enumerate().map(column).collect();
        // The body comes last: what queries look at stands before a long one's overflow pages.
        connection.execute_batch(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, key TEXT NOT NULL, \
                 words INTEGER NOT NULL{columns}, body TEXT NOT NULL, UNIQUE (tenant, key)) STRICT;
             CREATE TABLE {elements} (field INTEGER NOT NULL, tenant TEXT NOT NULL, value TEXT NOT NULL, \
                 id INTEGER NOT NULL, PRIMARY KEY (field, tenant, value, id)) STRICT, WITHOUT ROWID;"
        ))?;
        self.create_words(connection)?;
        for (place, field) in self.definition.fields.iter().enumerate() {
            if has_index(field) {
                self.create_index(connection, place)?;
            }
        }
        Ok(())
    }

    /// Drops the tables with all that stands in them.
    pub(super) fn drop_tables(&self, connection: &Connection) -> rusqlite::Result<()> {
        let (table, elements, words) = (self.table(), self.elements(), self.words());
        connection.execute_batch(&format!(
            "DROP TABLE {table}; DROP TABLE {elements}; DROP TABLE IF EXISTS {words};"
        ))
    }

    /// Brings the indexes of tables that hold documents in line with those of `wanted`.
    pub(super) fn change_indexes(&self, connection: &Connection, wanted: &Self) -> rusqlite::Result<()> {
        let pairs = self.definition.fields.iter().zip(&wanted.definition.fields).enumerate();
        let mut search_changes = false;
        for (place, (old, new)) in pairs {
            search_changes |= old.searchable != new.searchable;
            match (old.indexed, new.indexed, new.kind) {
                (false, true, FieldKind::TextArray) => self.fill_elements(connection, place)?,
                (true, false, FieldKind::TextArray) => {
                    let sql = format!("DELETE FROM {} WHERE field = ?1", self.elements());
                    connection.execute(&sql, params![place as i64])?;
                }
                (false, true, _) => self.create_index(connection, place)?,
                (true, false, _) => connection.execute_batch(&format!("DROP INDEX {}", self.index(place)))?,
                _ => {}
            }
        }
        if search_changes {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", self.words()))?;
            wanted.create_words(connection)?;
            rows::fill_words(connection, wanted)?;
        }
        Ok(())
    }

    fn index(&self, place: usize) -> String {
        format!("documents_{}_f{place}", self.number)
    }

    fn create_index(&self, connection: &Connection, place: usize) -> rusqlite::Result<()> {
        let (index, table) = (self.index(place), self.table());
        connection.execute_batch(&format!("CREATE INDEX {index} ON {table} (tenant, f{place}, key)"))
    }

    /// Creates the index of words: fed with words that are folded already, so `ascii` splits at the
    /// spaces between them and nowhere else.
    fn create_words(&self, connection: &Connection) -> rusqlite::Result<()> {
        let columns: Vec<_> = self.searchable().map(|place| format!("f{place}")).collect();
        if columns.is_empty() {
            return Ok(());
        }
        let (words, columns) = (self.words(), columns.join(", "));
        connection.execute_batch(&format!(
            "CREATE VIRTUAL TABLE {words} USING fts5({columns}, content='', contentless_delete=1, \
             tokenize='ascii', detail=column)"
        ))
    }

    fn fill_elements(&self, connection: &Connection, place: usize) -> rusqlite::Result<()> {
        let (table, elements) = (self.table(), self.elements());
        let sql = format!(
            "INSERT OR IGNORE INTO {elements} (field, tenant, value, id) \
             SELECT ?1, d.tenant, element.value, d.id FROM {table} AS d, json_each(d.f{place}) AS element"
        );
        connection.execute(&sql, params![place as i64]).map(|_| ())
    }
}

/// Tells whether a column of its own index serves the field; arrays have their elements instead.
pub(super) fn has_index(field: &Field) -> bool {
    field.indexed && field.kind != FieldKind::TextArray
}

fn searchable(fields: &[Field]) -> impl Iterator<Item = usize> {
    fields.iter().enumerate().filter(|(_, field)| field.searchable).map(|(place, _)| place)
}

fn column_type(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "TEXT",
        FieldKind::Integer | FieldKind::Boolean | FieldKind::Time => "INTEGER",
        FieldKind::Number => "REAL",
        // As JSON.
        FieldKind::TextArray => "TEXT",
    }
}
