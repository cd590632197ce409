//! Promise 7: generations stand side by side until one takes the other's place.

use ledgerstone_core::{
    Alteration, CollectionId, CollectionState, Commit, DocumentStoreError, Filter, LogIdentity, LogPoint,
    Select, Tenant,
};
use serde_json::json;

use super::arrange::{
    Cases, FreshDocuments, Store, at, client_definition, clients, count, declare, found, get_one, key,
    must_fail, name, put, step, with_clients, write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        7: the_first_generation_is_live_at_once,
        7: another_generation_is_invisible_until_it_is_promoted,
        7: a_promotion_drops_the_generation_that_was_live,
        7: a_generation_behind_the_live_one_is_not_promoted,
        7: a_generation_of_a_later_epoch_is_promoted_at_any_position,
        7: declaring_again_keeps_the_rows,
        7: other_fields_under_the_same_hash_are_refused,
        7: a_dropped_generation_is_gone,
        7: an_unknown_collection_is_refused_with_the_nearest_name,
    ]
}

async fn fill(store: &Store, id: &CollectionId, key: &str, to: u64) -> Result<(), DocumentStoreError> {
    let writes = vec![put(id, key, json!({"name": key}))];
    store.commit(Commit { writes, checkpoint: Some(step(id, None, to)) }).await
}

fn is_unknown(error: &DocumentStoreError) -> bool {
    matches!(error, DocumentStoreError::UnknownCollection { .. })
}

/// Promise 7. Queries by name read it, empty as it is.
async fn the_first_generation_is_live_at_once(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let collections = declare(&*store, client_definition("first")).await?;
    assert_eq!(collections.len(), 1);
    assert_eq!(collections[0].state, CollectionState::Live);
    assert_eq!(collections[0].definition, client_definition("first"));
    assert_eq!(collections[0].checkpoint, None);
    assert_eq!(found(&*store, name("clients"), Filter::All).await?, [""; 0]);
    fill(&*store, &clients("first"), "1", 3).await?;
    let page = store.query(Select::from(name("clients"))).await?;
    assert_eq!((page.documents.len(), page.checkpoint), (1, Some(at(3))));
    Ok(())
}

/// Promise 7. It is read by its hash only.
async fn another_generation_is_invisible_until_it_is_promoted(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let (first, second) = (with_clients(&*store).await?, clients("second"));
    fill(&*store, &first, "old", 3).await?;
    let collections = declare(&*store, client_definition("second")).await?;
    let state = |id: &CollectionId| {
        collections.iter().find(|one| one.definition.id == *id).map(|one| (one.state, one.checkpoint))
    };
    assert_eq!(state(&first), Some((CollectionState::Live, Some(at(3)))));
    assert_eq!(state(&second), Some((CollectionState::Building, None)));
    fill(&*store, &second, "new", 3).await?;

    assert_eq!(found(&*store, name("clients"), Filter::All).await?, ["old"]);
    assert_eq!(found(&*store, second.clone(), Filter::All).await?, ["new"]);
    let by_name = store.get(&name("clients").into(), &Tenant::default(), &[key("new")]).await?;
    assert_eq!(by_name, [None]);
    store.alter(vec![Alteration::Promote(second.clone())]).await?;
    assert_eq!(found(&*store, name("clients"), Filter::All).await?, ["new"]);
    Ok(())
}

/// Promise 7. One swap; nothing of the old one stays, and promoting the live one changes nothing.
async fn a_promotion_drops_the_generation_that_was_live(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let (first, second) = (with_clients(&*store).await?, clients("second"));
    fill(&*store, &first, "old", 3).await?;
    declare(&*store, client_definition("second")).await?;
    fill(&*store, &second, "new", 5).await?;
    for _ in 0..2 {
        let collections = store.alter(vec![Alteration::Promote(second.clone())]).await?;
        assert_eq!(collections.len(), 1);
        assert_eq!(collections[0].definition.id, second);
        assert_eq!(collections[0].state, CollectionState::Live);
        assert_eq!(collections[0].checkpoint, Some(at(5)));
    }
    must_fail(store.checkpoint(&first).await, is_unknown)?;
    must_fail(write(&*store, vec![put(&first, "late", json!({}))]).await, is_unknown)?;
    declare(&*store, client_definition("first")).await?;
    assert_eq!(count(&*store, &first, &Filter::All).await?, 0, "a generation came back with its old rows");
    assert_eq!(store.checkpoint(&first).await?, None);
    Ok(())
}

/// Promise 7. Whoever reads by name never goes back in time.
async fn a_generation_behind_the_live_one_is_not_promoted(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let (first, second) = (with_clients(&*store).await?, clients("second"));
    fill(&*store, &first, "old", 5).await?;
    declare(&*store, client_definition("second")).await?;
    let refused = |error: &DocumentStoreError| matches!(error, DocumentStoreError::InvalidDefinition(_));
    must_fail(store.alter(vec![Alteration::Promote(second.clone())]).await, refused)?;
    fill(&*store, &second, "new", 4).await?;
    must_fail(store.alter(vec![Alteration::Promote(second.clone())]).await, refused)?;
    assert_eq!(found(&*store, name("clients"), Filter::All).await?, ["old"]);
    store.commit(Commit { writes: Vec::new(), checkpoint: Some(step(&second, Some(4), 5)) }).await?;
    store.alter(vec![Alteration::Promote(second)]).await?;
    must_fail(store.alter(vec![Alteration::Promote(clients("third"))]).await, is_unknown)
}

/// Promise 7. What a restore left behind cannot be caught up with.
async fn a_generation_of_a_later_epoch_is_promoted_at_any_position(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let (first, second) = (with_clients(&*store).await?, clients("second"));
    fill(&*store, &first, "old", 500).await?;
    declare(&*store, client_definition("second")).await?;
    let mut restored = step(&second, None, 4);
    restored.to = LogPoint { log: LogIdentity { epoch: 2, ..restored.to.log }, ..restored.to };
    store.commit(Commit { writes: Vec::new(), checkpoint: Some(restored) }).await?;
    store.alter(vec![Alteration::Promote(second.clone())]).await?;
    assert_eq!(count(&*store, &second, &Filter::All).await?, 0);
    Ok(())
}

/// Promise 7. Whoever starts again declares again.
async fn declaring_again_keeps_the_rows(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    fill(&*store, &id, "1", 3).await?;
    let collections = declare(&*store, client_definition("first")).await?;
    assert_eq!(collections.len(), 1);
    assert_eq!((collections[0].state, collections[0].checkpoint), (CollectionState::Live, Some(at(3))));
    assert_eq!(found(&*store, id, Filter::All).await?, ["1"]);
    Ok(())
}

/// Promise 7. One more, one less, another name, another kind.
async fn other_fields_under_the_same_hash_are_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    fill(&*store, &id, "1", 3).await?;
    let whole = client_definition("first");
    let mut others = vec![whole.clone(), whole.clone(), whole.clone(), whole.clone()];
    others[0].fields.pop();
    others[1].fields[0].name = super::arrange::field("renamed");
    others[2].fields[0].kind = ledgerstone_core::FieldKind::TextArray;
    others[3].fields.push(super::arrange::declared("more", ledgerstone_core::FieldKind::Text, false, false));
    for other in others {
        must_fail(declare(&*store, other).await, |error| {
            matches!(error, DocumentStoreError::InvalidDefinition(_))
        })?;
    }
    assert_eq!(store.alter(Vec::new()).await?[0].definition, whole);
    assert_eq!(found(&*store, id, Filter::All).await?, ["1"]);
    Ok(())
}

/// Promise 7. With its rows and its checkpoint; declared again it is empty.
async fn a_dropped_generation_is_gone(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    fill(&*store, &id, "1", 3).await?;
    assert!(store.alter(vec![Alteration::Drop(id.clone())]).await?.is_empty());
    must_fail(store.query(Select::from(name("clients"))).await, is_unknown)?;
    must_fail(store.checkpoint(&id).await, is_unknown)?;
    must_fail(store.alter(vec![Alteration::Drop(id.clone())]).await, is_unknown)?;
    with_clients(&*store).await?;
    assert_eq!(get_one(&*store, &id, "1").await?, None);
    assert_eq!(store.checkpoint(&id).await?, None);
    fill(&*store, &id, "2", 1).await?;
    assert_eq!(found(&*store, name("clients"), Filter::All).await?, ["2"]);
    Ok(())
}

/// Promise 7. A slip of the pen is recognised.
async fn an_unknown_collection_is_refused_with_the_nearest_name(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    with_clients(&*store).await?;
    let near = |error: &DocumentStoreError| match error {
        DocumentStoreError::UnknownCollection { nearest, .. } => *nearest == Some(name("clients")),
        _ => false,
    };
    must_fail(store.query(Select::from(name("client"))).await, near)?;
    must_fail(store.get(&name("cleints").into(), &Tenant::default(), &[key("1")]).await, near)?;
    must_fail(store.query(Select::from(clients("never declared"))).await, is_unknown)
}
