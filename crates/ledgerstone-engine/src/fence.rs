//! The fence of parked keys: of two who change the same parked keys at once, one is refused.

use ledgerstone_core::{
    Alteration, Collection, CollectionId, Definition, DefinitionHash, DocumentKey, DocumentStore,
    DocumentStoreError, Field, FieldKind, FieldName, IdSource, InvalidName, Tenant, Write,
};

use crate::parked::parked_definition;
use crate::read_models::error::ReadModelError;

/// Holds the right to commit beside the parked keys of one generation, until somebody else takes it.
///
/// A replay leaves the checkpoint where it stands, so the compare of the checkpoint alone does not show
/// that another one came first. A fence does: it is an empty generation of the collection of parked keys,
/// and every commit that relies on the stored rows writes into it. Whoever takes the fence drops the one
/// before, so a commit that began behind that one is refused whole. Take it first, then read the rows.
/// It never waits and never expires.
#[derive(Debug, Clone)]
pub(crate) struct Fence {
    of: CollectionId,
    id: CollectionId,
}

impl Fence {
    /// Keeps the fence in `place` if it is of this generation, else takes a new one and leaves it there.
    pub(crate) async fn hold(
        place: &mut Option<Self>,
        documents: &dyn DocumentStore,
        ids: &dyn IdSource,
        of: &CollectionId,
    ) -> Result<Self, ReadModelError> {
        if let Some(held) = place.as_ref().filter(|held| held.of == *of) {
            return Ok(held.clone());
        }
        let taken = Self::take(documents, ids, of).await?;
        *place = Some(taken.clone());
        Ok(taken)
    }

    /// Takes the fence of a generation from whoever holds it.
    async fn take(
        documents: &dyn DocumentStore,
        ids: &dyn IdSource,
        of: &CollectionId,
    ) -> Result<Self, ReadModelError> {
        let mine = definition(of, ids)?;
        let mut others = fences(&documents.alter(Vec::new()).await?, of)?;
        loop {
            let drops = others.into_iter().map(Alteration::Drop);
            let alterations = drops.chain([Alteration::Declare(mine.clone())]).collect();
            let there = match documents.alter(alterations).await {
                Ok(collections) => fences(&collections, of)?,
                // Somebody else dropped one of them first.
                Err(DocumentStoreError::UnknownCollection { .. }) => {
                    fences(&documents.alter(Vec::new()).await?, of)?
                }
                Err(error) => return Err(error.into()),
            };
            if there == [mine.id.clone()] {
                return Ok(Self { of: of.clone(), id: mine.id });
            }
            others = there.into_iter().filter(|id| *id != mine.id).collect();
        }
    }

    /// Returns the write that changes nothing, and that is refused once somebody else has the fence.
    pub(crate) fn write(&self) -> Result<Write, InvalidName> {
        let key = DocumentKey::new("fence")?;
        Ok(Write { collection: self.id.clone(), tenant: Tenant::default(), key, body: None })
    }
}

/// Returns the fences of a generation that stand.
pub(crate) fn fences(
    collections: &[Collection],
    of: &CollectionId,
) -> Result<Vec<CollectionId>, InvalidName> {
    let (parked, field) = (parked_definition()?.id, field(of)?);
    let definitions = collections.iter().map(|collection| &collection.definition);
    let fences = definitions.filter(|one| {
        one.id.name == parked.name && one.fields.first().is_some_and(|first| first.name == field.name)
    });
    Ok(fences.map(|one| one.id.clone()).collect())
}

fn definition(of: &CollectionId, ids: &dyn IdSource) -> Result<Definition, InvalidName> {
    let definition = DefinitionHash::of(ids.next_id().as_bytes());
    let id = CollectionId { name: parked_definition()?.id.name, definition };
    Ok(Definition { id, fields: vec![field(of)?] })
}

/// Names the generation that a fence is of: a store lists nothing else of an empty collection.
fn field(of: &CollectionId) -> Result<Field, InvalidName> {
    let of = DefinitionHash::of([of.name.as_str(), &of.definition.to_string()].join("\u{0}").as_bytes());
    let name = FieldName::declared(&format!("fence_{of}"))?;
    Ok(Field { name, kind: FieldKind::Boolean, indexed: false, searchable: false })
}
