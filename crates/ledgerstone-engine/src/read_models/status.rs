//! How a read model stands: what it holds, how far it has come, and what holds it up.

use std::time::Duration;

use ledgerstone_core::{CollectionName, DefinitionHash, Field, LogPoint, Position};
use serde::Serialize;

/// Where the rules of a read model come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Every store has it.
    BuiltIn,
    /// The program registered it.
    Code,
    /// It was declared in TOML.
    Declared,
    /// It stands in the store, but nobody here knows its rules.
    Unknown,
}

/// What a read model is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadModelState {
    /// It follows the log.
    Live,
    /// It answers, and another generation of it is being filled beside it.
    Building,
    /// Somebody paused it.
    Paused,
    /// It stopped, and a person must mend something.
    Stopped,
    /// Nothing of the log has reached it yet, or nobody here feeds it.
    Unfed,
}

/// A generation that is being filled beside the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BuildingStatus {
    /// The hash of its definition.
    pub definition: DefinitionHash,
    /// How far it has been filled.
    pub position: Position,
}

/// How a read model stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReadModelStatus {
    /// Its name.
    pub name: CollectionName,
    /// What its author says that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its rules come from.
    pub origin: Origin,
    /// What it is doing.
    pub state: ReadModelState,
    /// The hash of the definition that queries read; nothing if it could not be set up.
    pub definition: Option<DefinitionHash>,
    /// The declared fields.
    pub fields: Vec<Field>,
    /// How far it has been filled.
    pub checkpoint: Option<LogPoint>,
    /// The head of the log.
    pub head: Position,
    /// How many events it is behind: head minus checkpoint.
    pub lag: u64,
    /// How long ago the oldest event that it has still to read was recorded.
    #[serde(rename = "age_seconds", serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub age: Option<Duration>,
    /// How many keys are parked.
    pub parked: u64,
    /// Whether somebody paused it.
    pub paused: bool,
    /// Why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The last failure, which it goes on trying to overcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The generation that is being filled beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub building: Option<BuildingStatus>,
}

fn seconds<S: serde::Serializer>(age: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(age.unwrap_or_default().as_secs_f64())
}

/// What a declaration led to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeclaredInfo {
    /// The read model's name.
    pub name: CollectionName,
    /// The hash of its rules.
    pub definition: DefinitionHash,
    /// The declared fields.
    pub fields: Vec<Field>,
    /// Whether the declaration is new, and not word for word the one that stood.
    pub recorded: bool,
    /// Whether another generation must be filled beside the live one.
    pub rebuilding: bool,
}
