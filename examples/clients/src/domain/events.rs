//! What happens to a client.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Somebody hopes.
    Prospect,
    /// Business is done.
    Active,
    /// Business rests.
    OnHold,
    /// It was a client.
    Churned,
}

/// How urgent a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Whenever.
    Low,
    /// Soon.
    Medium,
    /// Now.
    High,
}

/// The fields of a client; in a change, a field that is left out was not touched, and null clears it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientFields {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How urgent it is.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "clearable")]
    pub priority: Option<Option<Priority>>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business_types: Option<Vec<String>>,
    /// Where it is billed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "clearable")]
    pub country: Option<Option<String>>,
    /// Its identity at the production sign-on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "clearable")]
    pub sso_id_production: Option<Option<String>>,
    /// Its identity at the sandbox sign-on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "clearable")]
    pub sso_id_sandbox: Option<Option<String>>,
}

/// Tells a field that was left out from one that was cleared with null.
mod clearable {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::option_option, reason = "left out, cleared, and set are three different things")]
    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    #[expect(clippy::option_option, reason = "left out, cleared, and set are three different things")]
    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(deserializer).map(Some)
    }
}

impl ClientFields {
    /// Tells whether nothing is touched.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Puts the touched fields of `changes` over these.
    pub fn apply(&mut self, changes: &Self) {
        let changes = changes.clone();
        self.name = changes.name.or(self.name.take());
        self.status = changes.status.or(self.status.take());
        self.priority = changes.priority.or(self.priority.take());
        self.business_types = changes.business_types.or(self.business_types.take());
        self.country = changes.country.or(self.country.take());
        self.sso_id_production = changes.sso_id_production.or(self.sso_id_production.take());
        self.sso_id_sandbox = changes.sso_id_sandbox.or(self.sso_id_sandbox.take());
    }
}

/// A place among the CRM's changes: the commit, and the change within its transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedPlace {
    /// The number of the commit.
    pub commit: u64,
    /// The place in its transaction.
    pub sequence: u64,
}

/// A client entered the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientCreated {
    /// Its id in the CRM.
    pub salesforce_id: String,
    /// What is known about it.
    pub fields: ClientFields,
    /// Its place among the CRM's changes.
    pub place: FeedPlace,
    /// What the CRM sent.
    pub raw: Value,
}

/// A client changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientUpdated {
    /// What changed.
    pub changes: ClientFields,
    /// Whether the CRM lost the details: something changed, and nobody knows what.
    #[serde(default)]
    pub gap: bool,
    /// Its place among the CRM's changes.
    pub place: FeedPlace,
    /// What the CRM sent.
    pub raw: Value,
}

/// A client was deleted in the CRM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientDeleted {
    /// Its place among the CRM's changes.
    pub place: FeedPlace,
}

/// A deleted client came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientRestored {
    /// Its place among the CRM's changes.
    pub place: FeedPlace,
}

ledgerstone::domain_events! {
    /// What happens to a client.
    pub enum ClientEvent {
        /// It entered the directory.
        ClientCreated = "ClientCreated" v1,
        /// It changed.
        ClientUpdated = "ClientUpdated" v1,
        /// It was deleted.
        ClientDeleted = "ClientDeleted" v1,
        /// It came back.
        ClientRestored = "ClientRestored" v1,
    }
}
