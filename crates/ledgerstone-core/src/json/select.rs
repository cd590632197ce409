//! Questions to read models as JSON, and the pages that answer them: the shapes of the HTTP interface.

use serde::{Deserialize, Serialize};

use crate::document::{CollectionName, CollectionRef, DefinitionHash, Document, DocumentKey};
use crate::document_store::{DocumentCapabilities, Page, Select};
use crate::filter::{Filter, OrderBy};
use crate::json::object;
use crate::position::LogPoint;
use crate::tenant::TenantScope;

/// Which documents to read, as JSON; the collection's name and the tenant stand beside it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SelectJson {
    /// A certain generation; nothing means the live one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionHash>,
    /// Which.
    pub filter: Filter,
    /// In which order; the key breaks ties.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "object::list")]
    pub order: Vec<OrderBy>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Where an earlier page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl SelectJson {
    /// Describes a selection of documents.
    pub fn from_select(select: &Select) -> Self {
        Self {
            definition: select.collection.definition(),
            filter: select.filter.clone(),
            order: select.order.clone(),
            size: Some(select.size),
            cursor: select.cursor.clone(),
        }
    }

    /// Makes the selection of documents of a collection.
    pub fn into_select(self, name: CollectionName, tenant: TenantScope) -> Select {
        Select {
            collection: CollectionRef::new(name, self.definition),
            tenant,
            filter: self.filter,
            order: self.order,
            size: self.size.unwrap_or(Select::DEFAULT_SIZE),
            cursor: self.cursor,
        }
    }
}

/// Which documents to read by key, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysJson {
    /// A certain generation; nothing means the live one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionHash>,
    /// The keys.
    pub keys: Vec<DocumentKey>,
}

/// A page of documents as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentPageJson {
    /// The documents.
    pub documents: Vec<Document>,
    /// Where the next page begins, if there may be one.
    #[serde(default)]
    pub next: Option<String>,
    /// How far the collection had been filled.
    #[serde(default)]
    pub checkpoint: Option<LogPoint>,
}

impl From<Page> for DocumentPageJson {
    fn from(page: Page) -> Self {
        Self { documents: page.documents, next: page.next, checkpoint: page.checkpoint }
    }
}

impl From<DocumentPageJson> for Page {
    fn from(page: DocumentPageJson) -> Self {
        Self { documents: page.documents, next: page.next, checkpoint: page.checkpoint }
    }
}

/// What a document store can do, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentCapabilitiesJson {
    /// The name of the technology.
    pub backend: String,
    /// Whether what is committed outlives the machine's power.
    pub durable: bool,
    /// Whether it searches words.
    pub search: bool,
    /// The largest page.
    pub page_size: usize,
    /// The largest document in bytes of JSON.
    pub document_bytes: usize,
    /// The largest number of writes in a commit.
    pub commit_writes: usize,
}

impl DocumentCapabilitiesJson {
    /// Describes capabilities.
    pub fn from_capabilities(capabilities: &DocumentCapabilities) -> Self {
        Self {
            backend: capabilities.backend.to_owned(),
            durable: capabilities.durable,
            search: capabilities.search,
            page_size: capabilities.page_size,
            document_bytes: capabilities.document_bytes,
            commit_writes: capabilities.commit_writes,
        }
    }

    /// Makes the capabilities of a client of the store, which only reads.
    pub fn to_capabilities(&self) -> DocumentCapabilities {
        DocumentCapabilities {
            backend: "http",
            durable: self.durable,
            writable: false,
            search: self.search,
            page_size: self.page_size,
            document_bytes: self.document_bytes,
            commit_writes: self.commit_writes,
        }
    }
}
