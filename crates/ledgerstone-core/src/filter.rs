//! Filters: which documents are meant, as data with one meaning on every backend.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::FieldName;

/// Selects documents by their declared fields.
///
/// A missing value and null are the same. Every filter is either true or false for a document:
/// there is no third value, so `not` is exactly the opposite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// Every document.
    #[default]
    All,
    /// The field equals the value; null means that it is missing.
    Eq {
        /// Any field but an array.
        field: FieldName,
        /// The value.
        value: Value,
    },
    /// The opposite of `eq`: documents without the field match unless the value is null.
    Ne {
        /// Any field but an array.
        field: FieldName,
        /// The value.
        value: Value,
    },
    /// The field equals any of the values; none match if there are no values.
    In {
        /// Any field but an array.
        field: FieldName,
        /// The values, at most 1,000.
        values: Vec<Value>,
    },
    /// The field lies between two ends; a missing value lies in no range.
    Range {
        /// Any field but an array or a boolean.
        field: FieldName,
        /// The smallest value, included.
        #[serde(default)]
        from: Option<Value>,
        /// The end, not included.
        #[serde(default)]
        to: Option<Value>,
    },
    /// The text begins with this, compared by code point.
    Prefix {
        /// A text field.
        field: FieldName,
        /// The beginning.
        prefix: String,
    },
    /// The array has this element.
    Contains {
        /// An array field.
        field: FieldName,
        /// The element.
        value: String,
    },
    /// All words of the text occur among the words of the searchable fields, or of the one named;
    /// case and accents do not matter, and words are not stemmed. A text without words matches nothing.
    Matches {
        /// A searchable field; nothing means all of them together.
        #[serde(default)]
        field: Option<FieldName>,
        /// The words.
        text: String,
    },
    /// All of them hold; none given hold for every document.
    And(Vec<Self>),
    /// Any of them holds; none given hold for no document.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
}

impl Filter {
    /// The largest number of values in an `in`.
    pub const MAX_VALUES: usize = 1_000;
    /// The largest number of values in all parts of a filter.
    pub const MAX_ALL_VALUES: usize = 10_000;
    /// The largest number of filters within a filter, itself included.
    pub const MAX_NODES: usize = 1_000;
    /// The deepest nesting.
    pub const MAX_DEPTH: usize = 32;
    /// The largest number of different words in a `matches`.
    pub const MAX_WORDS: usize = 100;

    /// Selects the documents whose field is `value`.
    pub fn eq(field: FieldName, value: impl Into<Value>) -> Self {
        Self::Eq { field, value: value.into() }
    }

    /// Selects the documents whose field is not `value`.
    pub fn ne(field: FieldName, value: impl Into<Value>) -> Self {
        Self::Ne { field, value: value.into() }
    }

    /// Selects the documents whose field is any of `values`.
    pub fn any_of<V: Into<Value>>(field: FieldName, values: impl IntoIterator<Item = V>) -> Self {
        Self::In { field, values: values.into_iter().map(Into::into).collect() }
    }

    /// Selects the documents whose field is `value` or more.
    pub fn at_least(field: FieldName, value: impl Into<Value>) -> Self {
        Self::Range { field, from: Some(value.into()), to: None }
    }

    /// Selects the documents whose field is less than `value`.
    pub fn below(field: FieldName, value: impl Into<Value>) -> Self {
        Self::Range { field, from: None, to: Some(value.into()) }
    }

    /// Selects the documents whose field lies from `from` up to, but not at, `to`.
    pub fn between(field: FieldName, from: impl Into<Value>, to: impl Into<Value>) -> Self {
        Self::Range { field, from: Some(from.into()), to: Some(to.into()) }
    }

    /// Selects the documents whose text begins with `prefix`.
    pub fn prefix(field: FieldName, prefix: impl Into<String>) -> Self {
        Self::Prefix { field, prefix: prefix.into() }
    }

    /// Selects the documents whose array has the element `value`.
    pub fn contains(field: FieldName, value: impl Into<String>) -> Self {
        Self::Contains { field, value: value.into() }
    }

    /// Selects the documents whose searchable fields hold all words of `text`.
    pub fn search(text: impl Into<String>) -> Self {
        Self::Matches { field: None, text: text.into() }
    }

    /// Selects what both filters select.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::All => other,
            Self::And(mut filters) => {
                filters.push(other);
                Self::And(filters)
            }
            one => Self::And(vec![one, other]),
        }
    }

    /// Selects what either filter selects.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Or(mut filters) => {
                filters.push(other);
                Self::Or(filters)
            }
            one => Self::Or(vec![one, other]),
        }
    }

    /// Selects what the filter does not select.
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }
}

/// One step of an order: by a declared field, missing values first; descending turns it around.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderBy {
    /// Any field but an array.
    pub field: FieldName,
    /// Largest first, missing values last.
    #[serde(default)]
    pub descending: bool,
}
