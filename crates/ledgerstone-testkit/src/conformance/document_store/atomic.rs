//! Promise 1: a commit applies all its writes and moves the checkpoint, or does nothing.

use ledgerstone_core::{Commit, DocumentStoreError, Filter};
use serde_json::json;

use super::arrange::{
    Cases, FreshDocuments, at, clients, count, declare, delete, field, found, get_one, must_fail, put, step,
    with_clients, write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        1: a_commit_applies_its_writes_and_moves_the_checkpoint,
        1: a_commit_writes_to_several_collections,
        1: a_refused_document_takes_the_whole_commit_with_it,
        1: a_write_to_an_unknown_generation_takes_the_whole_commit_with_it,
        1: the_last_write_for_a_key_wins,
        1: a_deleted_document_is_nowhere_to_be_found,
    ]
}

/// Promise 1. Rows and checkpoint together.
async fn a_commit_applies_its_writes_and_moves_the_checkpoint(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    assert_eq!(store.checkpoint(&id).await?, None, "a new collection has no checkpoint");
    let writes = vec![put(&id, "1", json!({"name": "Ada"})), put(&id, "2", json!({"name": "Bob"}))];

    store.commit(Commit { writes, checkpoint: Some(step(&id, None, 9)) }).await?;

    assert_eq!(store.checkpoint(&id).await?, Some(at(9)));
    assert_eq!(found(&*store, id.clone(), Filter::All).await?, ["1", "2"]);
    write(&*store, vec![delete(&id, "1")]).await?;
    assert_eq!(store.checkpoint(&id).await?, Some(at(9)), "a commit without a move leaves the checkpoint");
    Ok(())
}

/// Promise 1. A model and what it parked, say.
async fn a_commit_writes_to_several_collections(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let first = with_clients(&*store).await?;
    let mut other = super::arrange::client_definition("first");
    other.id.name = super::arrange::name("$parked");
    declare(&*store, other.clone()).await?;
    let writes = vec![put(&first, "1", json!({})), put(&other.id, "1", json!({"note": "parked"}))];

    store.commit(Commit { writes, checkpoint: Some(step(&first, None, 1)) }).await?;

    assert_eq!(count(&*store, &first, &Filter::All).await?, 1);
    assert_eq!(count(&*store, &other.id, &Filter::eq(field("note"), "parked")).await?, 1);
    assert_eq!(store.checkpoint(&other.id).await?, None, "the checkpoint of another collection moved");
    Ok(())
}

/// Promise 1. The writes before the refused one, and those after it.
async fn a_refused_document_takes_the_whole_commit_with_it(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    write(&*store, vec![put(&id, "1", json!({"name": "Ada"}))]).await?;
    let writes = vec![
        delete(&id, "1"),
        put(&id, "2", json!({"name": "Bob"})),
        put(&id, "3", json!({"version": "three"})),
        put(&id, "4", json!({"name": "Cleo"})),
    ];

    let answer = store.commit(Commit { writes, checkpoint: Some(step(&id, None, 5)) }).await;

    must_fail(
        answer,
        |error| matches!(error, DocumentStoreError::InvalidDocument { key, .. } if key == "3"),
    )?;
    assert_eq!(found(&*store, id.clone(), Filter::All).await?, ["1"]);
    assert_eq!(store.checkpoint(&id).await?, None, "a refused commit moved the checkpoint");
    Ok(())
}

/// Promise 1. Nothing is written to the collections that exist.
async fn a_write_to_an_unknown_generation_takes_the_whole_commit_with_it(
    fresh: FreshDocuments,
) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let writes = vec![put(&id, "1", json!({})), put(&clients("never declared"), "1", json!({}))];

    let answer = store.commit(Commit { writes, checkpoint: Some(step(&id, None, 5)) }).await;

    must_fail(answer, |error| matches!(error, DocumentStoreError::UnknownCollection { .. }))?;
    assert_eq!(count(&*store, &id, &Filter::All).await?, 0);
    let checkpoint_alone = Commit { writes: Vec::new(), checkpoint: Some(step(&clients("never"), None, 5)) };
    must_fail(store.commit(checkpoint_alone).await, |error| {
        matches!(error, DocumentStoreError::UnknownCollection { .. })
    })?;
    assert_eq!(store.checkpoint(&id).await?, None);
    Ok(())
}

/// Promise 1. Writes are applied in their order.
async fn the_last_write_for_a_key_wins(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let writes = vec![
        put(&id, "1", json!({"types": ["bank"]})),
        put(&id, "2", json!({})),
        put(&id, "1", json!({"types": ["shop"]})),
        delete(&id, "2"),
        delete(&id, "3"),
        put(&id, "3", json!({"name": "Cleo"})),
    ];
    write(&*store, writes).await?;
    assert_eq!(found(&*store, id.clone(), Filter::All).await?, ["1", "3"]);
    assert_eq!(found(&*store, id.clone(), Filter::contains(field("types"), "bank")).await?, [""; 0]);
    assert_eq!(found(&*store, id, Filter::contains(field("types"), "shop")).await?, ["1"]);
    Ok(())
}

/// Promise 1. Neither by key nor through any index; deleting what is not there is no failure.
async fn a_deleted_document_is_nowhere_to_be_found(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let ada = json!({"name": "Ada", "types": ["bank"], "labels": ["old"], "version": 3});
    write(&*store, vec![put(&id, "1", ada)]).await?;

    write(&*store, vec![delete(&id, "1"), delete(&id, "never there")]).await?;

    assert_eq!(get_one(&*store, &id, "1").await?, None);
    let mut filters = vec![
        Filter::All,
        Filter::eq(field("name"), "Ada"),
        Filter::contains(field("types"), "bank"),
        Filter::contains(field("labels"), "old"),
        Filter::at_least(field("version"), 0),
    ];
    if store.capabilities().search {
        filters.push(Filter::search("ada"));
    }
    for filter in filters {
        assert_eq!(found(&*store, id.clone(), filter.clone()).await?, [""; 0], "{filter:?}");
        assert_eq!(count(&*store, &id, &filter).await?, 0, "{filter:?}");
    }
    Ok(())
}
