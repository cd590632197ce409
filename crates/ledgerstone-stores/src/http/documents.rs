//! The documents of a ledgerstone server, read over HTTP; its projectors write them.

use std::sync::Arc;

use async_trait::async_trait;
use ledgerstone_core::{
    Alteration, BackendError, Collection, CollectionId, CollectionRef, Commit, Document,
    DocumentCapabilities, DocumentKey, DocumentPageJson, DocumentStore, DocumentStoreError, ErrorKind,
    Filter, KeysJson, LogPoint, Page, Select, SelectJson, Tenant, TenantScope, nearest,
};
use serde::Deserialize;

use crate::connection::{BACKEND, CallError, Connection, percent_encode};
use crate::http::every_tenant;

/// The document store of a ledgerstone server: its reading half.
#[derive(Debug, Clone)]
pub struct HttpDocuments {
    connection: Arc<Connection>,
    capabilities: DocumentCapabilities,
}

#[derive(Deserialize)]
struct Catalogue {
    collections: Vec<Collection>,
}

#[derive(Deserialize)]
struct Documents {
    documents: Vec<Option<Document>>,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

impl HttpDocuments {
    pub(crate) fn new(connection: Arc<Connection>, capabilities: DocumentCapabilities) -> Self {
        Self { connection, capabilities }
    }

    async fn collections(&self) -> Result<Vec<Collection>, DocumentStoreError> {
        let answer: Catalogue = self.connection.get("list collections", "/v1/collections", None).await?;
        Ok(answer.collections)
    }
}

#[async_trait]
impl DocumentStore for HttpDocuments {
    fn capabilities(&self) -> DocumentCapabilities {
        self.capabilities
    }

    async fn alter(&self, alterations: Vec<Alteration>) -> Result<Vec<Collection>, DocumentStoreError> {
        if !alterations.is_empty() {
            return Err(read_only("alter collections").into());
        }
        self.collections().await
    }

    async fn get(
        &self,
        collection: &CollectionRef,
        tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, DocumentStoreError> {
        const GET: &str = "get documents";
        let path = path(collection, "documents/get");
        let mut documents = Vec::with_capacity(keys.len());
        let mut rest = keys;
        // An empty request goes out too: it tells whether the collection is there.
        loop {
            let (some, after) = rest.split_at(rest.len().min(self.capabilities.page_size.max(1)));
            let asked = KeysJson { definition: collection.definition(), keys: some.to_vec() };
            let answer = self.connection.post::<Documents>(GET, &path, tenant, &asked).await;
            documents.extend(answer.map_err(|error| failure(error, GET))?.documents);
            rest = after;
            if rest.is_empty() {
                return Ok(documents);
            }
        }
    }

    async fn query(&self, select: Select) -> Result<Page, DocumentStoreError> {
        const QUERY: &str = "query documents";
        let TenantScope::One(tenant) = &select.tenant else { return Err(every_tenant(QUERY).into()) };
        let path = path(&select.collection, "query");
        let asked = SelectJson::from_select(&select);
        let answer = self.connection.post::<DocumentPageJson>(QUERY, &path, tenant, &asked).await;
        Ok(answer.map_err(|error| failure(error, QUERY))?.into())
    }

    async fn count(
        &self,
        collection: &CollectionRef,
        tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, DocumentStoreError> {
        const COUNT: &str = "count documents";
        let TenantScope::One(tenant) = tenant else { return Err(every_tenant(COUNT).into()) };
        let asked = SelectJson {
            definition: collection.definition(),
            filter: filter.clone(),
            ..SelectJson::default()
        };
        let answer = self.connection.post::<Count>(COUNT, &path(collection, "count"), tenant, &asked).await;
        Ok(answer.map_err(|error| failure(error, COUNT))?.count)
    }

    async fn checkpoint(&self, collection: &CollectionId) -> Result<Option<LogPoint>, DocumentStoreError> {
        let collections = self.collections().await?;
        match collections.iter().find(|found| found.definition.id == *collection) {
            Some(found) => Ok(found.checkpoint),
            None => {
                let names = collections.iter().map(|found| &found.definition.id.name);
                let near = nearest(collection.name.as_str(), names);
                Err(DocumentStoreError::UnknownCollection {
                    name: collection.to_string(),
                    nearest: near.filter(|near| **near != collection.name).cloned(),
                })
            }
        }
    }

    async fn commit(&self, _commit: Commit) -> Result<(), DocumentStoreError> {
        Err(read_only("commit documents").into())
    }
}

fn path(collection: &CollectionRef, what: &str) -> String {
    format!("/v1/read-models/{}/{what}", percent_encode(collection.name().as_str()))
}

fn failure(error: CallError, operation: &'static str) -> DocumentStoreError {
    match error {
        CallError::Problem(problem) => problem.into_document_store_error(operation),
        CallError::Broken(error) => error.into(),
    }
}

fn read_only(operation: &'static str) -> BackendError {
    let message = "a server's documents are written by its own projectors; declare a read model there";
    BackendError::new(ErrorKind::Unsupported, BACKEND, operation, message)
}
