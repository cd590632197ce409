//! Conversions: what becomes of the text of a CSV cell in the data of an event.

use ledgerstone::core::OffsetTime;
use serde_json::value::RawValue;

/// The type that a column's cells are converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ColumnType {
    /// Kept as it is.
    #[default]
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// Any JSON.
    Json,
    /// A time, written with its offset.
    Time,
}

impl ColumnType {
    /// The names of the types, as `--types` takes them.
    pub(super) const NAMES: [(&'static str, Self); 6] = [
        ("text", Self::Text),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("json", Self::Json),
        ("time", Self::Time),
    ];

    /// Returns the type of a name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Writes a cell as JSON; an empty cell is null unless it is text.
    pub(super) fn write(self, cell: &str, zone: Option<&str>, json: &mut Vec<u8>) -> Result<(), String> {
        if self == Self::Text {
            write_text(cell, json);
            return Ok(());
        }
        let cell = cell.trim();
        if cell.is_empty() {
            json.extend_from_slice(b"null");
            return Ok(());
        }
        let written = match self {
            Self::Integer => cell.parse::<i64>().ok().map(|number| number.to_string()),
            Self::Number => number(cell),
            Self::Boolean => boolean(cell).map(|flag| flag.to_string()),
            Self::Json => one_line(cell),
            Self::Time => {
                let time = OffsetTime::parse(cell, zone).map_err(|error| error.to_string())?;
                Some(format!("\"{time}\""))
            }
            Self::Text => None,
        };
        let written = written.ok_or_else(|| format!("{cell:?} is not {}", self.with_article()))?;
        json.extend_from_slice(written.as_bytes());
        Ok(())
    }

    fn with_article(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Json => "JSON",
            Self::Time => "a time",
        }
    }
}

/// Writes a text as JSON.
pub(super) fn write_text(text: &str, json: &mut Vec<u8>) {
    // Writing a text into memory cannot fail.
    let _ = serde_json::to_writer(json, text);
}

/// Keeps the digits of a number that JSON could hold as it is, so that `1.50` stays `1.50`.
fn number(cell: &str) -> Option<String> {
    let value: f64 = cell.parse().ok().filter(|value: &f64| value.is_finite())?;
    let as_it_is = serde_json::from_str::<serde_json::Number>(cell).is_ok();
    Some(if as_it_is { cell.to_owned() } else { value.to_string() })
}

fn boolean(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn one_line(cell: &str) -> Option<String> {
    let raw: &RawValue = serde_json::from_str(cell).ok()?;
    if raw.get().contains(['\n', '\r']) {
        return serde_json::from_str::<serde_json::Value>(cell).ok().map(|value| value.to_string());
    }
    Some(raw.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(kind: ColumnType, cell: &str) -> Result<String, String> {
        let mut json = Vec::new();
        kind.write(cell, Some("Europe/Amsterdam"), &mut json)?;
        Ok(String::from_utf8(json).expect("text"))
    }

    #[test]
    fn cells_become_what_their_column_says() {
        let cases = [
            (ColumnType::Text, " 7\"", r#"" 7\"""#),
            (ColumnType::Integer, " -7 ", "-7"),
            (ColumnType::Integer, "", "null"),
            (ColumnType::Number, "1.50", "1.50"),
            (ColumnType::Number, ".5", "0.5"),
            (ColumnType::Boolean, "TRUE", "true"),
            (ColumnType::Json, "{\"a\":  1}", "{\"a\":  1}"),
            (ColumnType::Json, "{\"a\":\n1}", "{\"a\":1}"),
            (ColumnType::Time, "2011-10-11 13:45:40", "\"2011-10-11T13:45:40.000000+02:00\""),
        ];
        for (kind, cell, expected) in cases {
            assert_eq!(converted(kind, cell).as_deref(), Ok(expected), "{kind:?} {cell:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (kind, cell) in [
            (ColumnType::Integer, "7.0"),
            (ColumnType::Number, "NaN"),
            (ColumnType::Boolean, "maybe"),
            (ColumnType::Json, "{"),
            (ColumnType::Time, "noon"),
        ] {
            assert!(converted(kind, cell).is_err(), "{kind:?} {cell:?}");
        }
    }
}
