//! The variable parts of a record: tags with their lengths, and the fields of the metadata, a kind, a length and a text each.

use super::{len16, len32};
use crate::metadata::Metadata;

pub(super) const CORRELATION: u8 = 1;
pub(super) const CAUSATION: u8 = 2;
pub(super) const ACTOR: u8 = 3;
pub(super) const SOURCE: u8 = 4;
pub(super) const VALIDATION: u8 = 5;
pub(super) const ENTRY_KEY: u8 = 6;
pub(super) const ENTRY_VALUE: u8 = 7;

/// How many bytes stand before a text of the metadata in a short record.
pub(super) const SHORT_FIELD: usize = 3;

pub(super) fn encode_metadata(bytes: &mut Vec<u8>, metadata: &Metadata, is_short: bool) {
    let mut put = |field: u8, text: &str| {
        bytes.push(field);
        if is_short {
            bytes.extend_from_slice(&len16(text.len()));
        } else {
            bytes.extend_from_slice(&len32(text.len()));
        }
        bytes.extend_from_slice(text.as_bytes());
    };
    let fields = [
        (CORRELATION, metadata.correlation.as_deref()),
        (CAUSATION, metadata.causation.as_deref()),
        (ACTOR, metadata.actor.as_deref()),
        (SOURCE, metadata.source.as_deref()),
        (VALIDATION, metadata.validation.as_ref().map(|raw| raw.get())),
    ];
    for (field, text) in fields {
        if let Some(text) = text {
            put(field, text);
        }
    }
    for (key, value) in &metadata.entries {
        put(ENTRY_KEY, key);
        put(ENTRY_VALUE, value);
    }
}

pub(super) fn take_field(bytes: &[u8], is_short: bool) -> Option<(u8, &str, &[u8])> {
    let (field, rest) = bytes.split_first()?;
    let (len, rest) = if is_short {
        let (len, rest) = rest.split_first_chunk::<2>()?;
        (usize::from(u16::from_le_bytes(*len)), rest)
    } else {
        let (len, rest) = rest.split_first_chunk::<4>()?;
        (u32::from_le_bytes(*len) as usize, rest)
    };
    let text = std::str::from_utf8(rest.get(..len)?).ok()?;
    Some((*field, text, rest.get(len..)?))
}

pub(super) fn metadata_is_sound(mut bytes: &[u8], is_short: bool) -> bool {
    while !bytes.is_empty() {
        match take_field(bytes, is_short) {
            Some((_, _, rest)) => bytes = rest,
            None => return false,
        }
    }
    true
}

pub(super) fn take_sized(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_le_bytes(*len));
    Some((std::str::from_utf8(rest.get(..len)?).ok()?, rest.get(len..)?))
}

pub(super) fn tags_are_sound(mut bytes: &[u8], count: usize) -> bool {
    for _ in 0..count {
        match take_sized(bytes) {
            Some((_, rest)) => bytes = rest,
            None => return false,
        }
    }
    bytes.is_empty()
}
