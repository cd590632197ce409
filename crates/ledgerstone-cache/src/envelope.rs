//! The bytes of the shared tier: a format tag, the version of the values' shape, and JSON.

use ledgerstone_core::serde_json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::slot::Origin;

/// What stands before the JSON: the format, and the version in big-endian order.
const FORMAT: &[u8; 4] = b"LSC1";
const HEADER: usize = FORMAT.len() + 4;

#[derive(Serialize)]
struct Written<'a, T> {
    origin: &'a Origin,
    value: Option<&'a T>,
}

/// A value as it came from the shared tier.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(crate) struct Envelope<T> {
    pub(crate) origin: Origin,
    pub(crate) value: Option<T>,
}

type Encode<T> = fn(u32, &Origin, Option<&T>) -> Result<Vec<u8>, serde_json::Error>;

/// How values become bytes and back; held as plain functions so that a cache without a shared tier asks
/// nothing of its values.
pub(crate) struct Codec<T> {
    pub(crate) encode: Encode<T>,
    pub(crate) decode: fn(u32, &[u8]) -> Option<Envelope<T>>,
}

impl<T: Serialize + DeserializeOwned> Codec<T> {
    pub(crate) fn json() -> Self {
        Self { encode: encode::<T>, decode: decode::<T> }
    }
}

fn encode<T: Serialize>(
    version: u32,
    origin: &Origin,
    value: Option<&T>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(FORMAT);
    bytes.extend_from_slice(&version.to_be_bytes());
    serde_json::to_writer(&mut bytes, &Written { origin, value })?;
    Ok(bytes)
}

/// Reads an entry back, or nothing if another version or something else wrote it.
fn decode<T: DeserializeOwned>(version: u32, bytes: &[u8]) -> Option<Envelope<T>> {
    let (header, json) = bytes.split_at_checked(HEADER)?;
    let (format, written) = header.split_at(FORMAT.len());
    (format == FORMAT && written == version.to_be_bytes()).then_some(())?;
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_and_so_does_that_there_is_none() {
        let origin = Origin::Loader { node: "a".into(), took_ms: 7 };
        for value in [Some(vec![1_u8]), Some(Vec::new()), None] {
            let bytes = encode(3, &origin, value.as_ref()).expect("it can be written");
            let read: Envelope<Vec<u8>> = decode(3, &bytes).expect("it reads back");
            assert_eq!((read.value, read.origin), (value, origin.clone()));
        }
    }

    #[test]
    fn another_version_and_foreign_bytes_are_no_entry() {
        let origin = Origin::Set { node: "a".into() };
        let bytes = encode(3, &origin, Some(&7_u8)).expect("it can be written");
        assert!(decode::<u8>(4, &bytes).is_none());
        for end in 0..bytes.len() {
            assert!(decode::<u8>(3, &bytes[..end]).is_none(), "cut at {end}");
        }
        assert!(decode::<u8>(3, b"LSC1\0\0\0\x03{\"origin\":7}").is_none());
    }
}
