//! Change events as a Salesforce feed writes them: a header, and the fields that changed.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Why a line of the feed cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedChange(pub String);

/// What kind of change it is; a gap says that details were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChangeKind {
    /// A record was created.
    Create,
    /// Fields changed.
    Update,
    /// A record was deleted.
    Delete,
    /// A record came back.
    Undelete,
    /// A record was created, and the details were lost.
    GapCreate,
    /// Fields changed, and the details were lost.
    GapUpdate,
    /// A record was deleted, told without details.
    GapDelete,
    /// A record came back, told without details.
    GapUndelete,
}

/// The header of a change event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeHeader {
    /// The kind of record; only `Account` is a client.
    pub entity_name: String,
    /// What kind of change it is.
    pub change_type: ChangeKind,
    /// The records that changed in the same way.
    pub record_ids: Vec<String>,
    /// When, in milliseconds since 1970.
    pub commit_timestamp: i64,
    /// A number that rises with every commit.
    pub commit_number: u64,
    /// Who, by an opaque id.
    pub commit_user: String,
    /// Which transaction.
    pub transaction_key: String,
    /// The place in the transaction.
    pub sequence_number: u64,
    /// The fields that an update touched.
    #[serde(default)]
    pub changed_fields: Vec<String>,
}

/// A change event: its header, and the values of the fields.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeEvent {
    /// The header.
    pub header: ChangeHeader,
    /// The fields.
    pub fields: Map<String, Value>,
}

impl ChangeEvent {
    /// Reads one line of the feed.
    pub fn parse(line: &str) -> Result<Self, MalformedChange> {
        let mut fields: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            MalformedChange(format!("it is no JSON object, as of column {}", error.column()))
        })?;
        let header = fields
            .remove("ChangeEventHeader")
            .ok_or_else(|| MalformedChange("there is no ChangeEventHeader".to_owned()))?;
        let header: ChangeHeader = serde_json::from_value(header)
            .map_err(|error| MalformedChange(format!("ChangeEventHeader: {error}")))?;
        if header.entity_name != "Account" {
            return Err(MalformedChange(format!("{} is no Account", header.entity_name)));
        }
        if header.record_ids.is_empty() {
            return Err(MalformedChange("recordIds is empty".to_owned()));
        }
        Ok(Self { header, fields })
    }
}
