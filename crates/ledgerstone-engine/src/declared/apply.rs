//! Applies the operations of a rule to the body of a document.

use std::borrow::Cow;
use std::cmp::Ordering;

use ledgerstone_core::{Body, ProjectionError, RecordedEvent};
use serde_json::{Number, Value};

use crate::declared::declaration::{DeclaredField, Operation, Reader, Rule};
use crate::declared::payload::Picked;
use crate::declared::value::{ValueKind, add, describe};

/// What came of an operation on a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was carried out.
    Done,
    /// The event has no value for it, or an empty one.
    Missing,
    /// The value does not fit the field.
    Misfit,
}

/// Applies a rule's operations in order and tells `watch` what came of each field.
pub(crate) fn apply(
    rule: &Rule,
    fields: &[DeclaredField],
    event: &RecordedEvent,
    picked: &Picked,
    body: &mut Body,
    watch: &mut impl FnMut(usize, Outcome),
) -> Result<(), ProjectionError> {
    for step in &rule.steps {
        let Some(field) = fields.get(step.field) else { continue };
        match operate(&step.operation, field, event, picked, body) {
            Ok(outcome) => watch(step.field, outcome),
            Err(reason) => {
                watch(step.field, Outcome::Misfit);
                let (operation, reader) = step.operation.parts();
                let from = reader.map_or_else(String::new, |reader| format!(" from {}", reader.written));
                return Err(ProjectionError(format!("field {}: {operation}{from}: {reason}", field.name)));
            }
        }
    }
    Ok(())
}

fn operate(
    operation: &Operation,
    field: &DeclaredField,
    event: &RecordedEvent,
    picked: &Picked,
    body: &mut Body,
) -> Result<Outcome, String> {
    let (name, kind) = (field.name.as_str(), field.kind);
    let reader = match operation {
        Operation::Unset => {
            body.remove(name);
            return Ok(Outcome::Done);
        }
        Operation::SoftDelete => {
            put(body, name, Value::Bool(true));
            return Ok(Outcome::Done);
        }
        Operation::SetIfAbsent(_) if body.get(name).is_some_and(|value| !value.is_null()) => {
            return Ok(Outcome::Done);
        }
        Operation::Set(reader)
        | Operation::SetIfAbsent(reader)
        | Operation::Min(reader)
        | Operation::Max(reader)
        | Operation::AddTo(reader)
        | Operation::RemoveFrom(reader)
        | Operation::Increment(reader) => reader,
    };
    let Some(value) = read(reader, event, picked)? else { return Ok(Outcome::Missing) };
    if let Operation::AddTo(_) | Operation::RemoveFrom(_) = operation {
        let adding = matches!(operation, Operation::AddTo(_));
        return change_elements(body, name, value.as_ref(), adding);
    }
    let value = kind.take(value.as_ref(), &reader.reading)?;
    if value.is_null() {
        // An explicit null empties a field; to a comparison or a sum it says nothing.
        if matches!(operation, Operation::Set(_)) {
            body.remove(name);
        }
        return Ok(Outcome::Missing);
    }
    match operation {
        Operation::Min(_) => keep(body, name, kind, value, Ordering::Less),
        Operation::Max(_) => keep(body, name, kind, value, Ordering::Greater),
        Operation::Increment(_) => increment(body, name, kind, &value)?,
        _ => put(body, name, value),
    }
    Ok(Outcome::Done)
}

fn read<'a>(
    reader: &'a Reader,
    event: &RecordedEvent,
    picked: &'a Picked,
) -> Result<Option<Cow<'a, Value>>, String> {
    let value = reader.source.read(event, picked).map_err(|error| error.0)?;
    Ok(match (value, &reader.default) {
        (Some(value), Some(default)) if value.is_null() => Some(Cow::Borrowed(default)),
        (None, Some(default)) => Some(Cow::Borrowed(default)),
        (value, _) => value,
    })
}

/// Puts a value, without making the key anew where it stands already.
fn put(body: &mut Body, name: &str, value: Value) {
    match body.get_mut(name) {
        Some(slot) => *slot = value,
        None => {
            body.insert(name.to_owned(), value);
        }
    }
}

/// Puts a value if it stands on the wanted side of the one that is there.
fn keep(body: &mut Body, name: &str, kind: ValueKind, value: Value, wanted: Ordering) {
    let better = match body.get(name) {
        None | Some(Value::Null) => true,
        Some(current) => kind.compare(&value, current) == wanted,
    };
    if better {
        put(body, name, value);
    }
}

fn increment(body: &mut Body, name: &str, kind: ValueKind, by: &Value) -> Result<(), String> {
    let zero = Number::from(0);
    let current = match body.get(name) {
        Some(Value::Number(number)) => number,
        None | Some(Value::Null) => &zero,
        Some(other) => {
            return Err(format!("the field holds {}, which cannot be incremented", describe(other)));
        }
    };
    let Value::Number(by) = by else { return Err(format!("it is {}, not a number", describe(by))) };
    let sum = add(current, by).map(Value::Number);
    let sum = sum.ok_or_else(|| format!("the sum does not fit into {}", kind.as_str()))?;
    put(body, name, sum);
    Ok(())
}

fn change_elements(body: &mut Body, name: &str, value: &Value, adding: bool) -> Result<Outcome, String> {
    let misfit = || format!("it is {}, not a text or an array of texts", describe(value));
    let elements: Vec<&str> = match value {
        Value::Null => return Ok(Outcome::Missing),
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(misfit)?,
        _ => return Err(misfit()),
    };
    if !matches!(body.get(name), Some(Value::Array(_))) {
        if !adding {
            return Ok(Outcome::Done);
        }
        put(body, name, Value::Array(Vec::new()));
    }
    if let Some(Value::Array(items)) = body.get_mut(name) {
        if adding {
            for element in elements {
                if !items.iter().any(|item| item.as_str() == Some(element)) {
                    items.push(element.into());
                }
            }
        } else {
            items.retain(|item| item.as_str().is_none_or(|text| !elements.contains(&text)));
        }
    }
    Ok(Outcome::Done)
}
