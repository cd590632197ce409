//! Reading documents: by key, by page and by number, each with real indexes and a snapshot of its own.

use ledgerstone_core::{
    BackendError, Body, CheckedSelect, Document, DocumentKey, PageEnd, Tenant, TenantScope,
};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::condition::Condition;
use super::layout::Layout;
use super::rows::{column, value};
use crate::sqlite::failure::{corrupt, failed};

/// Reads documents by key, in one statement.
pub(super) fn get(
    connection: &Connection,
    layout: &Layout,
    tenant: &Tenant,
    keys: &[DocumentKey],
) -> Result<Vec<Option<Document>>, BackendError> {
    let wanted = serde_json::to_string(keys).unwrap_or_default();
    let mut statement = connection.prepare_cached(&layout.get).map_err(failed("get"))?;
    let mut rows = statement.query(params![tenant.as_str(), wanted]).map_err(failed("get"))?;
    let mut documents = vec![None; keys.len()];
    while let Some(row) = rows.next().map_err(failed("get"))? {
        let place: i64 = row.get(0).map_err(failed("get"))?;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if let (Some(document), Some(key)) = (documents.get_mut(place), keys.get(place)) {
            *document = Some(Document { tenant: tenant.clone(), key: key.clone(), body: body(row, 1)? });
        }
    }
    Ok(documents)
}

/// Counts the documents that match.
pub(super) fn count(
    connection: &Connection,
    layout: &Layout,
    condition: &Condition,
) -> Result<u64, BackendError> {
    let sql = format!("SELECT count(*) FROM {} AS d WHERE {}", layout.table(), condition.sql);
    let values = params_from_iter(&condition.values);
    let counted: i64 = connection.query_row(&sql, values, |row| row.get(0)).map_err(failed("count"))?;
    Ok(counted.unsigned_abs())
}

/// Reads a page, and returns the cursor of the next if there is one; call it within a transaction.
pub(super) fn page(
    connection: &Connection,
    layout: &Layout,
    scope: &TenantScope,
    select: &CheckedSelect,
) -> Result<(Vec<Document>, Option<String>), BackendError> {
    let mut rows: Vec<(Document, Vec<Value>)> = Vec::with_capacity(select.size.min(64));
    for statement in statements(layout, scope, select) {
        // One more than asked for tells whether there is a next page.
        let missing = select.size + 1 - rows.len();
        if missing == 0 {
            break;
        }
        read(connection, &statement, select, missing, &mut rows)?;
    }
    let more = rows.len() > select.size;
    rows.truncate(select.size);
    let last = rows.last().filter(|_| more);
    let next = last.map(|(document, values)| select.cursor(&page_end(layout, select, document, values)));
    Ok((rows.into_iter().map(|(document, _)| document).collect(), next))
}

fn read(
    connection: &Connection,
    statement: &Condition,
    select: &CheckedSelect,
    limit: usize,
    into: &mut Vec<(Document, Vec<Value>)>,
) -> Result<(), BackendError> {
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(failed("query"))?;
    let limit = Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX));
    let values = statement.values.iter().chain([&limit]);
    let mut rows = prepared.query(params_from_iter(values)).map_err(failed("query"))?;
    while let Some(row) = rows.next().map_err(failed("query"))? {
        let values = (0..select.order.len()).map(|step| row.get(step + 3));
        let values = values.collect::<Result<_, _>>().map_err(failed("query"))?;
        into.push((document(row)?, values));
    }
    Ok(())
}

/// Returns the statements that read a page, one after another until it is full.
///
/// Without a cursor there is one. Behind a cursor the rows fall into stretches that follow each
/// other: equal to it in all steps with a later key; equal in all but the last step and later
/// there; and so on. Each is a plain range of an index, where their union would be none.
pub(super) fn statements(layout: &Layout, scope: &TenantScope, select: &CheckedSelect) -> Vec<Condition> {
    let Some(after) = &select.after else {
        return vec![statement(layout, scope, select, |_| {})];
    };
    let ends: Vec<_> =
        select.order.iter().zip(&after.values).map(|(step, end)| (*step, column(end))).collect();
    let equal = |out: &mut Condition, steps: usize| {
        for (step, end) in &ends[..steps] {
            compare(out, step.field, "=", end);
        }
    };
    let mut stretches = vec![statement(layout, scope, select, |out| {
        equal(out, ends.len());
        let (tenant, key) = (after.tenant.as_str().to_owned(), after.key.as_str().to_owned());
        if matches!(scope, TenantScope::All) {
            out.with(" AND (d.tenant, d.key) > (?", Value::Text(tenant));
            out.with(", ?)", Value::Text(key));
        } else {
            out.with(" AND d.key > ?", Value::Text(key));
        }
    })];
    for (at, (step, end)) in ends.iter().enumerate().rev() {
        let field = step.field;
        let mut stretch = |later: &dyn Fn(&mut Condition)| {
            stretches.push(statement(layout, scope, select, |out| {
                equal(out, at);
                later(out);
            }));
        };
        match (end, step.descending) {
            (Value::Null, false) => stretch(&|out| out.text(&format!(" AND d.f{field} IS NOT NULL"))),
            (Value::Null, true) => {}
            (_, false) => stretch(&|out| compare(out, field, ">", end)),
            (_, true) => {
                stretch(&|out| compare(out, field, "<", end));
                stretch(&|out| out.text(&format!(" AND d.f{field} IS NULL")));
            }
        }
    }
    stretches
}

fn compare(out: &mut Condition, field: usize, operator: &str, end: &Value) {
    match end {
        Value::Null => out.text(&format!(" AND d.f{field} IS NULL")),
        end => out.with(&format!(" AND d.f{field} {operator} ?"), end.clone()),
    }
}

fn statement(
    layout: &Layout,
    scope: &TenantScope,
    select: &CheckedSelect,
    stretch: impl FnOnce(&mut Condition),
) -> Condition {
    let columns: String = select.order.iter().map(|step| format!(", d.f{}", step.field)).collect();
    let mut out = Condition::new(layout, scope, &select.filter);
    let table = layout.table();
    out.sql = format!("SELECT d.tenant, d.key, d.body{columns} FROM {table} AS d WHERE {}", out.sql);
    stretch(&mut out);
    out.text(" ORDER BY ");
    for step in &select.order {
        out.text(&format!("d.f{}{}, ", step.field, if step.descending { " DESC" } else { "" }));
    }
    out.text("d.tenant, d.key LIMIT ?");
    out
}

fn page_end(layout: &Layout, select: &CheckedSelect, document: &Document, columns: &[Value]) -> PageEnd {
    let fields = &layout.definition.fields;
    let steps = select.order.iter().zip(columns);
    let values = steps.map(|(step, column)| value(fields[step.field].kind, column)).collect();
    PageEnd { values, tenant: document.tenant.clone(), key: document.key.clone() }
}

fn document(row: &Row<'_>) -> Result<Document, BackendError> {
    let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?)).map_err(failed("query"));
    let tenant = Tenant::new(text(0)?).map_err(|error| corrupt("query", error))?;
    let key = DocumentKey::new(text(1)?).map_err(|error| corrupt("query", error))?;
    Ok(Document { tenant, key, body: body(row, 2)? })
}

fn body(row: &Row<'_>, column: usize) -> Result<Body, BackendError> {
    let text = row.get_ref(column).and_then(|value| Ok(value.as_str()?)).map_err(failed("query"))?;
    serde_json::from_str(text)
        .map_err(|error| corrupt("query", format!("a document does not read back: {error}")))
}
