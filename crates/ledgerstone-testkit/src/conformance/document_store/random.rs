//! Pseudo-random documents and filters, the same in every run, dense enough to collide.

use std::collections::BTreeMap;

use ledgerstone_core::{Body, Field, FieldKind, FieldName, Filter, OrderBy};
use serde_json::{Value, json};

use super::arrange::{client_fields, field};
use crate::random::Random as Numbers;

/// Draws documents, filters and orders from a seed.
pub(super) struct Random(Numbers);

const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "ab",
    "abc",
    "b",
    "Ä",
    "ä",
    "a\u{308}",
    "Straße 7",
    "STRASSE",
    "new york",
    "New  York!",
    "%",
    "_",
    "a%",
    "'; --",
    "\"",
    "\u{ffff}",
    "\u{10000}",
    "\u{10ffff}",
    "\u{d7ff}",
    "\u{e000}",
    "a\u{0}b",
    "日本語",
    "NOT",
    "a AND b",
    "york*",
    "{f0}: a",
];
const WORDS: &[&str] = &[
    "a",
    "B",
    "york",
    "NEW york",
    "strasse",
    "ä",
    "  ",
    "-",
    "7",
    "日本語",
    "and",
    "not",
    "york a",
    "*",
    "\"a\"",
];
const PREFIXES: &[&str] = &["", "a", "A", "ab", "\u{ffff}", "\u{10ffff}", "\u{d7ff}", "N", "%", "_", "ä"];
const TIMES: &[&str] = &[
    "2011-10-11T13:45:40.276+02:00",
    "2011-10-11T11:45:40.276Z",
    "2011-10-11 11:45:40.276001Z",
    "1969-12-31T23:59:59.999999Z",
    "2038-01-19T03:14:08-11:00",
];

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Numbers::new(seed))
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.below(end)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        self.0.pick(from)
    }

    fn text(&mut self) -> Value {
        Value::from(self.pick(TEXTS))
    }

    fn value(&mut self, kind: FieldKind) -> Value {
        let integers = [0, 1, 2, 3, -1, i64::MAX, i64::MIN];
        let numbers = [
            json!(0.0),
            json!(-0.0),
            json!(1),
            json!(0.1),
            json!(0.30000000000000004),
            json!(1e300),
            json!(-2.5),
        ];
        match kind {
            FieldKind::Text => self.text(),
            FieldKind::Integer => json!(integers[self.below(integers.len())]),
            FieldKind::Number => numbers[self.below(numbers.len())].clone(),
            FieldKind::Boolean => json!(self.below(2) == 1),
            FieldKind::Time => Value::from(self.pick(TIMES)),
            FieldKind::TextArray => (0..self.below(4)).map(|_| self.text()).collect(),
        }
    }

    fn value_or_null(&mut self, kind: FieldKind) -> Value {
        if self.below(6) == 0 { Value::Null } else { self.value(kind) }
    }

    /// A body in which each field is missing, null or one of a few values.
    pub(super) fn body(&mut self) -> Body {
        let mut body = Body::new();
        for field in client_fields() {
            if self.below(5) > 0 {
                body.insert(field.name.as_str().to_owned(), self.value_or_null(field.kind));
            }
        }
        body.insert("raw".to_owned(), json!({ "n": self.below(1_000), "nested": [self.text(), null, {}] }));
        body
    }

    /// Documents by their keys.
    pub(super) fn bodies(&mut self, number: usize) -> BTreeMap<String, Body> {
        (0..number).map(|at| (format!("client {:03}", at * 37 % 1_000), self.body())).collect()
    }

    fn field(&mut self, fits: impl Fn(&Field) -> bool) -> Field {
        let fields: Vec<_> = client_fields().into_iter().filter(|field| fits(field)).collect();
        fields[self.below(fields.len())].clone()
    }

    /// A valid filter, nested at most so deep.
    pub(super) fn filter(&mut self, depth: usize) -> Filter {
        if depth > 0 && self.below(3) == 0 {
            let mut filters = || -> Vec<_> { (0..self.below(4)).map(|_| self.filter(depth - 1)).collect() };
            let filters = filters();
            return match self.below(3) {
                0 => Filter::And(filters),
                1 => Filter::Or(filters),
                _ => self.filter(depth - 1).negated(),
            };
        }
        let is_scalar = |field: &Field| field.kind != FieldKind::TextArray;
        let is_ordered = |field: &Field| is_scalar(field) && field.kind != FieldKind::Boolean;
        match self.below(9) {
            0 => Filter::All,
            1 => self.comparison(is_scalar, |field, value| Filter::Eq { field, value }),
            2 => self.comparison(is_scalar, |field, value| Filter::Ne { field, value }),
            3 => {
                let Field { name, kind, .. } = self.field(is_scalar);
                Filter::In {
                    field: name,
                    values: (0..self.below(4)).map(|_| self.value_or_null(kind)).collect(),
                }
            }
            4 | 5 => {
                let Field { name, kind, .. } = self.field(is_ordered);
                let mut end = || (self.below(3) > 0).then(|| self.value(kind));
                Filter::Range { field: name, from: end(), to: end() }
            }
            6 => {
                let Field { name, .. } = self.field(|field| field.kind == FieldKind::Text);
                Filter::prefix(name, self.pick(PREFIXES))
            }
            7 => {
                let Field { name, .. } = self.field(|field| !is_scalar(field));
                Filter::contains(name, self.pick(TEXTS))
            }
            _ => self.search(),
        }
    }

    fn comparison(
        &mut self,
        fits: impl Fn(&Field) -> bool,
        make: impl Fn(FieldName, Value) -> Filter,
    ) -> Filter {
        let Field { name, kind, .. } = self.field(fits);
        let value = self.value_or_null(kind);
        make(name, value)
    }

    fn search(&mut self) -> Filter {
        let field = match self.below(2) {
            0 => None,
            _ => Some(self.field(|field| field.searchable).name),
        };
        Filter::Matches { field, text: self.pick(WORDS).to_owned() }
    }

    /// An order of up to three steps.
    pub(super) fn order(&mut self) -> Vec<OrderBy> {
        let steps = self.below(4);
        let names = ["name", "country", "version", "rank", "score", "deleted", "seen"];
        (0..steps)
            .map(|_| OrderBy { field: field(self.pick(&names)), descending: self.below(2) == 1 })
            .collect()
    }
}

/// Tells whether a filter holds for a body, by the meaning that core gives it.
#[expect(clippy::expect_used, reason = "the filters and bodies of the cases are valid")]
pub(super) fn holds(filter: &Filter, body: &Body) -> bool {
    filter.matches(&client_fields(), body).expect("a valid filter and a valid body")
}

/// Tells whether a filter searches words anywhere.
pub(super) fn searches(filter: &Filter) -> bool {
    match filter {
        Filter::Matches { .. } => true,
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(searches),
        Filter::Not(filter) => searches(filter),
        _ => false,
    }
}
