//! The check that a payload can be read as JSON by everybody, made without building a value of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The key by which the parser marks a text that it keeps as it is; it would be taken for such a mark.
const RESERVED: &str = "$serde_json::private::RawValue";

/// Returns why a text in the grammar of JSON cannot be read as a value, in plain words.
pub(crate) fn unsound(text: &str) -> Option<String> {
    let error = serde_json::from_str::<Sound>(text).err()?;
    let place = format!(" at line {} column {}", error.line(), error.column());
    let told = error.to_string();
    let told = told.strip_suffix(&place).unwrap_or(&told);
    let reason = match told {
        "recursion limit exceeded" => "it is nested deeper than 127 levels",
        "number out of range" => "a number in it is too large",
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            "an escape in a text is half a character (a lone surrogate)"
        }
        other => other,
    };
    Some(format!("{reason} at byte {}", error.column()))
}

/// A value that was read whole and dropped.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Ignoring would skip escapes and numbers unread.
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while let Some(Key) = entries.next_key()? {
            entries.next_value::<Self>()?;
        }
        Ok(self)
    }
}

/// A key that was read and dropped.
struct Key;

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl Visitor<'_> for Key {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self, E> {
        if key == RESERVED { Err(E::custom(format_args!("the key {key:?} is reserved"))) } else { Ok(self) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_sound_is_what_reads_as_a_value() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let reserved = format!("{{\"{RESERVED}\":7}}");
        let texts =
            ["null", "-1", "1e308", "18446744073709551616", r#""\ud83d\ude00""#, r#"{"a":[1.5,true]}"#];
        for text in texts.map(str::to_owned).into_iter().chain([nested(127)]) {
            assert_eq!(unsound(&text), None, "{text}");
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
        let texts = [
            r#""\ud800""#,
            r#""\ud800 ""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            r#"{"\ud800":1}"#,
            "1e999999",
            "[-1e999999]",
            &reserved,
        ];
        for text in texts.map(str::to_owned).into_iter().chain([nested(128), nested(100_000)]) {
            let reason = unsound(&text).expect("unsound");
            assert!(!reason.contains("hex") && !reason.contains("recursion"), "{reason}");
            assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
        }
    }
}
