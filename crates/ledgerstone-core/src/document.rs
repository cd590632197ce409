//! Documents: the rows of read models, the collections they stand in, and their typed fields.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::position::LogPoint;
use crate::tenant::Tenant;
use crate::text::{InvalidName, name_type};

name_type! {
    /// The name of a collection of documents, such as `clients`; `$` begins one of the system.
    CollectionName, "a collection name", 128
}

name_type! {
    /// The key of a document within its tenant and collection.
    DocumentKey, "a document key", 512
}

name_type! {
    /// The name of a declared field: letters, digits and `_`, not beginning with a digit.
    FieldName, "a field name", 64
}

impl FieldName {
    /// Checks and takes the name of a field to declare.
    pub fn declared(text: &str) -> Result<Self, InvalidName> {
        let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !text.chars().all(sound) || text.starts_with(|c: char| c.is_ascii_digit()) {
            let reason = "it may hold letters, digits and _, and not begin with a digit";
            return Err(InvalidName::new("a field name", text, reason));
        }
        Self::new(text)
    }
}

/// The body of a document: a JSON object.
pub type Body = serde_json::Map<String, serde_json::Value>;

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Whose it is.
    #[serde(default, skip_serializing_if = "is_default_tenant", with = "tenant_text")]
    pub tenant: Tenant,
    /// Its key.
    pub key: DocumentKey,
    /// Its fields, declared and other.
    pub body: Body,
}

fn is_default_tenant(tenant: &Tenant) -> bool {
    tenant.as_str().is_empty()
}

mod tenant_text {
    use super::Tenant;

    pub(super) fn serialize<S: serde::Serializer>(tenant: &Tenant, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(tenant.as_str())
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tenant, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Tenant::new(text).map_err(serde::de::Error::custom)
    }
}

/// The type of a declared field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Text, ordered by code point.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A number of double precision.
    Number,
    /// True or false.
    Boolean,
    /// A moment, written with its offset and kept in microseconds.
    Time,
    /// A list of texts, found by its elements.
    TextArray,
}

/// A declared field: it can be filtered by, and fast so if it is indexed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name: a key of the body.
    pub name: FieldName,
    /// Its type; a body with another type in it is refused, a missing value or null is not.
    pub kind: FieldKind,
    /// Whether the backend keeps an index on it.
    #[serde(default)]
    pub indexed: bool,
    /// Whether its words are searched; only for texts and arrays of text.
    #[serde(default)]
    pub searchable: bool,
}

/// The hash of what fills a collection: another hash is another collection of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionHash([u8; 16]);

impl DefinitionHash {
    /// Hashes what defines a read model, in a form that does not change: not its indexes.
    pub fn of(definition: &[u8]) -> Self {
        let digest = Sha256::digest(definition);
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        Self(hash)
    }
}

impl fmt::Display for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for DefinitionHash {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32);
        let number =
            number.ok_or_else(|| InvalidName::new("a definition hash", text, "it is not 32 hex digits"))?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl Serialize for DefinitionHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DefinitionHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One generation of a collection: its name and the hash of what fills it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CollectionId {
    /// The name that queries use.
    pub name: CollectionName,
    /// What fills it.
    pub definition: DefinitionHash,
}

impl fmt::Display for CollectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.definition)
    }
}

/// Which generation of a collection to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CollectionRef {
    /// The live one.
    Live(CollectionName),
    /// A certain one.
    Generation(CollectionId),
}

impl CollectionRef {
    /// Refers to a certain generation of a collection, or to the live one.
    pub fn new(name: CollectionName, definition: Option<DefinitionHash>) -> Self {
        match definition {
            None => Self::Live(name),
            Some(definition) => Self::Generation(CollectionId { name, definition }),
        }
    }

    /// Returns the hash of the generation, if it is a certain one.
    pub fn definition(&self) -> Option<DefinitionHash> {
        match self {
            Self::Live(_) => None,
            Self::Generation(id) => Some(id.definition),
        }
    }

    /// Returns the collection's name.
    pub fn name(&self) -> &CollectionName {
        match self {
            Self::Live(name) => name,
            Self::Generation(id) => &id.name,
        }
    }
}

impl From<CollectionName> for CollectionRef {
    fn from(name: CollectionName) -> Self {
        Self::Live(name)
    }
}

impl From<CollectionId> for CollectionRef {
    fn from(id: CollectionId) -> Self {
        Self::Generation(id)
    }
}

/// What a collection holds: its identity and its declared fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Name and hash.
    pub id: CollectionId,
    /// The declared fields, each name once.
    pub fields: Vec<Field>,
}

impl Definition {
    /// The largest number of declared fields.
    pub const MAX_FIELDS: usize = 128;
}

/// Whether queries see a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CollectionState {
    /// Queries by name read it.
    Live,
    /// It is being filled beside the live one.
    Building,
}

/// A generation as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// What it holds.
    pub definition: Definition,
    /// Whether queries see it.
    pub state: CollectionState,
    /// How far it has been filled.
    pub checkpoint: Option<LogPoint>,
}
