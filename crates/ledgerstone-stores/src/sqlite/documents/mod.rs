//! The documents of read models in SQLite: a table with real indexes for each generation.

mod catalogue;
mod condition;
mod epoch;
mod layout;
mod pages;
#[cfg(test)]
mod plan_tests;
mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use ledgerstone_core::{
    Alteration, BackendError, CheckpointMove, Collection, CollectionId, CollectionRef, Commit, Document,
    DocumentCapabilities, DocumentKey, DocumentStore, DocumentStoreError, ErrorKind, Filter, LogPoint, Page,
    Select, Tenant, TenantScope,
};
use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior, params};

pub(crate) use self::epoch::{checkpoints, follow_epoch};

use self::catalogue::{Catalogue, Generation};
use self::condition::Condition;
use self::rows::ReadyWrite;
use crate::ownership::only_read;
use crate::sqlite::database::Database;
use crate::sqlite::failure::{BACKEND, failed};

const CAPABILITIES: DocumentCapabilities = DocumentCapabilities::full(BACKEND, true);

/// Keeps documents in an SQLite database, in the same file as the events or in one of their own.
#[derive(Debug, Clone)]
pub struct SqliteDocuments {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Arc<Database>,
    /// Nothing after it was closed.
    writer: Mutex<Option<Connection>>,
    catalogue: Catalogue,
}

impl SqliteDocuments {
    /// Opens the documents of a database; it blocks.
    pub(crate) fn open(database: Arc<Database>) -> Result<Self, BackendError> {
        /// Room for the statements of a few dozen generations and the columns that change together.
        const STATEMENTS: usize = 512;
        let writer = if database.is_read_only() { None } else { Some(database.writer()?) };
        if let Some(writer) = &writer {
            writer.set_prepared_statement_cache_capacity(STATEMENTS);
        }
        let (writer, catalogue) = (Mutex::new(writer), Catalogue::default());
        Ok(Self { inner: Arc::new(Inner { database, writer, catalogue }) })
    }

    /// Waits for the commit that is under way, if any, and refuses those that come later; it blocks.
    pub(crate) fn close(&self) {
        self.inner.writer.lock().take();
    }

    /// Runs `work` with the writing connection where it may block.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Inner, &mut Connection) -> Result<T, DocumentStoreError> + Send + 'static,
    ) -> Result<T, DocumentStoreError> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::task::spawn_blocking(move || {
            let mut writer = inner.writer.lock();
            let is_read_only = inner.database.is_read_only();
            let closed = || match is_read_only {
                true => only_read(BACKEND, operation),
                false => {
                    BackendError::new(ErrorKind::Unavailable, BACKEND, operation, "the store was closed")
                }
            };
            work(&inner, writer.as_mut().ok_or_else(closed)?)
        });
        task.await.unwrap_or_else(|error| {
            let message = format!("the writer ended: {error}");
            Err(BackendError::new(ErrorKind::Internal, BACKEND, operation, message).into())
        })
    }

    /// Runs `work` on one snapshot with the generation that was asked for.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        collection: CollectionRef,
        work: impl FnOnce(&Connection, Generation) -> Result<T, DocumentStoreError> + Send + 'static,
    ) -> Result<T, DocumentStoreError> {
        let inner = Arc::clone(&self.inner);
        let read = move |connection: &Connection| {
            let snapshot = connection.unchecked_transaction().map_err(failed(operation))?;
            let generation = inner.catalogue.find(&snapshot, &collection)?;
            work(&snapshot, generation)
        };
        self.inner.database.read(operation, read).await
    }
}

#[async_trait]
impl DocumentStore for SqliteDocuments {
    fn capabilities(&self) -> DocumentCapabilities {
        CAPABILITIES
    }

    async fn alter(&self, alterations: Vec<Alteration>) -> Result<Vec<Collection>, DocumentStoreError> {
        if alterations.is_empty() {
            let inner = Arc::clone(&self.inner);
            let list = move |connection: &Connection| inner.catalogue.list(connection);
            return self.inner.database.read("list collections", list).await;
        }
        let alter = move |inner: &Inner, writer: &mut Connection| {
            let altered = alter(inner, writer, &alterations);
            inner.catalogue.forget();
            altered
        };
        self.write("alter", alter).await
    }

    async fn get(
        &self,
        collection: &CollectionRef,
        tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, DocumentStoreError> {
        CAPABILITIES.check_keys(keys)?;
        let (tenant, keys) = (tenant.clone(), keys.to_vec());
        let get = move |connection: &Connection, generation: Generation| {
            Ok(pages::get(connection, &generation.layout, &tenant, &keys)?)
        };
        self.read("get", collection.clone(), get).await
    }

    async fn query(&self, select: Select) -> Result<Page, DocumentStoreError> {
        let collection = select.collection.clone();
        let query = move |connection: &Connection, generation: Generation| {
            let layout = &generation.layout;
            let checked = select.check(&layout.definition, &CAPABILITIES)?;
            let (documents, next) = pages::page(connection, layout, &select.tenant, &checked)?;
            Ok(Page { documents, next, checkpoint: generation.checkpoint })
        };
        self.read("query", collection, query).await
    }

    async fn count(
        &self,
        collection: &CollectionRef,
        tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, DocumentStoreError> {
        let (tenant, filter) = (tenant.clone(), filter.clone());
        let count = move |connection: &Connection, generation: Generation| {
            let layout = &generation.layout;
            let filter = filter.check(&layout.definition.fields)?;
            Ok(pages::count(connection, layout, &Condition::new(layout, &tenant, &filter))?)
        };
        self.read("count", collection.clone(), count).await
    }

    async fn checkpoint(&self, collection: &CollectionId) -> Result<Option<LogPoint>, DocumentStoreError> {
        self.read("checkpoint", collection.clone().into(), |_, generation| Ok(generation.checkpoint)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), DocumentStoreError> {
        commit.check(&CAPABILITIES)?;
        self.write("commit", move |inner, writer| apply(inner, writer, &commit)).await
    }
}

fn alter(
    inner: &Inner,
    writer: &mut Connection,
    alterations: &[Alteration],
) -> Result<Vec<Collection>, DocumentStoreError> {
    let _gate = inner.database.gate();
    let transaction =
        writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("alter"))?;
    for alteration in alterations {
        inner.catalogue.alter(&transaction, alteration)?;
    }
    let collections = inner.catalogue.list(&transaction)?;
    transaction.commit().map_err(failed("alter"))?;
    Ok(collections)
}

/// Applies a commit; what can be made ready is, before the gate closes behind it.
fn apply(inner: &Inner, writer: &mut Connection, commit: &Commit) -> Result<(), DocumentStoreError> {
    let mut generations: Vec<Generation> = Vec::new();
    let mut places = Vec::with_capacity(commit.writes.len());
    for write in &commit.writes {
        let known = generations.iter().position(|one| one.layout.definition.id == write.collection);
        places.push(match known {
            Some(place) => place,
            None => {
                generations.push(inner.catalogue.find(writer, &write.collection.clone().into())?);
                generations.len() - 1
            }
        });
    }
    let writes = commit.writes.iter().zip(places);
    let ready =
        writes.map(|(write, place)| ReadyWrite::new(&generations[place].layout, write, &CAPABILITIES));
    let ready: Vec<_> = ready.collect::<Result<_, _>>()?;
    let _gate = inner.database.gate();
    let transaction =
        writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed("commit"))?;
    if let Some(step) = &commit.checkpoint {
        move_checkpoint(&inner.catalogue, &transaction, step)?;
    }
    for write in &ready {
        write.apply(&transaction).map_err(failed("commit"))?;
    }
    Ok(transaction.commit().map_err(failed("commit"))?)
}

fn move_checkpoint(
    catalogue: &Catalogue,
    connection: &Connection,
    step: &CheckpointMove,
) -> Result<(), DocumentStoreError> {
    let generation = catalogue.find(connection, &step.collection.clone().into())?;
    if generation.checkpoint != step.from {
        return Err(DocumentStoreError::CheckpointMoved {
            collection: step.collection.clone(),
            expected: step.from,
            actual: generation.checkpoint,
        });
    }
    let sql = "UPDATE document_collections SET checkpoint = ?2 WHERE number = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed("commit"))?;
    let moved = params![generation.layout.number, step.to.to_string()];
    Ok(statement.execute(moved).map(|_| ()).map_err(failed("commit"))?)
}
