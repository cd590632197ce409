//! Cursors: where a page ended, written so that only the same query can continue there.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::checked::field_value::FieldValue;
use crate::document::{DocumentKey, FieldKind};
use crate::tenant::Tenant;

/// The last document of a page, as its order sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEnd {
    /// Its values of the fields of the order, step by step.
    pub values: Vec<FieldValue>,
    /// Whose it is.
    pub tenant: Tenant,
    /// Its key.
    pub key: DocumentKey,
}

#[derive(Serialize, Deserialize)]
struct Written {
    query: String,
    values: Vec<Value>,
    tenant: String,
    key: DocumentKey,
}

/// The size of the check sum that begins a cursor, in bytes.
const SUM: usize = 8;

/// Writes a cursor: a check sum and JSON, as base64 that fits into a URL.
pub(crate) fn encode(fingerprint: &[u8; 16], end: &PageEnd) -> String {
    let written = Written {
        query: URL_SAFE_NO_PAD.encode(fingerprint),
        values: end.values.iter().map(FieldValue::to_json).collect(),
        tenant: end.tenant.as_str().to_owned(),
        key: end.key.clone(),
    };
    let json = serde_json::to_vec(&written).unwrap_or_default();
    let mut bytes = Sha256::digest(&json)[..SUM].to_vec();
    bytes.extend(json);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor of the query with this fingerprint and these kinds in its order, or says why not.
pub(crate) fn decode(cursor: &str, fingerprint: &[u8; 16], kinds: &[FieldKind]) -> Result<PageEnd, String> {
    let damaged = || "it is damaged".to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| damaged())?;
    let (sum, json) = bytes.split_at_checked(SUM).ok_or_else(damaged)?;
    if Sha256::digest(json)[..SUM] != *sum {
        return Err(damaged());
    }
    let written: Written = serde_json::from_slice(json).map_err(|_| damaged())?;
    if written.query != URL_SAFE_NO_PAD.encode(fingerprint) {
        return Err("it belongs to another query, or the read model was rebuilt meanwhile".to_owned());
    }
    if written.values.len() != kinds.len() {
        return Err(damaged());
    }
    let values = written.values.iter().zip(kinds).map(|(value, kind)| FieldValue::read(*kind, value));
    Ok(PageEnd {
        values: values.collect::<Result<_, _>>().map_err(|_| damaged())?,
        tenant: Tenant::new(&written.tenant).map_err(|_| damaged())?,
        key: written.key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end() -> PageEnd {
        PageEnd {
            values: vec![FieldValue::Null, FieldValue::Number(0.1), FieldValue::Text("ä".into())],
            tenant: Tenant::default(),
            key: DocumentKey::new("client 1").expect("a key"),
        }
    }

    const KINDS: &[FieldKind] = &[FieldKind::Integer, FieldKind::Number, FieldKind::Text];

    #[test]
    fn a_cursor_reads_back_for_the_same_query_only() {
        let cursor = encode(&[1; 16], &end());
        assert_eq!(decode(&cursor, &[1; 16], KINDS), Ok(end()));
        assert!(decode(&cursor, &[2; 16], KINDS).is_err_and(|reason| reason.contains("another query")));
    }

    #[test]
    fn a_cursor_with_any_character_changed_is_damaged() {
        let cursor = encode(&[1; 16], &end());
        for place in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ascii");
            assert!(decode(&changed, &[1; 16], KINDS).is_err(), "{place}");
        }
        assert!(decode("", &[1; 16], KINDS).is_err());
        assert!(decode("ä?", &[1; 16], KINDS).is_err());
    }
}
