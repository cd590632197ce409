//! Values on their way into declared fields: their kinds, their order, and how they are told apart.

use std::cmp::Ordering;

use ledgerstone_core::{FieldKind, OffsetTime, Timestamp};
use serde_json::{Number, Value};

/// What a declared field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Something that filters and orders know.
    Field(FieldKind),
    /// Any JSON: kept and returned, never filtered by.
    Json,
}

/// The kinds as a declaration writes them.
pub(crate) const KINDS: [(&str, ValueKind); 7] = [
    ("text", ValueKind::Field(FieldKind::Text)),
    ("integer", ValueKind::Field(FieldKind::Integer)),
    ("number", ValueKind::Field(FieldKind::Number)),
    ("boolean", ValueKind::Field(FieldKind::Boolean)),
    ("time", ValueKind::Field(FieldKind::Time)),
    ("text_array", ValueKind::Field(FieldKind::TextArray)),
    ("json", ValueKind::Json),
];

/// How a value is read beside its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Whether numbers and booleans are read out of texts.
    pub parse: bool,
    /// The time zone of times without an offset.
    pub zone: Option<String>,
}

impl ValueKind {
    /// Returns the kind as a declaration writes it.
    pub(crate) fn as_str(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("json", |(name, _)| name)
    }

    /// Tells whether values of this kind have a smallest and a largest.
    pub(crate) fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Field(FieldKind::Text | FieldKind::Integer | FieldKind::Number | FieldKind::Time)
        )
    }

    /// Makes a value fit, or says why it does not; null means that there is none.
    ///
    /// An empty text is null for every kind but text: that is how a CSV file writes nothing.
    pub(crate) fn take(self, value: &Value, reading: &Reading) -> Result<Value, String> {
        let Self::Field(kind) = self else { return Ok(value.clone()) };
        let misfit = || Err(format!("it is {}, not {}", describe(value), self.with_article()));
        match (kind, value) {
            (_, Value::Null) => Ok(Value::Null),
            (FieldKind::Text, Value::String(text)) => Ok(Value::String(text.clone())),
            (FieldKind::TextArray, Value::Array(items)) if items.iter().all(Value::is_string) => {
                Ok(value.clone())
            }
            (_, Value::String(text)) if text.is_empty() => Ok(Value::Null),
            (FieldKind::Integer, Value::Number(number)) if number.is_i64() => Ok(value.clone()),
            (FieldKind::Number, Value::Number(_)) | (FieldKind::Boolean, Value::Bool(_)) => Ok(value.clone()),
            (FieldKind::Time, Value::String(text)) => {
                // The parser's own message would repeat the text, which may be anybody's data.
                let strange = "it is a text, not a time with an offset such as 2011-10-11T13:45:40+02:00";
                let time = OffsetTime::parse(text, reading.zone.as_deref());
                time.map(|time| Value::String(time.to_string())).map_err(|_| strange.to_owned())
            }
            (_, Value::String(text)) if reading.parse => match parse(kind, text.trim()) {
                Some(parsed) => Ok(parsed),
                None => Err(format!("{} cannot be read out of the text", self.with_article())),
            },
            _ => misfit(),
        }
    }

    /// Compares two values that fit.
    pub(crate) fn compare(self, one: &Value, other: &Value) -> Ordering {
        match (self, one, other) {
            (Self::Field(FieldKind::Time), Value::String(one), Value::String(other)) => {
                compare_times(one, other)
            }
            (_, Value::String(one), Value::String(other)) => one.cmp(other),
            (_, Value::Number(one), Value::Number(other)) => compare_numbers(one, other),
            _ => Ordering::Equal,
        }
    }

    fn with_article(self) -> String {
        let name = self.as_str();
        match self {
            Self::Field(FieldKind::Integer) => "an integer".to_owned(),
            Self::Field(FieldKind::TextArray) => "an array of texts".to_owned(),
            Self::Field(FieldKind::Text) | Self::Json => name.to_owned(),
            Self::Field(_) => format!("a {name}"),
        }
    }
}

/// Says what a value is, never what it says: a cause may be shown to anybody.
pub(crate) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_i64() => "an integer",
        Value::Number(number) if number.is_u64() => "an integer above 64 bits",
        Value::Number(_) => "a number with a fraction",
        Value::String(_) => "a text",
        Value::Array(items) if items.iter().all(Value::is_string) => "an array of texts",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Adds two numbers; whole ones stay whole, and what does not fit is nothing.
pub(crate) fn add(one: &Number, other: &Number) -> Option<Number> {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one.checked_add(other).map(Number::from),
        _ => Number::from_f64(one.as_f64()? + other.as_f64()?),
    }
}

fn parse(kind: FieldKind, text: &str) -> Option<Value> {
    match kind {
        FieldKind::Integer => text.parse::<i64>().ok().map(Value::from),
        FieldKind::Number => {
            let whole = text.parse::<i64>().ok().map(Number::from);
            whole.or_else(|| text.parse().ok().and_then(Number::from_f64)).map(Value::Number)
        }
        FieldKind::Boolean if text.eq_ignore_ascii_case("true") => Some(true.into()),
        FieldKind::Boolean if text.eq_ignore_ascii_case("false") => Some(false.into()),
        _ => None,
    }
}

fn compare_times(one: &str, other: &str) -> Ordering {
    // Both were written by us with six digits, so at one and the same offset their texts are in order.
    const DIGITS: usize = "2011-10-11T13:45:40.276000".len();
    let plain = !one.starts_with(['-', '+']) && !other.starts_with(['-', '+']);
    let offsets = (one.get(DIGITS..), other.get(DIGITS..));
    if plain && offsets.0.is_some() && offsets.0 == offsets.1 {
        return one.cmp(other);
    }
    let moment = |text: &str| Timestamp::parse(text).unwrap_or_default();
    moment(one).cmp(&moment(other))
}

fn compare_numbers(one: &Number, other: &Number) -> Ordering {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn taken(kind: &str, value: Value) -> Result<Value, String> {
        let (_, kind) = KINDS.into_iter().find(|(name, _)| *name == kind).expect("a kind");
        kind.take(&value, &Reading::default())
    }

    #[test]
    fn a_value_of_another_kind_is_refused_and_not_shown() {
        let refused = taken("integer", json!("forty")).expect_err("text");
        assert_eq!(refused, "it is a text, not an integer");
        assert!(taken("integer", json!(1.5)).is_err());
        assert!(taken("text", json!(1)).is_err());
        assert!(taken("text_array", json!(["a", 1])).is_err());
        assert!(taken("boolean", json!("true")).is_err());
        assert!(taken("time", json!("yesterday")).is_err());
    }

    #[test]
    fn null_and_an_empty_text_are_nothing() {
        assert_eq!(taken("time", json!("")), Ok(Value::Null));
        assert_eq!(taken("integer", json!(null)), Ok(Value::Null));
        assert_eq!(taken("text", json!("")), Ok(json!("")));
    }

    #[test]
    fn numbers_are_read_out_of_texts_only_where_that_is_asked() {
        let reading = Reading { parse: true, zone: None };
        let number = ValueKind::Field(FieldKind::Number);
        assert_eq!(number.take(&json!("1.5"), &reading), Ok(json!(1.5)));
        assert!(number.take(&json!("soon"), &reading).is_err());
    }

    #[test]
    fn times_are_compared_as_moments_whatever_their_offsets() {
        let time = ValueKind::Field(FieldKind::Time);
        let early = json!("2011-10-11T13:45:40.276000+02:00");
        let late = json!("2011-10-11T12:45:40.276000Z");
        assert_eq!(time.compare(&early, &late), Ordering::Less);
        let beside = json!("2011-10-11T13:45:40.276001+02:00");
        assert_eq!(time.compare(&beside, &early), Ordering::Greater);
    }
}
