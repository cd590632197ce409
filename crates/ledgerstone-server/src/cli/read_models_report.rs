//! Reports on read models for people: how one stands, and what a declaration would make of the log.

use serde_json::{Map, Value};

use super::Session;
use super::streams::cell;
use crate::failure::Failure;
use crate::output::{Output, grouped};

/// The facts of a status, in the order in which people ask for them; others follow.
const STATUS: [&str; 9] =
    ["name", "description", "state", "stopped", "origin", "definition", "lag", "parked", "paused"];

/// Prints how a read model stands: facts, and its fields as a table.
pub(super) fn status(session: &mut Session, document: &Value) -> Result<(), Failure> {
    let output = &mut session.output;
    let Value::Object(status) = document else { return output.document(document) };
    if output.json {
        return output.document(document);
    }
    let known = STATUS.into_iter().filter_map(|name| status.get_key_value(name));
    let others = status.iter().filter(|(name, _)| !STATUS.contains(&name.as_str()) && *name != "fields");
    let facts: Vec<_> =
        known.chain(others).map(|(name, value)| (name.replace('_', " "), plain(value))).collect();
    let facts: Vec<_> = facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    output.facts(&facts)?;
    let rows = rows(status, "fields", &["name", "kind", "indexed", "searchable"]);
    section(output, &["FIELD", "KIND", "INDEXED", "SEARCHABLE"], &rows)
}

/// Prints what a declaration would make of the events that it was tried on.
pub(super) fn check(session: &mut Session, document: &Value) -> Result<(), Failure> {
    let output = &mut session.output;
    let Value::Object(report) = document else { return output.document(document) };
    if output.json {
        return output.document(document);
    }
    let number = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
    let name = plain(report.get("name").unwrap_or(&Value::Null));
    let problems = number("problem_count");
    output.line(match problems {
        0 => format!("{name}: no event would be parked"),
        1 => format!("{name}: 1 event would be parked"),
        more => format!("{name}: {} events would be parked", grouped(more)),
    })?;
    output.facts(&[
        ("events read", grouped(number("events_read"))),
        ("events that match", grouped(number("events_matched"))),
        ("documents", grouped(number("documents"))),
    ])?;
    let fields = rows(report, "fields", &["name", "kind", "set", "missing", "wrong_type"]);
    section(output, &["FIELD", "KIND", "SET", "MISSING", "WRONG TYPE"], &fields)?;
    let rules = report.get("rules").and_then(Value::as_array).into_iter().flatten();
    let rules: Vec<_> =
        rules.enumerate().map(|(at, events)| vec![(at + 1).to_string(), plain(events)]).collect();
    section(output, &["RULE", "EVENTS"], &rules)?;
    let causes = rows(report, "problems", &["position", "stream", "event_type", "cause"]);
    section(output, &["POSITION", "STREAM", "TYPE", "PROBLEM"], &causes)?;
    section(output, &["EXAMPLE", "DOCUMENT"], &rows(report, "examples", &["key", "body"]))?;
    for (list, meaning) in [("unmet_types", "no event is a"), ("never_set", "no event sets")] {
        if let Some(names) = report.get(list).map(plain).filter(|names| names != "-") {
            output.line(format!("\n{meaning}: {names}"))?;
        }
    }
    Ok(())
}

/// Prints what another verb answers: names and values, and the keys for which it failed.
pub(super) fn outcome(session: &mut Session, document: &Value) -> Result<(), Failure> {
    let output = &mut session.output;
    let Value::Object(fields) = document else { return output.document(document) };
    if output.json {
        return output.document(document);
    }
    if let (1, Some(outcome)) = (fields.len(), fields.get("outcome")) {
        return output.line(plain(outcome));
    }
    let facts = fields.iter().filter(|(_, value)| !value.is_array());
    let facts: Vec<_> = facts.map(|(name, value)| (name.replace('_', " "), plain(value))).collect();
    let facts: Vec<_> = facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    output.facts(&facts)?;
    let failed = rows(fields, "failed", &["key", "first", "events", "event_type", "cause"]);
    section(output, &["STILL PARKED", "FIRST", "EVENTS", "TYPE", "CAUSE"], &failed)
}

/// Prints a table with an empty line before it, if it has rows.
fn section(output: &mut Output, head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    output.text("\n")?;
    output.table(head, rows)
}

/// Takes columns out of a list of objects.
fn rows(document: &Map<String, Value>, list: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let items = document.get(list).and_then(Value::as_array).into_iter().flatten();
    let row = |item: &Value| {
        let cell_of = |name: &&str| match item.get(*name) {
            Some(body @ Value::Object(_)) => cell(Some(body)),
            Some(value) => plain(value),
            None => "-".to_owned(),
        };
        columns.iter().map(cell_of).collect()
    };
    items.map(row).collect()
}

/// Writes a value as people say it: yes and no, lists with commas, objects as names and values.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let pairs =
                fields.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => cell(Some(other)),
    }
}
