//! Declared upcasts: how the payload of an older version of an event becomes that of the next.

use std::collections::HashMap;

use ledgerstone_core::{ProjectionError, RecordedEvent};
use serde_json::{Map, Value, json};

use crate::declared::payload::{decode, steps};

/// One step of one type: from a version to the next.
#[derive(Debug, Clone)]
pub(crate) struct Upcast {
    pub event_type: String,
    pub from: u32,
    /// From where to where.
    pub renames: Vec<(String, String)>,
    /// What stands where nothing stood.
    pub defaults: Vec<(String, Value)>,
    pub removes: Vec<String>,
}

/// Every declared step, found by type and version.
#[derive(Debug, Clone, Default)]
pub(crate) struct Upcasts {
    steps: HashMap<String, Vec<Upcast>>,
}

impl Upcasts {
    /// Takes the steps in any order.
    pub(crate) fn new(upcasts: impl IntoIterator<Item = Upcast>) -> Self {
        let mut steps: HashMap<String, Vec<Upcast>> = HashMap::new();
        for upcast in upcasts {
            steps.entry(upcast.event_type.clone()).or_default().push(upcast);
        }
        for chain in steps.values_mut() {
            chain.sort_by_key(|upcast| upcast.from);
        }
        Self { steps }
    }

    /// Returns the payload in its newest version, or nothing if it needs no step.
    pub(crate) fn upcast(&self, event: &RecordedEvent) -> Result<Option<Value>, ProjectionError> {
        if self.steps.is_empty() {
            return Ok(None);
        }
        let Some(chain) = self.steps.get(event.event_type()) else { return Ok(None) };
        let mut version = event.schema_version();
        if !chain.iter().any(|upcast| upcast.from == version) {
            return Ok(None);
        }
        let mut payload = decode(event)?;
        for upcast in chain {
            if upcast.from == version {
                upcast.apply(&mut payload).map_err(ProjectionError)?;
                version = version.saturating_add(1);
            }
        }
        Ok(Some(payload))
    }
}

impl Upcast {
    fn apply(&self, payload: &mut Value) -> Result<(), String> {
        for (from, to) in &self.renames {
            if let Some(value) = remove(payload, from)? {
                put(payload, to, value)?;
            }
        }
        for (pointer, value) in &self.defaults {
            if payload.pointer(pointer).is_none_or(Value::is_null) {
                put(payload, pointer, value.clone())?;
            }
        }
        self.removes.iter().try_for_each(|pointer| remove(payload, pointer).map(drop))
    }

    /// Returns the step as it counts for the hash of the declaration.
    pub(crate) fn canonical(&self) -> Value {
        json!({
            "type": self.event_type, "from": self.from, "rename": self.renames,
            "default": self.defaults, "remove": self.removes,
        })
    }
}

/// Takes a value out of an object; nothing there is no mistake.
fn remove(payload: &mut Value, pointer: &str) -> Result<Option<Value>, String> {
    let mut path = steps(pointer)?;
    let Some(last) = path.pop() else {
        return Err("the whole payload cannot be moved or removed".to_owned());
    };
    let mut at = payload;
    for step in path {
        match at.get_mut(&step) {
            Some(below) => at = below,
            None => return Ok(None),
        }
    }
    Ok(at.as_object_mut().and_then(|fields| fields.remove(&last)))
}

/// Puts a value into an object, and makes the objects on the way.
fn put(payload: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let mut path = steps(pointer)?;
    let Some(last) = path.pop() else { return Err("the whole payload cannot be replaced".to_owned()) };
    let blocked = || format!("the upcast cannot write {pointer}: something that is no object is in the way");
    let mut at = payload;
    for step in path {
        let fields = at.as_object_mut().ok_or_else(blocked)?;
        at = fields.entry(step).or_insert_with(|| Value::Object(Map::new()));
    }
    at.as_object_mut().ok_or_else(blocked)?.insert(last, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_moves_fills_and_removes() {
        let upcast = Upcast {
            event_type: "T".to_owned(),
            from: 1,
            renames: vec![("/old".to_owned(), "/new/name".to_owned())],
            defaults: vec![("/country".to_owned(), json!("NL")), ("/kept".to_owned(), json!(0))],
            removes: vec!["/noise".to_owned(), "/none/at/all".to_owned()],
        };
        let mut payload = json!({"old": 1, "noise": 2, "kept": 3});
        upcast.apply(&mut payload).expect("applies");
        assert_eq!(payload, json!({"new": {"name": 1}, "country": "NL", "kept": 3}));
        let mut blocked = json!({"old": 1, "new": 5});
        assert!(upcast.apply(&mut blocked).is_err());
    }
}
