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
    And(Vec<Filter>),
    /// Any of them holds; none given hold for no document.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
}

impl Filter {
    /// The largest number of values in an `in`.
    pub const MAX_VALUES: usize = 1_000;
    /// The largest number of filters within a filter.
    pub const MAX_NODES: usize = 1_000;
    /// The deepest nesting.
    pub const MAX_DEPTH: usize = 32;
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
