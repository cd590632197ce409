//! The documents of read models in memory: the reference that says what every document store has to do.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use ledgerstone_core::{
    Alteration, Body, CheckedSelect, Collection, CollectionId, CollectionRef, CollectionState, Commit,
    Definition, Document, DocumentCapabilities, DocumentKey, DocumentStore, DocumentStoreError, FieldValue,
    Filter, LogPoint, Page, PageEnd, Select, Tenant, TenantScope,
};
use parking_lot::RwLock;

/// Keeps documents in memory until it is dropped; every query looks at every document.
#[derive(Debug, Default)]
pub struct MemoryDocuments {
    generations: RwLock<Generations>,
}

type Generations = BTreeMap<CollectionId, Generation>;
type Rows = BTreeMap<Tenant, BTreeMap<DocumentKey, Row>>;

#[derive(Debug, Clone)]
struct Generation {
    collection: Collection,
    /// Shared, so that alterations can be tried on a copy of everything.
    rows: Arc<Rows>,
}

#[derive(Debug, Clone)]
struct Row {
    body: Body,
    values: Vec<FieldValue>,
}

const CAPABILITIES: DocumentCapabilities = DocumentCapabilities::full("memory", false);

#[async_trait]
impl DocumentStore for MemoryDocuments {
    fn capabilities(&self) -> DocumentCapabilities {
        CAPABILITIES
    }

    async fn alter(&self, alterations: Vec<Alteration>) -> Result<Vec<Collection>, DocumentStoreError> {
        let mut generations = self.generations.write();
        let mut altered = generations.clone();
        for alteration in alterations {
            match alteration {
                Alteration::Declare(definition) => declare(&mut altered, definition)?,
                Alteration::Promote(id) => promote(&mut altered, &id)?,
                Alteration::Drop(id) => {
                    find(&altered, &id.clone().into())?;
                    altered.remove(&id);
                }
            }
        }
        *generations = altered;
        Ok(generations.values().map(|generation| generation.collection.clone()).collect())
    }

    async fn get(
        &self,
        collection: &CollectionRef,
        tenant: &Tenant,
        keys: &[DocumentKey],
    ) -> Result<Vec<Option<Document>>, DocumentStoreError> {
        CAPABILITIES.check_keys(keys)?;
        let generations = self.generations.read();
        let rows = find(&generations, collection)?.rows.get(tenant);
        let read = |key| rows.and_then(|rows| rows.get(key)).map(|row| document(tenant, key, row));
        Ok(keys.iter().map(read).collect())
    }

    async fn query(&self, select: Select) -> Result<Page, DocumentStoreError> {
        let generations = self.generations.read();
        let Generation { collection, rows } = find(&generations, &select.collection)?;
        let checked = select.check(&collection.definition, &CAPABILITIES)?;
        let mut found: Vec<_> = in_scope(rows, &select.tenant)
            .filter(|(tenant, key, row)| {
                is_after(&checked, tenant, key, row) && checked.filter.matches(&row.values)
            })
            .collect();
        // The rows come by tenant and key, and a stable sort leaves ties at that.
        found.sort_by(|(_, _, left), (_, _, right)| by_order(&checked, left, right));
        let more = found.len() > checked.size;
        found.truncate(checked.size);
        let next = found
            .last()
            .filter(|_| more)
            .map(|(tenant, key, row)| checked.cursor(&end(&checked, tenant, key, row)));
        let documents = found.into_iter().map(|(tenant, key, row)| document(tenant, key, row)).collect();
        Ok(Page { documents, next, checkpoint: collection.checkpoint })
    }

    async fn count(
        &self,
        collection: &CollectionRef,
        tenant: &TenantScope,
        filter: &Filter,
    ) -> Result<u64, DocumentStoreError> {
        let generations = self.generations.read();
        let Generation { collection, rows } = find(&generations, collection)?;
        let filter = filter.check(&collection.definition.fields)?;
        Ok(in_scope(rows, tenant).filter(|(_, _, row)| filter.matches(&row.values)).count() as u64)
    }

    async fn checkpoint(&self, collection: &CollectionId) -> Result<Option<LogPoint>, DocumentStoreError> {
        let generations = self.generations.read();
        Ok(find(&generations, &collection.clone().into())?.collection.checkpoint)
    }

    async fn commit(&self, commit: Commit) -> Result<(), DocumentStoreError> {
        commit.check(&CAPABILITIES)?;
        let mut generations = self.generations.write();
        let mut rows = Vec::with_capacity(commit.writes.len());
        for write in &commit.writes {
            let definition = &find(&generations, &write.collection.clone().into())?.collection.definition;
            let read = |body| definition.read(&write.tenant, &write.key, body, &CAPABILITIES);
            rows.push(write.body.as_ref().map(read).transpose()?);
        }
        if let Some(step) = commit.checkpoint {
            let collection = &mut find_mut(&mut generations, &step.collection)?.collection;
            if collection.checkpoint != step.from {
                return Err(DocumentStoreError::CheckpointMoved {
                    collection: step.collection,
                    expected: step.from,
                    actual: collection.checkpoint,
                });
            }
            collection.checkpoint = Some(step.to);
        }
        for (write, values) in commit.writes.into_iter().zip(rows) {
            let rows = Arc::make_mut(&mut find_mut(&mut generations, &write.collection)?.rows);
            let rows = rows.entry(write.tenant).or_default();
            match (write.body, values) {
                (Some(body), Some(values)) => rows.insert(write.key, Row { body, values }),
                _ => rows.remove(&write.key),
            };
        }
        Ok(())
    }
}

fn find<'a>(
    generations: &'a Generations,
    asked: &CollectionRef,
) -> Result<&'a Generation, DocumentStoreError> {
    let found = match asked {
        CollectionRef::Generation(id) => generations.get(id),
        CollectionRef::Live(name) => generations.values().find(|generation| {
            generation.collection.state == CollectionState::Live
                && generation.collection.definition.id.name == *name
        }),
    };
    found.ok_or_else(|| {
        let known = generations.values().map(|generation| &generation.collection);
        DocumentStoreError::unknown_collection(asked, known)
    })
}

fn find_mut<'a>(
    generations: &'a mut Generations,
    id: &CollectionId,
) -> Result<&'a mut Generation, DocumentStoreError> {
    find(generations, &id.clone().into())?;
    generations.get_mut(id).ok_or_else(|| DocumentStoreError::unknown_collection(&id.clone().into(), []))
}

fn declare(generations: &mut Generations, definition: Definition) -> Result<(), DocumentStoreError> {
    definition.check()?;
    if let Some(generation) = generations.get_mut(&definition.id) {
        let brought = generation.collection.definition.with_indexes_of(&definition)?;
        generation.collection.definition = brought;
        return Ok(());
    }
    let first = !generations.keys().any(|id| id.name == definition.id.name);
    let state = if first { CollectionState::Live } else { CollectionState::Building };
    let id = definition.id.clone();
    let collection = Collection { definition, state, checkpoint: None };
    generations.insert(id, Generation { collection, rows: Arc::default() });
    Ok(())
}

fn promote(generations: &mut Generations, id: &CollectionId) -> Result<(), DocumentStoreError> {
    let generation = find(generations, &id.clone().into())?;
    if generation.collection.state == CollectionState::Live {
        return Ok(());
    }
    if let Ok(live) = find(generations, &id.name.clone().into()) {
        generation.collection.check_promotion(&live.collection)?;
        let replaced = live.collection.definition.id.clone();
        generations.remove(&replaced);
    }
    find_mut(generations, id)?.collection.state = CollectionState::Live;
    Ok(())
}

/// Yields the rows of the tenants in scope, by tenant and key.
fn in_scope<'a>(
    rows: &'a Rows,
    scope: &'a TenantScope,
) -> impl Iterator<Item = (&'a Tenant, &'a DocumentKey, &'a Row)> {
    let tenants = rows.iter().filter(|(tenant, _)| scope.covers(tenant.as_str()));
    tenants.flat_map(|(tenant, rows)| rows.iter().map(move |(key, row)| (tenant, key, row)))
}

fn by_order(select: &CheckedSelect, left: &Row, right: &Row) -> Ordering {
    let steps =
        select.order.iter().map(|step| step.compare(&left.values[step.field], &right.values[step.field]));
    steps.fold(Ordering::Equal, Ordering::then)
}

fn is_after(select: &CheckedSelect, tenant: &Tenant, key: &DocumentKey, row: &Row) -> bool {
    let Some(after) = &select.after else { return true };
    let steps = select.order.iter().zip(&after.values);
    let ordering = steps.map(|(step, end)| step.compare(&row.values[step.field], end));
    let ordering = ordering.fold(Ordering::Equal, Ordering::then);
    ordering.then_with(|| (tenant, key).cmp(&(&after.tenant, &after.key))).is_gt()
}

fn end(select: &CheckedSelect, tenant: &Tenant, key: &DocumentKey, row: &Row) -> PageEnd {
    let values = select.order.iter().map(|step| row.values[step.field].clone()).collect();
    PageEnd { values, tenant: tenant.clone(), key: key.clone() }
}

fn document(tenant: &Tenant, key: &DocumentKey, row: &Row) -> Document {
    Document { tenant: tenant.clone(), key: key.clone(), body: row.body.clone() }
}
