//! Writing documents: one row each, and only those index rows that change.

use std::collections::BTreeSet;

use ledgerstone_core::{
    DocumentCapabilities, DocumentStoreError, FieldKind, FieldValue, Timestamp, Write, words_of,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};
use xxhash_rust::xxh3::Xxh3;

use super::layout::{Layout, has_index};

/// A write made ready before the database is touched.
pub(super) struct ReadyWrite<'a> {
    layout: &'a Layout,
    write: &'a Write,
    row: Option<ReadyRow>,
}

struct ReadyRow {
    body: String,
    /// The columns of the declared fields.
    columns: Vec<Value>,
    words: WordSource,
}

/// What the searchable fields hold, and a hash that tells whether it changed.
struct WordSource {
    hash: i64,
    values: Vec<FieldValue>,
}

impl<'a> ReadyWrite<'a> {
    /// Checks a write against its collection and encodes it.
    pub(super) fn new(
        layout: &'a Layout,
        write: &'a Write,
        capabilities: &DocumentCapabilities,
    ) -> Result<Self, DocumentStoreError> {
        let ready = |body| {
            let values = layout.definition.read(&write.tenant, &write.key, body, capabilities)?;
            let columns = values.iter().map(column).collect();
            let words = WordSource::new(layout, values);
            Ok::<_, DocumentStoreError>(ReadyRow { body: json(body), columns, words })
        };
        Ok(Self { layout, write, row: write.body.as_ref().map(ready).transpose()? })
    }

    /// Puts or deletes the document.
    pub(super) fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        let old = self.old(connection)?;
        match (&self.row, old) {
            (None, None) => Ok(()),
            (None, Some(old)) => self.delete(connection, &old),
            (Some(row), None) => self.insert(connection, row),
            (Some(row), Some(old)) => self.update(connection, row, &old),
        }
    }

    fn old(&self, connection: &Connection) -> rusqlite::Result<Option<OldRow>> {
        let mut statement = connection.prepare_cached(&self.layout.select_indexed)?;
        let address = params![self.write.tenant.as_str(), self.write.key.as_str()];
        statement.query_row(address, |row| OldRow::read(self.layout, row)).optional()
    }

    fn insert(&self, connection: &Connection, row: &ReadyRow) -> rusqlite::Result<()> {
        let (tenant, key) = (self.write.tenant.as_str(), self.write.key.as_str());
        let address: [&dyn ToSql; 4] = [&tenant, &key, &row.words.hash, &row.body];
        let columns = row.columns.iter().map(|column| column as &dyn ToSql);
        let mut statement = connection.prepare_cached(&self.layout.insert)?;
        let id = statement.insert(params_from_iter(address.into_iter().chain(columns)))?;
        for (place, column) in self.indexed_arrays(&row.columns) {
            self.change_elements(connection, id, place, &Value::Null, column)?;
        }
        row.words.put(connection, self.layout, id)
    }

    fn update(&self, connection: &Connection, row: &ReadyRow, old: &OldRow) -> rusqlite::Result<()> {
        let mut sql = format!("UPDATE {} SET body = ?2, words = ?3", self.layout.table());
        let mut values: Vec<&dyn ToSql> = vec![&old.id, &row.body, &row.words.hash];
        let columns = row.columns.iter().zip(&old.columns).enumerate();
        for (place, (new, _)) in columns.filter(|(_, (new, old))| new != old) {
            values.push(new);
            sql.push_str(&format!(", f{place} = ?{}", values.len()));
        }
        sql.push_str(" WHERE id = ?1");
        connection.prepare_cached(&sql)?.execute(&values[..])?;
        for (place, column) in self.indexed_arrays(&row.columns) {
            self.change_elements(connection, old.id, place, &old.columns[place], column)?;
        }
        if row.words.hash == old.words {
            return Ok(());
        }
        row.words.put(connection, self.layout, old.id)
    }

    fn delete(&self, connection: &Connection, old: &OldRow) -> rusqlite::Result<()> {
        for (place, column) in self.indexed_arrays(&old.columns) {
            self.change_elements(connection, old.id, place, column, &Value::Null)?;
        }
        if self.layout.searchable().next().is_some() {
            connection.prepare_cached(&self.layout.delete_words)?.execute([old.id])?;
        }
        connection.prepare_cached(&self.layout.delete)?.execute([old.id]).map(|_| ())
    }

    fn indexed_arrays<'c>(&self, columns: &'c [Value]) -> impl Iterator<Item = (usize, &'c Value)> {
        let indexed = self.layout.definition.fields.iter().map(|field| field.indexed && !has_index(field));
        columns.iter().enumerate().zip(indexed).filter(|(_, indexed)| *indexed).map(|(column, _)| column)
    }

    fn change_elements(
        &self,
        connection: &Connection,
        id: i64,
        place: usize,
        old: &Value,
        new: &Value,
    ) -> rusqlite::Result<()> {
        if old == new {
            return Ok(());
        }
        let (old, new) = (elements(old), elements(new));
        let tenant = self.write.tenant.as_str();
        for value in old.difference(&new) {
            let mut statement = connection.prepare_cached(&self.layout.delete_element)?;
            statement.execute(params![place as i64, tenant, value, id])?;
        }
        for value in new.difference(&old) {
            let mut statement = connection.prepare_cached(&self.layout.put_element)?;
            statement.execute(params![place as i64, tenant, value, id])?;
        }
        Ok(())
    }
}

/// A document as the tables hold it now, without its body.
struct OldRow {
    id: i64,
    words: i64,
    columns: Vec<Value>,
}

impl OldRow {
    fn read(layout: &Layout, row: &Row<'_>) -> rusqlite::Result<Self> {
        let columns = (0..layout.definition.fields.len()).map(|place| row.get(place + 2));
        Ok(Self { id: row.get(0)?, words: row.get(1)?, columns: columns.collect::<Result<_, _>>()? })
    }
}

impl WordSource {
    fn new(layout: &Layout, values: Vec<FieldValue>) -> Self {
        let mut values: Vec<_> = values.into_iter().map(Some).collect();
        let values: Vec<_> = layout.searchable().filter_map(|place| values[place].take()).collect();
        let mut hasher = Xxh3::new();
        for value in &values {
            match value {
                FieldValue::Text(text) => update(&mut hasher, text),
                FieldValue::Texts(texts) => texts.iter().for_each(|text| update(&mut hasher, text)),
                _ => {}
            }
            hasher.update(&[1]);
        }
        Self { hash: hasher.digest().cast_signed(), values }
    }

    fn put(&self, connection: &Connection, layout: &Layout, id: i64) -> rusqlite::Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        let words = self.values.iter().map(|value| Value::Text(words_of(value).join(" ")));
        let values = std::iter::once(Value::Integer(id)).chain(words);
        connection.prepare_cached(&layout.put_words)?.execute(params_from_iter(values)).map(|_| ())
    }
}

fn update(hasher: &mut Xxh3, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// Fills the index of words from the documents that stand in the table.
pub(super) fn fill_words(connection: &Connection, layout: &Layout) -> rusqlite::Result<()> {
    const STEP: usize = 1_000;
    let table = layout.table();
    let columns: String = layout.searchable().map(|place| format!(", f{place}")).collect();
    let select = format!("SELECT id{columns} FROM {table} WHERE id > ?1 ORDER BY id LIMIT {STEP}");
    let update = format!("UPDATE {table} SET words = ?2 WHERE id = ?1");
    let mut after = i64::MIN;
    loop {
        let mut statement = connection.prepare_cached(&select)?;
        let rows = statement.query_map([after], |row| word_row(layout, row))?;
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        for (id, source) in &rows {
            source.put(connection, layout, *id)?;
            connection.prepare_cached(&update)?.execute(params![id, source.hash])?;
        }
        match rows.last() {
            Some((id, _)) if rows.len() == STEP => after = *id,
            _ => return Ok(()),
        }
    }
}

fn word_row(layout: &Layout, row: &Row<'_>) -> rusqlite::Result<(i64, WordSource)> {
    let fields = &layout.definition.fields;
    let mut values = vec![FieldValue::Null; fields.len()];
    for (at, place) in layout.searchable().enumerate() {
        values[place] = value(fields[place].kind, &row.get(at + 1)?);
    }
    Ok((row.get(0)?, WordSource::new(layout, values)))
}

/// Encodes a value as its column holds it, and as filters compare it.
pub(super) fn column(value: &FieldValue) -> Value {
    match value {
        FieldValue::Null => Value::Null,
        FieldValue::Boolean(flag) => Value::Integer(i64::from(*flag)),
        FieldValue::Integer(number) => Value::Integer(*number),
        FieldValue::Number(number) => Value::Real(*number),
        FieldValue::Time(time) => Value::Integer(time.as_micros()),
        FieldValue::Text(text) => Value::Text(text.clone()),
        FieldValue::Texts(texts) => Value::Text(json(texts)),
    }
}

/// Decodes what a column holds.
pub(super) fn value(kind: FieldKind, column: &Value) -> FieldValue {
    match (kind, column) {
        (FieldKind::Boolean, Value::Integer(flag)) => FieldValue::Boolean(*flag != 0),
        (FieldKind::Time, Value::Integer(micros)) => FieldValue::Time(Timestamp::from_micros(*micros)),
        (_, Value::Integer(number)) => FieldValue::Integer(*number),
        (_, Value::Real(number)) => FieldValue::Number(*number),
        (FieldKind::TextArray, Value::Text(json)) => {
            FieldValue::Texts(serde_json::from_str(json).unwrap_or_default())
        }
        (_, Value::Text(text)) => FieldValue::Text(text.clone()),
        (_, Value::Null | Value::Blob(_)) => FieldValue::Null,
    }
}

/// Writes JSON; texts, arrays and maps with text keys cannot fail.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn elements(column: &Value) -> BTreeSet<String> {
    match column {
        Value::Text(json) => serde_json::from_str(json).unwrap_or_default(),
        _ => BTreeSet::new(),
    }
}
