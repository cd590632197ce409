//! Promise 11: what was committed is there after the store was opened again.

use ledgerstone_core::{Commit, Filter};
use serde_json::json;

use super::arrange::{
    Cases, FreshDocuments, at, client_definition, clients, declare, field, found, get_one, put, step,
    with_clients, write,
};
use super::random::{Random, holds, searches};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        11: documents_and_checkpoints_outlive_the_process if |store| store.writer.capabilities().durable,
        11: generations_and_indexes_outlive_the_process if |store| store.writer.capabilities().durable,
    ]
}

/// Promise 11. Rows and checkpoint.
async fn documents_and_checkpoints_outlive_the_process(fresh: FreshDocuments) -> CaseResult {
    let id = with_clients(&*fresh.store.writer).await?;
    let writes = vec![put(&id, "1", json!({"name": "Ada", "types": ["bank"]}))];
    fresh.store.writer.commit(Commit { writes, checkpoint: Some(step(&id, None, 9)) }).await?;

    let fresh = fresh.reopened().await?;

    let store = fresh.store.writer;
    assert_eq!(store.checkpoint(&id).await?, Some(at(9)));
    assert!(get_one(&*store, &id, "1").await?.is_some());
    assert_eq!(found(&*store, id.clone(), Filter::contains(field("types"), "bank")).await?, ["1"]);
    write(&*store, vec![put(&id, "2", json!({"name": "Bob"}))]).await?;
    assert_eq!(found(&*store, id, Filter::All).await?, ["1", "2"]);
    Ok(())
}

/// Promise 11. What is live, what is being built, and how both are indexed.
async fn generations_and_indexes_outlive_the_process(fresh: FreshDocuments) -> CaseResult {
    let writer = &*fresh.store.writer;
    let first = with_clients(writer).await?;
    declare(writer, client_definition("second")).await?;
    let mut bodies = Random::new(11).bodies(40);
    write(writer, bodies.iter().map(|(key, body)| put(&first, key, body.clone().into())).collect()).await?;
    let mut definition = client_definition("first");
    definition.fields.iter_mut().for_each(|field| field.indexed = !field.indexed);
    let before = declare(writer, definition.clone()).await?;

    let fresh = fresh.reopened().await?;

    let store = &*fresh.store.writer;
    assert_eq!(store.alter(Vec::new()).await?, before);
    let more = Random::new(12).bodies(20);
    write(store, more.iter().map(|(key, body)| put(&clients("first"), key, body.clone().into())).collect())
        .await?;
    bodies.extend(more);
    let mut random = Random::new(111);
    for _ in 0..40 {
        let filter = random.filter(1);
        if !store.capabilities().search && searches(&filter) {
            continue;
        }
        let expected: Vec<_> =
            bodies.iter().filter(|(_, body)| holds(&filter, body)).map(|(key, _)| key.clone()).collect();
        assert_eq!(found(store, first.clone(), filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}
