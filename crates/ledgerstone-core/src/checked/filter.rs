//! A filter after it was checked: its fields found, its values typed, its words folded; ready to evaluate.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use crate::checked::field_value::FieldValue;
use crate::checked::words::words;
use crate::document::{Body, Field, FieldKind, FieldName};
use crate::document_store::DocumentStoreError;
use crate::filter::Filter;
use crate::nearest::nearest;

/// A [`Filter`] that fits the declared fields, which it names by their places.
///
/// What it says of a document is the meaning that every backend has to reproduce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckedFilter {
    /// The field is the value; null means that it is missing.
    Eq(usize, FieldValue),
    /// The field is one of the values, null among them or not.
    In(usize, Vec<FieldValue>),
    /// The field is there and lies between the ends, the second not included.
    Range(usize, Option<FieldValue>, Option<FieldValue>),
    /// The text is there and begins with this.
    Prefix(usize, String),
    /// The array has this element.
    Contains(usize, String),
    /// All words, each once and sorted, occur in the fields together; false without words.
    Matches(Vec<usize>, Vec<String>),
    /// All hold.
    And(Vec<Self>),
    /// Any holds.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
}

impl CheckedFilter {
    /// Tells whether the filter holds for a document with these values of the declared fields.
    pub fn matches(&self, values: &[FieldValue]) -> bool {
        match self {
            Self::Eq(field, value) => values[*field] == *value,
            Self::In(field, any) => any.contains(&values[*field]),
            Self::Range(field, from, to) => {
                let value = &values[*field];
                !value.is_null()
                    && from.as_ref().is_none_or(|from| from <= value)
                    && to.as_ref().is_none_or(|to| value < to)
            }
            Self::Prefix(field, prefix) => {
                matches!(&values[*field], FieldValue::Text(text) if text.starts_with(prefix))
            }
            Self::Contains(field, element) => {
                matches!(&values[*field], FieldValue::Texts(texts) if texts.contains(element))
            }
            Self::Matches(fields, sought) => {
                let found: HashSet<_> = fields.iter().flat_map(|field| words_of(&values[*field])).collect();
                !sought.is_empty() && sought.iter().all(|word| found.contains(word))
            }
            Self::And(filters) => filters.iter().all(|filter| filter.matches(values)),
            Self::Or(filters) => filters.iter().any(|filter| filter.matches(values)),
            Self::Not(filter) => !filter.matches(values),
        }
    }

    /// Tells whether the filter searches words anywhere.
    pub fn searches(&self) -> bool {
        match self {
            Self::Matches(..) => true,
            Self::And(filters) | Self::Or(filters) => filters.iter().any(Self::searches),
            Self::Not(filter) => filter.searches(),
            _ => false,
        }
    }
}

/// Returns the words of a field's value: of its text, or of all its elements.
pub fn words_of(value: &FieldValue) -> Vec<String> {
    match value {
        FieldValue::Text(text) => words(text),
        FieldValue::Texts(texts) => texts.iter().flat_map(|text| words(text)).collect(),
        _ => Vec::new(),
    }
}

impl Filter {
    /// Checks the filter against the declared fields.
    ///
    /// Fails if a field is unknown, if a value or a comparison does not fit its kind, or above the
    /// limits on filters, depth, values and words.
    pub fn check(&self, fields: &[Field]) -> Result<CheckedFilter, DocumentStoreError> {
        let mut check = Check { fields, nodes: 0, values: 0 };
        check.filter(self, 1).map_err(DocumentStoreError::InvalidSelect)
    }

    /// Tells whether the filter holds for a body with these declared fields.
    ///
    /// Fails as [`check`](Self::check) does, and if the body has another type in a declared field.
    pub fn matches(&self, fields: &[Field], body: &Body) -> Result<bool, DocumentStoreError> {
        let values = FieldValue::read_all(fields, body).map_err(DocumentStoreError::InvalidSelect)?;
        Ok(self.check(fields)?.matches(&values))
    }
}

impl FieldValue {
    /// Reads the values of the declared fields from a body, or says which does not have its type.
    pub fn read_all(fields: &[Field], body: &Body) -> Result<Vec<Self>, String> {
        let read = |field: &Field| match body.get(field.name.as_str()) {
            Some(value) => Self::read(field.kind, value)
                .map_err(|reason| format!("in the field {}, {reason}", field.name)),
            None => Ok(Self::Null),
        };
        fields.iter().map(read).collect()
    }
}

/// Finds the place of a declared field, or names the nearest.
pub(crate) fn field_place(fields: &[Field], name: &FieldName) -> Result<usize, String> {
    if let Some(place) = fields.iter().position(|field| field.name == *name) {
        return Ok(place);
    }
    let names = || fields.iter().map(|field| field.name.as_str());
    Err(match nearest(name.as_str(), names()) {
        Some(near) => format!("there is no declared field {name:?}; did you mean {near}?"),
        None if fields.is_empty() => format!("there is no declared field {name:?}; none are declared"),
        None => {
            let names: Vec<_> = names().take(20).collect();
            format!("there is no declared field {name:?}; declared are {}", names.join(", "))
        }
    })
}

struct Check<'a> {
    fields: &'a [Field],
    nodes: usize,
    values: usize,
}

impl Check<'_> {
    fn filter(&mut self, filter: &Filter, depth: usize) -> Result<CheckedFilter, String> {
        self.nodes += 1;
        if self.nodes > Filter::MAX_NODES {
            return Err(format!("the filter has more than {} parts; split the query", Filter::MAX_NODES));
        }
        if depth > Filter::MAX_DEPTH {
            return Err(format!("the filter is nested more than {} deep; flatten it", Filter::MAX_DEPTH));
        }
        Ok(match filter {
            Filter::All => CheckedFilter::And(Vec::new()),
            Filter::Eq { field, value } => self.equal(field, value)?,
            Filter::Ne { field, value } => CheckedFilter::Not(Box::new(self.equal(field, value)?)),
            Filter::In { field, values } => self.one_of(field, values)?,
            Filter::Range { field, from, to } => self.range(field, from.as_ref(), to.as_ref())?,
            Filter::Prefix { field, prefix } => {
                let place = self.field(field, "prefix", &[FieldKind::Text])?;
                CheckedFilter::Prefix(place, prefix.clone())
            }
            Filter::Contains { field, value } => {
                let place = self.field(field, "contains", &[FieldKind::TextArray])?;
                CheckedFilter::Contains(place, value.clone())
            }
            Filter::Matches { field, text } => self.search(field.as_ref(), text)?,
            Filter::And(filters) => CheckedFilter::And(self.each(filters, depth)?),
            Filter::Or(filters) => CheckedFilter::Or(self.each(filters, depth)?),
            Filter::Not(filter) => CheckedFilter::Not(Box::new(self.filter(filter, depth + 1)?)),
        })
    }

    fn each(&mut self, filters: &[Filter], depth: usize) -> Result<Vec<CheckedFilter>, String> {
        filters.iter().map(|filter| self.filter(filter, depth + 1)).collect()
    }

    fn equal(&mut self, field: &FieldName, value: &Value) -> Result<CheckedFilter, String> {
        let place = self.field(field, "eq and ne", SCALARS)?;
        Ok(CheckedFilter::Eq(place, self.value(place, value)?))
    }

    fn one_of(&mut self, field: &FieldName, values: &[Value]) -> Result<CheckedFilter, String> {
        if values.len() > Filter::MAX_VALUES {
            let (given, limit) = (values.len(), Filter::MAX_VALUES);
            return Err(format!("in of the field {field} has {given} values and the limit is {limit}"));
        }
        let place = self.field(field, "in", SCALARS)?;
        let values = values.iter().map(|value| self.value(place, value));
        Ok(CheckedFilter::In(place, values.collect::<Result<_, _>>()?))
    }

    fn range(
        &mut self,
        field: &FieldName,
        from: Option<&Value>,
        to: Option<&Value>,
    ) -> Result<CheckedFilter, String> {
        let place = self.field(field, "range", ORDERED)?;
        let mut end = |value: Option<&Value>| {
            let value = value.filter(|value| !value.is_null());
            value.map(|value| self.value(place, value)).transpose()
        };
        Ok(CheckedFilter::Range(place, end(from)?, end(to)?))
    }

    fn search(&self, field: Option<&FieldName>, text: &str) -> Result<CheckedFilter, String> {
        let searchable = |place: &usize| self.fields[*place].searchable;
        let places: Vec<usize> = match field {
            Some(field) => vec![field_place(self.fields, field)?],
            None => (0..self.fields.len()).filter(searchable).collect(),
        };
        if places.is_empty() {
            return Err("matches needs a searchable field, and none is declared".to_owned());
        }
        if let Some(place) = places.iter().find(|place| !searchable(place)) {
            let name = &self.fields[*place].name;
            return Err(format!("matches needs a searchable field, and {name} is not declared as one"));
        }
        let sought: BTreeSet<_> = words(text).into_iter().collect();
        if sought.len() > Filter::MAX_WORDS {
            let (given, limit) = (sought.len(), Filter::MAX_WORDS);
            return Err(format!("matches is given {given} different words and the limit is {limit}"));
        }
        Ok(CheckedFilter::Matches(places, sought.into_iter().collect()))
    }

    fn field(&self, name: &FieldName, comparison: &str, kinds: &[FieldKind]) -> Result<usize, String> {
        let place = field_place(self.fields, name)?;
        let kind = self.fields[place].kind;
        if !kinds.contains(&kind) {
            let fitting: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            let (kind, fitting) = (kind.as_str(), fitting.join(", "));
            return Err(format!("{comparison} is for {fitting}, and the field {name} is declared as {kind}"));
        }
        Ok(place)
    }

    fn value(&mut self, place: usize, value: &Value) -> Result<FieldValue, String> {
        self.values += 1;
        if self.values > Filter::MAX_ALL_VALUES {
            return Err(format!(
                "the filter has more than {} values; split the query",
                Filter::MAX_ALL_VALUES
            ));
        }
        let field = &self.fields[place];
        FieldValue::read(field.kind, value)
            .map_err(|reason| format!("for the field {}, {reason}", field.name))
    }
}

const SCALARS: &[FieldKind] =
    &[FieldKind::Text, FieldKind::Integer, FieldKind::Number, FieldKind::Boolean, FieldKind::Time];
const ORDERED: &[FieldKind] = &[FieldKind::Text, FieldKind::Integer, FieldKind::Number, FieldKind::Time];

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
