//! What is declared as an object and must be written as one, not as an array of its values in order.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What was read from an object.
///
/// The derived readers take an array too, by position, which no caller can mean.
#[derive(Debug)]
pub struct ObjectJson<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ObjectJson<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Reads a list of objects.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<ObjectJson<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|object| object.0).collect())
}

/// Reads an object or null.
pub(crate) fn option<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<ObjectJson<T>>::deserialize(deserializer)?.map(|object| object.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::batch::BatchJson;
    use crate::json::select::SelectJson;
    use crate::json::selection::SelectionJson;

    fn refused<T: for<'de> Deserialize<'de>>(text: &str) -> bool {
        let error = serde_json::from_str::<ObjectJson<T>>(text).err().map(|error| error.to_string());
        error.is_some_and(|error| error.contains("expected an object"))
    }

    #[test]
    fn an_array_is_no_object() {
        for text in [
            "[]",
            r#"{"appends":[["pos-1","any",[]]]}"#,
            r#"{"appends":[{"events":[[]]}]}"#,
            r#"{"condition":[[],3]}"#,
            r#"{"condition":{"query":[[]]}}"#,
        ] {
            assert!(refused::<BatchJson>(text), "{text}");
        }
        assert!(refused::<SelectionJson>(r#"{"query":[[]]}"#));
        assert!(refused::<SelectJson>(r#"{"order":[["name"]]}"#));
        let text = r#"{"appends":[{"events":[{"type":"x","data": [1.0] }]}],"condition":null}"#;
        let batch = serde_json::from_str::<ObjectJson<BatchJson>>(text).expect("objects").0;
        assert_eq!(batch.appends[0].events[0].data.as_ref().map(|data| data.get()), Some("[1.0]"));
    }
}
