//! A value of a cache that is spoken to over HTTP: bytes, and what they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes with their media type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredValue {
    /// The media type that it came with.
    pub(crate) content_type: String,
    /// The bytes.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub(crate) bytes: Bytes,
}

impl StoredValue {
    /// Returns what it weighs in the memory tier: its bytes, and what stands around them.
    pub(crate) fn weight(key: &str, value: Option<&Self>) -> u32 {
        const AROUND: usize = 128;
        let held = value.map_or(0, |value| value.bytes.len() + value.content_type.len());
        u32::try_from(held + key.len() + AROUND).unwrap_or(u32::MAX)
    }
}

fn to_base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).map(Bytes::from).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were_put() {
        let value =
            StoredValue { content_type: "image/png".to_owned(), bytes: Bytes::from_static(b"\x00\xff{") };
        let json = serde_json::to_vec(&value).expect("JSON");
        assert_eq!(serde_json::from_slice::<StoredValue>(&json).expect("a value"), value);
    }
}
