//! The client: what decides which changes make sense.

use ledgerstone::core::Aggregate;
use serde_json::Value;

use super::events::{
    ClientCreated, ClientDeleted, ClientEvent, ClientFields, ClientRestored, ClientUpdated, FeedPlace,
};

/// A client as its events tell it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Client {
    /// Whether it was created.
    pub exists: bool,
    /// Whether it is deleted now.
    pub is_deleted: bool,
    /// What is known about it.
    pub fields: ClientFields,
    /// The newest of the CRM's changes that it has seen.
    pub last: FeedPlace,
}

/// What the CRM says has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientCommand {
    /// It was created.
    Create {
        /// Its id in the CRM.
        salesforce_id: String,
        /// What is known about it.
        fields: ClientFields,
        /// Its place among the CRM's changes.
        place: FeedPlace,
        /// What the CRM sent.
        raw: Value,
    },
    /// Some of its fields changed.
    Update {
        /// Which, and to what.
        changes: ClientFields,
        /// Whether the details were lost.
        gap: bool,
        /// Its place among the CRM's changes.
        place: FeedPlace,
        /// What the CRM sent.
        raw: Value,
    },
    /// It was deleted.
    Delete {
        /// Its place among the CRM's changes.
        place: FeedPlace,
    },
    /// It came back.
    Restore {
        /// Its place among the CRM's changes.
        place: FeedPlace,
    },
}

/// Why a change makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefusal {
    /// There is one already.
    #[error("the client was created before")]
    Exists,
    /// There is none.
    #[error("the client was never created")]
    Missing,
    /// It is deleted.
    #[error("the client is deleted")]
    Deleted,
    /// It is not deleted.
    #[error("the client is not deleted")]
    NotDeleted,
    /// A client needs a name.
    #[error("a client needs a name")]
    Nameless,
}

impl ClientCommand {
    fn place(&self) -> FeedPlace {
        match self {
            Self::Create { place, .. }
            | Self::Update { place, .. }
            | Self::Delete { place }
            | Self::Restore { place } => *place,
        }
    }
}

impl Aggregate for Client {
    type Event = ClientEvent;
    type Command = ClientCommand;
    type Refusal = ClientRefusal;

    const CATEGORY: &'static str = "client";

    fn decide(&self, command: ClientCommand) -> Result<Vec<ClientEvent>, ClientRefusal> {
        // The feed delivers at least once; a change that was seen before changes nothing.
        if self.exists && command.place() <= self.last {
            return Ok(Vec::new());
        }
        match command {
            ClientCommand::Create { salesforce_id, fields, place, raw } => {
                if self.exists {
                    return Err(ClientRefusal::Exists);
                }
                if fields.name.is_none() {
                    return Err(ClientRefusal::Nameless);
                }
                Ok(vec![ClientCreated { salesforce_id, fields, place, raw }.into()])
            }
            ClientCommand::Update { changes, gap, place, raw } => {
                self.check_present()?;
                if changes.is_empty() && !gap {
                    return Ok(Vec::new());
                }
                Ok(vec![ClientUpdated { changes, gap, place, raw }.into()])
            }
            ClientCommand::Delete { place } => {
                self.check_present()?;
                Ok(vec![ClientDeleted { place }.into()])
            }
            ClientCommand::Restore { .. } if !self.exists => Err(ClientRefusal::Missing),
            ClientCommand::Restore { .. } if !self.is_deleted => Err(ClientRefusal::NotDeleted),
            ClientCommand::Restore { place } => Ok(vec![ClientRestored { place }.into()]),
        }
    }

    fn evolve(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::ClientCreated(created) => {
                self.exists = true;
                self.fields = created.fields.clone();
                self.last = created.place;
            }
            ClientEvent::ClientUpdated(updated) => {
                self.fields.apply(&updated.changes);
                self.last = updated.place;
            }
            ClientEvent::ClientDeleted(deleted) => {
                self.is_deleted = true;
                self.last = deleted.place;
            }
            ClientEvent::ClientRestored(restored) => {
                self.is_deleted = false;
                self.last = restored.place;
            }
        }
    }
}

impl Client {
    fn check_present(&self) -> Result<(), ClientRefusal> {
        match (self.exists, self.is_deleted) {
            (false, _) => Err(ClientRefusal::Missing),
            (true, true) => Err(ClientRefusal::Deleted),
            (true, false) => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
