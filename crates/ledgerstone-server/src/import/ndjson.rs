//! Rows as lines of JSON: `{"stream", "type", "data", "occurred_at"?, "id"?, "tags"?, "metadata"?}`.

use std::collections::BTreeMap;

use ledgerstone::core::{EventJson, OffsetTime, nearest};
use serde_json::Value;
use serde_json::value::RawValue;

use super::row::{Identity, MAX_ROW_BYTES, NO_ID, Record, Row, Rules};
use super::source::Source;
use crate::failure::Failure;
use crate::json_words::told;

/// The keys that a row may have; what a store had added is read and left aside.
const KEYS: &[&str] = &[
    "stream",
    "type",
    "data",
    "data_base64",
    "occurred_at",
    "id",
    "tags",
    "metadata",
    "schema_version",
    "content_type",
    "subject",
    "carries_state",
    "tenant",
    "position",
    "revision",
    "recorded_at",
    "log",
    "batch",
    "end",
];

/// A line: its number and its bytes.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its bytes without its end, or only the first of them.
    pub(super) raw: Vec<u8>,
    /// Whether it was so long that only its beginning was kept.
    pub(super) is_cut: bool,
}

/// Reads the next line that is not blank.
pub(super) fn next_line(source: &mut Source) -> Result<Option<Line>, Failure> {
    let mut scanned = 0;
    loop {
        let found = source.ahead().iter().skip(scanned).position(|byte| *byte == b'\n');
        let end = match found {
            Some(at) => scanned + at + 1,
            None if source.ahead().len() > MAX_ROW_BYTES => return skip_line(source).map(Some),
            None => {
                scanned = source.ahead().len();
                if source.fill()? {
                    continue;
                }
                source.ahead().len()
            }
        };
        if end == 0 {
            return Ok(None);
        }
        let line = source.line();
        let raw = source.ahead().get(..end).unwrap_or_default().trim_ascii().to_vec();
        source.take(end);
        if !raw.is_empty() {
            return Ok(Some(Line { number: line, raw, is_cut: false }));
        }
        scanned = 0;
    }
}

/// Passes over a line that is too long, and returns its beginning.
fn skip_line(source: &mut Source) -> Result<Line, Failure> {
    const SHOWN: usize = 4096;
    let line = source.line();
    let beginning = source.ahead().get(..SHOWN).unwrap_or_default().to_vec();
    loop {
        let end = source.ahead().iter().position(|byte| *byte == b'\n');
        source.take(end.map_or(source.ahead().len(), |at| at + 1));
        if end.is_some() || !source.fill()? {
            return Ok(Line { number: line, raw: beginning, is_cut: true });
        }
    }
}

/// Reads the next row.
pub(super) fn next(source: &mut Source, rules: &Rules) -> Result<Option<Record>, Failure> {
    let Some(line) = next_line(source)? else { return Ok(None) };
    let row = if line.is_cut {
        Err(format!("the row has more than {MAX_ROW_BYTES} bytes"))
    } else {
        parse(&line.raw, rules)
    };
    Ok(Some(Record { line: line.number, raw: line.raw, row }))
}

/// Makes a row of a line.
fn parse(line: &[u8], rules: &Rules) -> Result<Row, String> {
    let text = std::str::from_utf8(line).map_err(|error| {
        format!("the row is not UTF-8 from its byte {} on", error.valid_up_to().saturating_add(1))
    })?;
    // The reader of events would take an array for an object with its values in order.
    if text.starts_with('[') {
        return Err("the row is an array; write one JSON object a line".to_owned());
    }
    let event = read_event(text, rules)?;
    let tenant = event.tenant.as_deref().unwrap_or_default();
    if event.tenant.is_some() && tenant != rules.tenant.as_str() {
        return Err(format!("the row belongs to tenant {tenant:?}; import it with --tenant"));
    }
    if event.event_type.is_empty() {
        return Err("type is missing".to_owned());
    }
    let identity = match event.id {
        Some(_) => Identity::Own,
        None => Identity::Content(canonical(text)?),
    };
    let data = event.to_data(|| NO_ID).map_err(|error| error.to_string())?;
    Row::new(event.stream.as_deref().unwrap_or_default(), data, identity, rules)
}

fn read_event(text: &str, rules: &Rules) -> Result<EventJson, String> {
    match serde_json::from_str::<EventJson>(text) {
        Ok(event) => Ok(event),
        Err(error) => match rules.zone.as_deref().and_then(|zone| with_offset(text, zone)) {
            Some(text) => serde_json::from_str(&text?).map_err(|error| explain(&error)),
            None => Err(explain(&error)),
        },
    }
}

/// Gives the time of a row the offset that it lacks, and leaves everything else as it is.
fn with_offset(text: &str, zone: &str) -> Option<Result<String, String>> {
    let mut row: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
    let time: String = serde_json::from_str(row.get("occurred_at")?.get()).ok()?;
    let time = match OffsetTime::parse(&time, Some(zone)) {
        Ok(time) => time,
        Err(error) => return Some(Err(error.to_string())),
    };
    row.insert("occurred_at".to_owned(), serde_json::value::to_raw_value(&time).ok()?);
    serde_json::to_string(&row).ok().map(Ok)
}

/// Says what is wrong with a line in the words of an import: the nearest key, the column.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if let Some(key) = text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        return match nearest(key, KEYS.iter().copied()) {
            Some(nearest) => format!("unknown key {key:?}; did you mean {nearest:?}?"),
            None => format!("unknown key {key:?}; data of your own belongs into \"data\""),
        };
    }
    let told = told(error);
    if error.is_data() { told } else { format!("the row is not a JSON object: {told}") }
}

/// Writes JSON so that equal content is equal text: keys sorted, no spaces.
fn canonical(text: &str) -> Result<Vec<u8>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| explain(&error))?;
    let mut bytes = Vec::with_capacity(text.len());
    write_canonical(&value, &mut bytes);
    Ok(bytes)
}

fn write_canonical(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            bytes.push(b'[');
            for item in items {
                write_canonical(item, bytes);
                bytes.push(b',');
            }
            bytes.push(b']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            bytes.push(b'{');
            for (key, value) in entries {
                bytes.extend_from_slice(Value::String(key.clone()).to_string().as_bytes());
                bytes.push(b':');
                write_canonical(value, bytes);
                bytes.push(b',');
            }
            bytes.push(b'}');
        }
        plain => bytes.extend_from_slice(plain.to_string().as_bytes()),
    }
}

#[cfg(test)]
#[path = "ndjson_tests.rs"]
mod tests;
