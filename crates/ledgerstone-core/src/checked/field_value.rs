//! The typed value of a declared field, as every backend compares, orders and indexes it.

use std::cmp::Ordering;

use serde_json::Value;

use crate::document::FieldKind;
use crate::timestamp::Timestamp;

/// A value of a declared field; missing and null are the same.
///
/// Values are in one order: null first, false before true, numbers by size, times by moment, texts by
/// code point. Values of different kinds never meet, because filters and documents are checked first.
#[derive(Debug, Clone)]
pub enum FieldValue {
    /// Missing, or null.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number that is neither infinite nor a negative zero.
    Number(f64),
    /// A moment.
    Time(Timestamp),
    /// A text.
    Text(String),
    /// The elements of an array, in its order.
    Texts(Vec<String>),
}

impl FieldValue {
    /// Reads a JSON value as one of a declared kind, or says in a few words what is wrong with it.
    ///
    /// The words never repeat the value, which may be personal.
    pub fn read(kind: FieldKind, value: &Value) -> Result<Self, String> {
        let read = match (kind, value) {
            (_, Value::Null) => Some(Self::Null),
            (FieldKind::Text, Value::String(text)) => Some(Self::Text(text.clone())),
            (FieldKind::Boolean, Value::Bool(flag)) => Some(Self::Boolean(*flag)),
            (FieldKind::Integer, Value::Number(number)) => number.as_i64().map(Self::Integer),
            // Adding zero makes a negative zero a plain one.
            (FieldKind::Number, Value::Number(number)) => {
                number.as_f64().map(|number| Self::Number(number + 0.0))
            }
            (FieldKind::Time, Value::String(text)) => Timestamp::parse(text).ok().map(Self::Time),
            (FieldKind::TextArray, Value::Array(elements)) => {
                let texts = elements.iter().map(|element| element.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().map(Self::Texts)
            }
            _ => None,
        };
        read.ok_or_else(|| format!("{} is needed, not {}", kind.needs(), found(kind, value)))
    }

    /// Returns the value as JSON: times with microseconds in UTC.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(flag) => Value::from(*flag),
            Self::Integer(number) => Value::from(*number),
            Self::Number(number) => Value::from(*number),
            Self::Time(time) => Value::from(time.to_string()),
            Self::Text(text) => Value::from(text.as_str()),
            Self::Texts(texts) => Value::from(texts.as_slice()),
        }
    }

    /// Tells whether the value is missing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Integer(_) => 2,
            Self::Number(_) => 3,
            Self::Time(_) => 4,
            Self::Text(_) => 5,
            Self::Texts(_) => 6,
        }
    }
}

impl Ord for FieldValue {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(left), Self::Boolean(right)) => left.cmp(right),
            (Self::Integer(left), Self::Integer(right)) => left.cmp(right),
            (Self::Number(left), Self::Number(right)) => left.total_cmp(right),
            (Self::Time(left), Self::Time(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Texts(left), Self::Texts(right)) => left.cmp(right),
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }
}

impl PartialOrd for FieldValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FieldValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for FieldValue {}

impl FieldKind {
    /// Returns the kind as it is written in declarations, such as `text_array`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::TextArray => "text_array",
        }
    }

    fn needs(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number of 64 bits",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Time => "a time with its offset, such as 2011-10-11T13:45:40+02:00",
            Self::TextArray => "an array of texts",
        }
    }
}

fn found(kind: FieldKind, value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) if kind == FieldKind::Integer => "a number that large",
        Value::Number(_) => "a number",
        Value::String(_) if kind == FieldKind::Time => "another text",
        Value::String(_) => "a text",
        Value::Array(_) if kind == FieldKind::TextArray => "an array of something else",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_compared_by_moment_and_texts_by_code_point() {
        let read = |kind, value: Value| FieldValue::read(kind, &value).expect("a value");
        let east = read(FieldKind::Time, json!("2011-10-11T13:45:40+02:00"));
        assert_eq!(east, read(FieldKind::Time, json!("2011-10-11 11:45:40Z")));
        assert!(read(FieldKind::Text, json!("Z")) < read(FieldKind::Text, json!("a")));
        assert!(read(FieldKind::Text, json!("\u{ffff}")) < read(FieldKind::Text, json!("\u{10000}")));
        assert!(FieldValue::Null < read(FieldKind::Number, json!(-1e300)));
        assert_eq!(read(FieldKind::Number, json!(-0.0)), read(FieldKind::Number, json!(0)));
    }

    #[test]
    fn another_type_is_refused_without_repeating_the_value() {
        for (kind, value) in [
            (FieldKind::Text, json!(5)),
            (FieldKind::Integer, json!(5.0)),
            (FieldKind::Integer, json!(u64::MAX)),
            (FieldKind::Number, json!("secret")),
            (FieldKind::Boolean, json!(1)),
            (FieldKind::Time, json!("secret 2011-10-11 13:45:40")),
            (FieldKind::TextArray, json!(["secret", 5])),
            (FieldKind::TextArray, json!("secret")),
        ] {
            let reason = FieldValue::read(kind, &value).expect_err("another type");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }
}
