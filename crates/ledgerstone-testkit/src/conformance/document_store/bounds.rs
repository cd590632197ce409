//! Promise 8: what is above a limit that the store declares is refused.

use ledgerstone_core::{DocumentStoreError, Filter, Select, Tenant};
use serde_json::json;

use super::arrange::{Cases, FreshDocuments, count, field, key, must_fail, put, with_clients, write};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn writing_cases() -> Cases {
    cases![
        8: a_document_above_the_limit_is_refused,
        8: a_commit_above_the_limit_is_refused,
    ]
}

pub(super) fn reading_cases() -> Cases {
    cases![
        8: a_page_outside_its_limits_is_refused,
        8: a_filter_above_its_limits_is_refused,
    ]
}

/// Promise 8. One at the limit is taken.
async fn a_document_above_the_limit_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let limit = store.capabilities().document_bytes;
    let sized = |size: usize| put(&id, "1", json!({ "x": "x".repeat(size - r#"{"x":""}"#.len()) }));
    let refused = |error: &DocumentStoreError| matches!(error, DocumentStoreError::InvalidDocument { .. });
    must_fail(write(&*store, vec![sized(limit + 1)]).await, refused)?;
    assert_eq!(count(&*store, &id, &Filter::All).await?, 0);
    Ok(write(&*store, vec![sized(limit)]).await?)
}

/// Promise 8. One at the limit is taken.
async fn a_commit_above_the_limit_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let limit = store.capabilities().commit_writes;
    let writes = |number: usize| (0..number).map(|at| put(&id, &(at % 100).to_string(), json!({}))).collect();
    must_fail(write(&*store, writes(limit + 1)).await, |error| {
        error.kind() == ledgerstone_core::ErrorKind::Invalid
    })?;
    assert_eq!(count(&*store, &id, &Filter::All).await?, 0);
    write(&*store, writes(limit)).await?;
    assert_eq!(count(&*store, &id, &Filter::All).await?, 100);
    let keys: Vec<_> = (0..=limit).map(|at| key(&at.to_string())).collect();
    must_fail(store.get(&id.into(), &Tenant::default(), &keys).await, |error| {
        matches!(error, DocumentStoreError::InvalidSelect(_))
    })
}

/// Promise 8. Neither none nor too many.
async fn a_page_outside_its_limits_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let limit = store.reader.capabilities().page_size;
    let refused = |error: &DocumentStoreError| matches!(error, DocumentStoreError::InvalidPage { .. });
    for size in [0, limit + 1, usize::MAX] {
        must_fail(store.reader.query(Select::from(id.clone()).size(size)).await, refused)?;
    }
    let writes = (0..=limit).map(|at| put(&id, &format!("{at:05}"), json!({})));
    for chunk in writes.collect::<Vec<_>>().chunks(store.writer.capabilities().commit_writes) {
        write(&*store.writer, chunk.to_vec()).await?;
    }
    let page = store.reader.query(Select::from(id).size(limit)).await?;
    assert_eq!(page.documents.len(), limit);
    assert!(page.next.is_some(), "a page that leaves one out has no cursor");
    Ok(())
}

/// Promise 8. Values, parts, depth, words, and steps of an order.
async fn a_filter_above_its_limits_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let deep = (0..Filter::MAX_DEPTH).fold(Filter::All, |filter, _| filter.negated());
    let words: Vec<_> = (0..=Filter::MAX_WORDS).map(|at| format!("w{at}")).collect();
    let refused = |error: &DocumentStoreError| matches!(error, DocumentStoreError::InvalidSelect(_));
    for filter in [
        Filter::any_of(field("version"), 0..=Filter::MAX_VALUES),
        Filter::And(vec![Filter::All; Filter::MAX_NODES]),
        deep,
        Filter::search(words.join(" ")),
    ] {
        must_fail(store.reader.query(Select::from(id.clone()).filter(filter)).await, refused)?;
    }
    let steps =
        (0..=Select::MAX_ORDER).fold(Select::from(id), |select, _| select.order_by(field("name"), false));
    must_fail(store.reader.query(steps).await, refused)
}
