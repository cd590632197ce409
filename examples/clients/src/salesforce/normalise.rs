//! Normalisation: from the CRM's words to the domain's, with a note of what was checked.

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::change_event::{ChangeEvent, ChangeKind, MalformedChange};
use crate::domain::{ClientCommand, ClientFields, FeedPlace};

/// A change in the domain's words, for one client.
#[derive(Debug, Clone)]
pub struct NormalisedChange {
    /// The client's id: its id in the CRM.
    pub client: String,
    /// What happened.
    pub command: ClientCommand,
    /// What was checked, and what was odd but tolerated.
    pub validation: Box<RawValue>,
    /// What belongs together in the CRM.
    pub transaction: String,
    /// Who did it.
    pub actor: String,
    /// When, in microseconds since 1970.
    pub occurred_micros: i64,
}

/// Normalises a change event: one change for each record that it names.
pub fn normalise(change: &ChangeEvent) -> Result<Vec<NormalisedChange>, MalformedChange> {
    let header = &change.header;
    let touched: Vec<&str> = match header.change_type {
        ChangeKind::Update => header.changed_fields.iter().map(String::as_str).collect(),
        _ => change.fields.keys().map(String::as_str).collect(),
    };
    let mut fields = ClientFields::default();
    let mut ignored = Vec::new();
    for name in touched {
        let value = change.fields.get(name).unwrap_or(&Value::Null);
        if !set_field(&mut fields, name, value)? {
            ignored.push(name);
        }
    }
    let gap = matches!(header.change_type, ChangeKind::GapUpdate | ChangeKind::GapCreate);
    let validation = json!({ "validator": "salesforce/1", "ignored_fields": ignored, "gap": gap });
    let validation = to_raw_value(&validation).map_err(|error| MalformedChange(error.to_string()))?;
    let raw = Value::Object(change.fields.clone());
    let place = FeedPlace { commit: header.commit_number, sequence: header.sequence_number };
    let command = |client: &str| match header.change_type {
        ChangeKind::Create | ChangeKind::GapCreate => ClientCommand::Create {
            salesforce_id: client.to_owned(),
            fields: fields.clone(),
            place,
            raw: raw.clone(),
        },
        ChangeKind::Update | ChangeKind::GapUpdate => {
            ClientCommand::Update { changes: fields.clone(), gap, place, raw: raw.clone() }
        }
        ChangeKind::Delete | ChangeKind::GapDelete => ClientCommand::Delete { place },
        ChangeKind::Undelete | ChangeKind::GapUndelete => ClientCommand::Restore { place },
    };
    let changes = header.record_ids.iter().map(|client| NormalisedChange {
        client: client.clone(),
        command: command(client),
        validation: validation.clone(),
        transaction: header.transaction_key.clone(),
        actor: header.commit_user.clone(),
        occurred_micros: header.commit_timestamp.saturating_mul(1_000),
    });
    Ok(changes.collect())
}

/// Sets one field by the CRM's name for it; `false` if the directory has no such field.
fn set_field(fields: &mut ClientFields, name: &str, value: &Value) -> Result<bool, MalformedChange> {
    match name {
        "Name" => {
            let text = text(name, value)?.filter(|text| !text.trim().is_empty());
            fields.name = Some(text.ok_or_else(|| malformed(name, "is empty"))?);
        }
        "Status__c" => fields.status = Some(choice(name, value)?),
        "Priority__c" if value.is_null() => fields.priority = Some(None),
        "Priority__c" => fields.priority = Some(Some(choice(name, value)?)),
        "Business_Types__c" => {
            let text = text(name, value)?.unwrap_or_default();
            let types = text.split(';').map(str::trim).filter(|part| !part.is_empty());
            fields.business_types = Some(types.map(str::to_owned).collect());
        }
        "BillingCountry" => fields.country = Some(text(name, value)?),
        "SSO_Id_Production__c" => fields.sso_id_production = Some(text(name, value)?),
        "SSO_Id_Sandbox__c" => fields.sso_id_sandbox = Some(text(name, value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn text(name: &str, value: &Value) -> Result<Option<String>, MalformedChange> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(malformed(name, "is no text")),
    }
}

fn choice<T: serde::de::DeserializeOwned>(name: &str, value: &Value) -> Result<T, MalformedChange> {
    serde_json::from_value(value.clone()).map_err(|error| malformed(name, &error.to_string()))
}

fn malformed(name: &str, reason: &str) -> MalformedChange {
    MalformedChange(format!("{name} {reason}"))
}
