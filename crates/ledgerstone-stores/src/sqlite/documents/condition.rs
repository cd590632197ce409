//! Filters as SQL conditions of two values, with every value a parameter.

use ledgerstone_core::{CheckedFilter, FieldValue, TenantScope};
use rusqlite::types::Value;

use super::layout::{Layout, has_index};
use super::rows::column;

/// What the planner is told of comparisons, having no statistics: that a tenant may own everything, and
/// that an indexed field finds little. Left to itself it walks a tenant's documents in the order of
/// their keys for the sake of the order.
const OF_THE_TENANT: &str = "0.99";
const OF_THE_INDEX: &str = "0.001";
const OF_AN_END: &str = "0.03";

/// SQL text and its parameters, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Condition {
    /// Restricts the documents `d` of a layout to the tenants in scope and to those that match.
    pub(super) fn new(layout: &Layout, scope: &TenantScope, filter: &CheckedFilter) -> Self {
        let mut condition = Self::default();
        let compiler = Compiler { layout, scope };
        if !matches!(scope, TenantScope::All) || !is_all(filter) {
            condition.text("likelihood(d.tenant");
            compiler.tenant(&mut condition);
            condition.text(&format!(", {OF_THE_TENANT}) AND "));
        }
        compiler.filter(&mut condition, filter, true);
        condition
    }

    /// Appends SQL without parameters.
    pub(super) fn text(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Appends SQL with one `?`.
    pub(super) fn with(&mut self, sql: &str, value: Value) {
        self.sql.push_str(sql);
        self.values.push(value);
    }
}

fn is_all(filter: &CheckedFilter) -> bool {
    matches!(filter, CheckedFilter::And(filters) if filters.is_empty())
}

struct Compiler<'a> {
    layout: &'a Layout,
    scope: &'a TenantScope,
}

impl Compiler<'_> {
    /// Compares what was written last with the tenants in scope.
    ///
    /// All tenants are listed by hopping through the key's index, so that indexes which begin with the
    /// tenant serve such queries, too.
    fn tenant(&self, out: &mut Condition) {
        match self.scope {
            TenantScope::One(tenant) => out.with(" = ?", Value::Text(tenant.as_str().to_owned())),
            TenantScope::All => {
                let table = self.layout.table();
                out.text(&format!(
                    " IN (WITH RECURSIVE tenants(name) AS (SELECT min(tenant) FROM {table} UNION ALL \
                     SELECT (SELECT min(tenant) FROM {table} WHERE tenant > name) FROM tenants \
                     WHERE name IS NOT NULL) SELECT name FROM tenants WHERE name IS NOT NULL)"
                ));
            }
        }
    }

    /// Writes a filter, or its opposite; the opposite is pushed down to the comparisons, because SQL's
    /// NOT has three values.
    fn filter(&self, out: &mut Condition, filter: &CheckedFilter, holds: bool) {
        if holds && self.is_indexed(filter) {
            out.text("likelihood(");
            self.plain(out, filter, holds);
            out.text(&format!(", {OF_THE_INDEX})"));
        } else {
            self.plain(out, filter, holds);
        }
    }

    /// Tells whether a filter is a single comparison with values that its field's index answers.
    fn is_indexed(&self, filter: &CheckedFilter) -> bool {
        let field = match filter {
            CheckedFilter::Eq(field, _) => *field,
            CheckedFilter::In(field, values) if !values.iter().any(FieldValue::is_null) => *field,
            _ => return false,
        };
        has_index(&self.layout.definition.fields[field])
    }

    fn plain(&self, out: &mut Condition, filter: &CheckedFilter, holds: bool) {
        match filter {
            CheckedFilter::Eq(field, value) => equal(out, *field, value, holds),
            CheckedFilter::In(field, values) => one_of(out, *field, values, holds),
            CheckedFilter::Range(field, from, to) => {
                self.range(out, *field, from.as_ref().map(column), to.as_ref().map(column), holds);
            }
            CheckedFilter::Prefix(field, prefix) => {
                let from = Some(prefix.clone()).filter(|prefix| !prefix.is_empty());
                self.range(out, *field, from.map(Value::Text), after_prefix(prefix).map(Value::Text), holds);
            }
            CheckedFilter::Contains(field, element) => self.contains(out, *field, element, holds),
            CheckedFilter::Matches(fields, words) => self.matches(out, fields, words, holds),
            CheckedFilter::And(filters) => self.join(out, filters, holds, holds),
            CheckedFilter::Or(filters) => self.join(out, filters, !holds, holds),
            CheckedFilter::Not(filter) => self.filter(out, filter, !holds),
        }
    }

    /// Joins filters by AND (`all`) or OR, as a balanced tree: SQLite limits the depth of expressions.
    fn join(&self, out: &mut Condition, filters: &[CheckedFilter], all: bool, holds: bool) {
        match filters {
            [] => out.text(if all { "1" } else { "0" }),
            [one] => self.filter(out, one, holds),
            many => {
                let (left, right) = many.split_at(many.len() / 2);
                out.text("(");
                self.join(out, left, all, holds);
                out.text(if all { " AND " } else { " OR " });
                self.join(out, right, all, holds);
                out.text(")");
            }
        }
    }

    fn range(&self, out: &mut Condition, field: usize, from: Option<Value>, to: Option<Value>, holds: bool) {
        if from.is_none() && to.is_none() {
            return null(out, field, !holds);
        }
        let (start, end, between) = if holds { (">=", "<", " AND ") } else { ("<", ">=", " OR ") };
        let hinted = holds && has_index(&self.layout.definition.fields[field]);
        let compare = |operator| match hinted {
            true => format!("likelihood(d.f{field} {operator} ?, {OF_AN_END})"),
            false => format!("d.f{field} {operator} ?"),
        };
        out.text("(");
        if !holds {
            out.text(&format!("d.f{field} IS NULL OR "));
        }
        let both = from.is_some() && to.is_some();
        if let Some(from) = from {
            out.with(&compare(start), from);
        }
        if both {
            out.text(between);
        }
        if let Some(to) = to {
            out.with(&compare(end), to);
        }
        out.text(")");
    }

    fn contains(&self, out: &mut Condition, field: usize, element: &str, holds: bool) {
        let element = Value::Text(element.to_owned());
        if !self.layout.definition.fields[field].indexed {
            let not = if holds { "" } else { "NOT " };
            let sql = format!("{not}EXISTS (SELECT 1 FROM json_each(d.f{field}) AS e WHERE e.value = ?)");
            return out.with(&sql, element);
        }
        let elements = self.layout.elements();
        out.text(&format!(
            "d.id {}(SELECT e.id FROM {elements} AS e WHERE e.field = {field} AND e.tenant",
            within(holds)
        ));
        self.tenant(out);
        out.with(" AND e.value = ?)", element);
    }

    fn matches(&self, out: &mut Condition, fields: &[usize], sought: &[String], holds: bool) {
        if sought.is_empty() {
            return out.text(if holds { "0" } else { "1" });
        }
        // Words hold letters and digits only, so quoting them is enough.
        let quoted: Vec<_> = sought.iter().map(|word| format!("\"{word}\"")).collect();
        let mut query = quoted.join(" AND ");
        if fields.len() < self.layout.searchable().count() {
            let columns: Vec<_> = fields.iter().map(|field| format!("f{field}")).collect();
            query = format!("{{{}}} : ({query})", columns.join(" "));
        }
        let words = self.layout.words();
        let sql = format!("d.id {}(SELECT rowid FROM {words} WHERE {words} MATCH ?)", within(holds));
        out.with(&sql, Value::Text(query));
    }
}

fn within(holds: bool) -> &'static str {
    if holds { "IN " } else { "NOT IN " }
}

fn null(out: &mut Condition, field: usize, holds: bool) {
    out.text(&format!("d.f{field} IS {}NULL", if holds { "" } else { "NOT " }));
}

fn equal(out: &mut Condition, field: usize, value: &FieldValue, holds: bool) {
    match (value.is_null(), holds) {
        (true, _) => null(out, field, holds),
        (false, true) => out.with(&format!("d.f{field} = ?"), column(value)),
        (false, false) => out.with(&format!("d.f{field} IS NOT ?"), column(value)),
    }
}

fn one_of(out: &mut Condition, field: usize, values: &[FieldValue], holds: bool) {
    let has_null = values.iter().any(FieldValue::is_null);
    let there: Vec<_> = values.iter().filter(|value| !value.is_null()).map(column).collect();
    if there.is_empty() {
        return match has_null {
            true => null(out, field, holds),
            false => out.text(if holds { "0" } else { "1" }),
        };
    }
    let marks = vec!["?"; there.len()].join(", ");
    let list = format!("d.f{field} {}({marks})", within(holds));
    match (holds, has_null) {
        (true, false) => out.text(&list),
        (true, true) | (false, false) => out.text(&format!("({list} OR d.f{field} IS NULL)")),
        (false, true) => out.text(&format!("({list} AND d.f{field} IS NOT NULL)")),
    }
    out.values.extend(there);
}

/// Returns the first text that comes after all that begin with `prefix`, if there is one.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The surrogates, which no text holds, lie between these two.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_text_by_code_point() {
        assert_eq!(after_prefix("ab").as_deref(), Some("ac"));
        assert_eq!(after_prefix("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
        assert_eq!(after_prefix(""), None);
    }
}
