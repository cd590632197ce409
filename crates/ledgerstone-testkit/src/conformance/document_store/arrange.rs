//! What cases declare and write, and how they read it back.

use ledgerstone_core::{
    Alteration, Body, CheckpointMove, Collection, CollectionId, CollectionName, CollectionRef, Commit,
    Definition, DefinitionHash, Document, DocumentKey, DocumentStore, DocumentStoreError, Field, FieldKind,
    FieldName, Filter, InvalidName, LogIdentity, LogPoint, Page, Position, Select, Tenant, TenantScope,
    Write,
};
use serde_json::Value;
use uuid::Uuid;

use super::Documents;
use crate::conformance::case::{Case, CaseError};
use crate::conformance::fresh::Fresh;

pub(super) type FreshDocuments = Fresh<Documents>;
pub(super) type Cases = Vec<Case<Documents>>;
pub(super) type Store = dyn DocumentStore;

/// Takes a name that a case knows to be valid.
#[expect(clippy::expect_used, reason = "the names of the cases are constants")]
fn named<T: for<'a> TryFrom<&'a str, Error = InvalidName>>(text: &str) -> T {
    T::try_from(text).expect("a valid name")
}

pub(super) fn name(text: &str) -> CollectionName {
    named(text)
}

pub(super) fn key(text: &str) -> DocumentKey {
    named(text)
}

pub(super) fn field(text: &str) -> FieldName {
    named(text)
}

#[expect(clippy::expect_used, reason = "the names of the cases are constants")]
pub(super) fn tenant(name: &str) -> Tenant {
    Tenant::new(name).expect("a valid name")
}

/// A generation of the collection `clients`, told apart by its rules.
pub(super) fn clients(rules: &str) -> CollectionId {
    CollectionId { name: name("clients"), definition: DefinitionHash::of(rules.as_bytes()) }
}

pub(super) fn declared(name: &str, kind: FieldKind, indexed: bool, searchable: bool) -> Field {
    Field { name: field(name), kind, indexed, searchable }
}

/// The fields of clients: each kind with an index and most without one.
pub(super) fn client_fields() -> Vec<Field> {
    vec![
        declared("name", FieldKind::Text, true, true),
        declared("note", FieldKind::Text, false, true),
        declared("country", FieldKind::Text, false, false),
        declared("version", FieldKind::Integer, true, false),
        declared("rank", FieldKind::Integer, false, false),
        declared("score", FieldKind::Number, true, false),
        declared("deleted", FieldKind::Boolean, true, false),
        declared("seen", FieldKind::Time, true, false),
        declared("types", FieldKind::TextArray, true, true),
        declared("labels", FieldKind::TextArray, false, false),
    ]
}

pub(super) fn client_definition(rules: &str) -> Definition {
    Definition { id: clients(rules), fields: client_fields() }
}

pub(super) async fn declare(
    store: &Store,
    definition: Definition,
) -> Result<Vec<Collection>, DocumentStoreError> {
    store.alter(vec![Alteration::Declare(definition)]).await
}

/// Declares the first generation of clients, which is live.
pub(super) async fn with_clients(store: &Store) -> Result<CollectionId, DocumentStoreError> {
    declare(store, client_definition("first")).await?;
    Ok(clients("first"))
}

/// The body that stands in this JSON object.
#[expect(clippy::panic, reason = "the bodies of the cases are objects")]
pub(super) fn body(json: Value) -> Body {
    match json {
        Value::Object(body) => body,
        other => panic!("{other} is no object"),
    }
}

pub(super) fn put(collection: &CollectionId, key_text: &str, json: Value) -> Write {
    let tenant = Tenant::default();
    Write { collection: collection.clone(), tenant, key: key(key_text), body: Some(body(json)) }
}

pub(super) fn put_for(of: &Tenant, collection: &CollectionId, key_text: &str, json: Value) -> Write {
    Write { tenant: of.clone(), ..put(collection, key_text, json) }
}

pub(super) fn delete(collection: &CollectionId, key_text: &str) -> Write {
    Write { collection: collection.clone(), tenant: Tenant::default(), key: key(key_text), body: None }
}

pub(super) async fn write(store: &Store, writes: Vec<Write>) -> Result<(), DocumentStoreError> {
    store.commit(Commit { writes, checkpoint: None }).await
}

/// A position of the log that the cases read from.
pub(super) fn at(position: u64) -> LogPoint {
    let log = LogIdentity { id: Uuid::from_u128(7), epoch: 1 };
    LogPoint { log, position: Position(position) }
}

pub(super) fn step(collection: &CollectionId, from: Option<u64>, to: u64) -> CheckpointMove {
    CheckpointMove { collection: collection.clone(), from: from.map(at), to: at(to) }
}

pub(super) async fn get_one(
    store: &Store,
    collection: &CollectionId,
    key_text: &str,
) -> Result<Option<Body>, DocumentStoreError> {
    let found = store.get(&collection.clone().into(), &Tenant::default(), &[key(key_text)]).await?;
    Ok(found.into_iter().next().flatten().map(|document| document.body))
}

/// Reads every page of a selection.
pub(super) async fn all_pages(store: &Store, mut select: Select) -> Result<Vec<Document>, CaseError> {
    let mut documents = Vec::new();
    loop {
        let page: Page = store.query(select.clone()).await?;
        if page.documents.len() > select.size {
            return Err(format!("a page of {} has {} documents", select.size, page.documents.len()).into());
        }
        if page.documents.is_empty() && page.next.is_some() && select.cursor == page.next {
            return Err("the pages do not end".into());
        }
        documents.extend(page.documents);
        match page.next {
            Some(next) => select.cursor = Some(next),
            None => return Ok(documents),
        }
    }
}

pub(super) fn keys(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(|document| document.key.as_str()).collect()
}

/// Reads the keys of the documents that match, in their order.
pub(super) async fn found(
    store: &Store,
    collection: impl Into<CollectionRef>,
    filter: Filter,
) -> Result<Vec<String>, CaseError> {
    let documents = all_pages(store, Select::from(collection).filter(filter)).await?;
    Ok(documents.into_iter().map(|document| document.key.as_str().to_owned()).collect())
}

pub(super) async fn count(
    store: &Store,
    collection: &CollectionId,
    filter: &Filter,
) -> Result<u64, DocumentStoreError> {
    store.count(&collection.clone().into(), &TenantScope::default(), filter).await
}

/// Expects a failure of a certain shape.
pub(super) fn must_fail<T>(
    result: Result<T, DocumentStoreError>,
    shape: impl FnOnce(&DocumentStoreError) -> bool,
) -> Result<(), CaseError> {
    match result {
        Ok(_) => Err("what must be refused was accepted".into()),
        Err(error) if shape(&error) => Ok(()),
        Err(error) => Err(format!("refused, but for another reason: {error:?}").into()),
    }
}
