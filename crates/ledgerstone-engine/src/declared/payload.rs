//! The payload of an event, decoded only where a declaration points to.

use std::fmt;

use ledgerstone_core::{ContentType, ProjectionError, RecordedEvent};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The places in payloads that a declaration reads, each with a slot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pointers {
    texts: Vec<String>,
    root: Node,
}

/// A place on the way to others: the slot that it fills itself, and what lies below.
#[derive(Debug, Clone, Default)]
struct Node {
    slot: Option<usize>,
    children: Vec<(String, Self)>,
}

/// The values that were found, by slot.
#[derive(Debug)]
pub(crate) struct Picked(Vec<Option<Value>>);

impl Picked {
    /// Returns the value of a slot, if the payload has it.
    pub(crate) fn get(&self, slot: usize) -> Option<&Value> {
        self.0.get(slot).and_then(Option::as_ref)
    }
}

impl Pointers {
    /// Takes a JSON pointer (RFC 6901) and returns its slot.
    pub(crate) fn add(&mut self, pointer: &str) -> Result<usize, String> {
        if let Some(slot) = self.texts.iter().position(|known| known == pointer) {
            return Ok(slot);
        }
        let mut node = &mut self.root;
        for step in steps(pointer)? {
            let at = match node.children.iter().position(|(name, _)| *name == step) {
                Some(at) => at,
                None => {
                    node.children.push((step, Node::default()));
                    node.children.len() - 1
                }
            };
            node = &mut node.children[at].1;
        }
        let slot = self.texts.len();
        node.slot = Some(slot);
        self.texts.push(pointer.to_owned());
        Ok(slot)
    }

    /// Tells whether nothing is read.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Decodes what the pointers point to; the rest is passed over.
    pub(crate) fn pick(&self, event: &RecordedEvent) -> Result<Picked, ProjectionError> {
        let mut slots = vec![None; self.texts.len()];
        if !self.is_empty() {
            require_json(event)?;
            let mut decoder = serde_json::Deserializer::from_slice(event.payload());
            let walked = Walk { node: &self.root, slots: &mut slots }.deserialize(&mut decoder);
            walked.and_then(|()| decoder.end()).map_err(|error| not_json(&error))?;
        }
        Ok(Picked(slots))
    }

    /// Finds what the pointers point to in a payload that was decoded already.
    pub(crate) fn find(&self, payload: &Value) -> Picked {
        let mut slots = vec![None; self.texts.len()];
        self.root.fill(payload, &mut slots);
        Picked(slots)
    }
}

/// Refuses a payload that is not JSON.
pub(crate) fn require_json(event: &RecordedEvent) -> Result<(), ProjectionError> {
    let content_type = event.content_type();
    if content_type == ContentType::JSON || content_type.ends_with("+json") {
        return Ok(());
    }
    Err(ProjectionError(format!("the payload is {content_type}, and pointers only reach into JSON")))
}

/// Decodes a whole payload.
pub(crate) fn decode(event: &RecordedEvent) -> Result<Value, ProjectionError> {
    require_json(event)?;
    serde_json::from_slice(event.payload()).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> ProjectionError {
    // The parser's message names places and kinds only, never the data.
    ProjectionError(format!("the payload is not JSON: {error}"))
}

/// Splits a JSON pointer into its steps.
pub(crate) fn steps(pointer: &str) -> Result<Vec<String>, String> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let Some(rest) = pointer.strip_prefix('/') else {
        return Err(format!("the pointer {pointer:?} must begin with /, as in \"/case:channel\""));
    };
    Ok(rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

impl Node {
    fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    fn take(&self, value: Value, slots: &mut [Option<Value>]) {
        if !self.children.is_empty() {
            return self.fill(&value, slots);
        }
        if let Some(slot) = self.slot.and_then(|slot| slots.get_mut(slot)) {
            *slot = Some(value);
        }
    }

    fn fill(&self, value: &Value, slots: &mut [Option<Value>]) {
        for (step, node) in &self.children {
            let below = match value {
                Value::Object(fields) => fields.get(step),
                Value::Array(items) => index(step).and_then(|at| items.get(at)),
                _ => None,
            };
            if let Some(below) = below {
                node.fill(below, slots);
            }
        }
        if let Some(slot) = self.slot.and_then(|slot| slots.get_mut(slot)) {
            *slot = Some(value.clone());
        }
    }
}

fn index(step: &str) -> Option<usize> {
    let sound = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    if sound { step.parse().ok() } else { None }
}

/// One step of the walk through a payload, along the tree of pointers.
struct Walk<'a> {
    node: &'a Node,
    slots: &'a mut Vec<Option<Value>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.node.slot.is_some() {
            let value = <Value as serde::Deserialize>::deserialize(deserializer)?;
            self.node.take(value, self.slots);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(ChildOf(self.node))? {
            match child {
                Some(node) => map.next_value_seed(Walk { node, slots: &mut *self.slots })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut at = 0_usize;
        loop {
            let child = self.node.children.iter().find(|(step, _)| index(step) == Some(at));
            let more = match child {
                Some((_, node)) => seq.next_element_seed(Walk { node, slots: &mut *self.slots })?.is_some(),
                None => seq.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                return Ok(());
            }
            at += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Finds the way on from a key, without keeping the key.
struct ChildOf<'a>(&'a Node);

impl<'de, 'a> DeserializeSeed<'de> for ChildOf<'a> {
    type Value = Option<&'a Node>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for ChildOf<'a> {
    type Value = Option<&'a Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.child(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(pointers: &[&str], payload: &str) -> Vec<Option<Value>> {
        let mut wanted = Pointers::default();
        for pointer in pointers {
            wanted.add(pointer).expect("a pointer");
        }
        let mut slots = vec![None; pointers.len()];
        let mut decoder = serde_json::Deserializer::from_str(payload);
        Walk { node: &wanted.root, slots: &mut slots }.deserialize(&mut decoder).expect("json");
        let whole: Value = serde_json::from_str(payload).expect("json");
        assert_eq!(slots, wanted.find(&whole).0, "both ways find the same");
        slots
    }

    #[test]
    fn pointers_reach_keys_with_colons_spaces_and_slashes() {
        let payload = r#"{"case:channel":"Internet","a b":1,"c/d":{"~":true},"x":[{"y":7}]}"#;
        let found = picked(&["/case:channel", "/a b", "/c~1d/~0", "/x/0/y", "/x/1/y", "/none"], payload);
        let some = |value: Value| Some(value);
        let expected =
            [some("Internet".into()), some(1.into()), some(true.into()), some(7.into()), None, None];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pointer_may_lie_within_another_and_nothing_points_to_everything() {
        let found = picked(&["/a", "/a/b", ""], r#"{"a":{"b":2}}"#);
        assert_eq!(found[0], Some(serde_json::json!({"b": 2})));
        assert_eq!(found[1], Some(2.into()));
        assert_eq!(found[2], Some(serde_json::json!({"a": {"b": 2}})));
    }
}
