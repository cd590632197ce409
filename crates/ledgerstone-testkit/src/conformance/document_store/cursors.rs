//! Promise 6: a cursor of another query, or a damaged one, is refused.

use ledgerstone_core::{Commit, DocumentStoreError, Filter, Select};
use serde_json::json;

use super::Documents;
use super::arrange::{
    Cases, FreshDocuments, client_definition, clients, declare, field, keys, must_fail, name, put, put_for,
    step, tenant, with_clients, write,
};
use crate::conformance::case::{CaseError, CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        6: a_cursor_continues_with_another_size_of_page,
        6: a_cursor_of_another_filter_is_refused,
        6: a_cursor_of_another_order_is_refused,
        6: a_cursor_of_another_tenant_is_refused,
        6: a_cursor_of_another_collection_or_generation_is_refused,
        6: a_damaged_cursor_is_refused,
    ]
}

/// Writes ten clients, and returns the first page's selection and its cursor.
async fn first_page(store: &Documents) -> Result<(Select, String), CaseError> {
    let id = with_clients(&*store.writer).await?;
    let document = |at: usize| put(&id, &at.to_string(), json!({"version": at % 3, "name": "Ada"}));
    write(&*store.writer, (0..10).map(document).collect()).await?;
    let filter = Filter::eq(field("name"), "Ada");
    let select = Select::from(name("clients")).filter(filter).order_by(field("version"), false).size(4);
    let page = store.reader.query(select.clone()).await?;
    assert_eq!(keys(&page.documents), ["0", "3", "6", "9"]);
    Ok((select, page.next.ok_or("a page that ends in the middle has no cursor")?))
}

async fn must_be_refused(store: &Documents, select: Select, cursor: &str) -> CaseResult {
    let answer = store.reader.query(select.cursor(Some(cursor.to_owned()))).await;
    must_fail(answer, |error| matches!(error, DocumentStoreError::InvalidCursor(_)))
}

/// Promise 6. The size is no part of the query.
async fn a_cursor_continues_with_another_size_of_page(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (select, cursor) = first_page(&store).await?;
    let page = store.reader.query(select.size(2).cursor(Some(cursor))).await?;
    assert_eq!(keys(&page.documents), ["1", "4"]);
    Ok(())
}

/// Promise 6. However small the difference.
async fn a_cursor_of_another_filter_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (select, cursor) = first_page(&store).await?;
    must_be_refused(&store, select.clone().filter(Filter::All), &cursor).await?;
    must_be_refused(&store, select.clone().filter(Filter::ne(field("name"), "Ada")), &cursor).await?;
    must_be_refused(&store, select.filter(Filter::eq(field("name"), "ada")), &cursor).await
}

/// Promise 6. Fields, directions and steps.
async fn a_cursor_of_another_order_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (select, cursor) = first_page(&store).await?;
    let unordered = Select { order: Vec::new(), ..select.clone() };
    must_be_refused(&store, unordered.clone(), &cursor).await?;
    must_be_refused(&store, unordered.clone().order_by(field("version"), true), &cursor).await?;
    must_be_refused(&store, unordered.order_by(field("rank"), false), &cursor).await?;
    must_be_refused(&store, select.order_by(field("name"), false), &cursor).await
}

/// Promise 6. A cursor tells a key.
async fn a_cursor_of_another_tenant_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (select, cursor) = first_page(&store).await?;
    let other = tenant("other");
    write(
        &*store.writer,
        vec![put_for(&other, &clients("first"), "5", json!({"name": "Ada", "version": 1}))],
    )
    .await?;
    must_be_refused(&store, select.of(ledgerstone_core::TenantScope::One(other)), &cursor).await
}

/// Promise 6. Also after a promotion under the same name.
async fn a_cursor_of_another_collection_or_generation_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (select, cursor) = first_page(&store).await?;
    let second = clients("second");
    let mut elsewhere = client_definition("first");
    elsewhere.id.name = name("users");
    declare(&*store.writer, elsewhere.clone()).await?;
    declare(&*store.writer, client_definition("second")).await?;
    let writes = vec![put(&second, "1", json!({"name": "Ada", "version": 1}))];
    store.writer.commit(Commit { writes, checkpoint: Some(step(&second, None, 1)) }).await?;
    must_be_refused(&store, Select { collection: elsewhere.id.name.into(), ..select.clone() }, &cursor)
        .await?;
    must_be_refused(&store, Select { collection: second.clone().into(), ..select.clone() }, &cursor).await?;
    store.writer.alter(vec![ledgerstone_core::Alteration::Promote(second)]).await?;
    must_be_refused(&store, select, &cursor).await
}

/// Promise 6. Any character of it, its beginning, nothing at all.
async fn a_damaged_cursor_is_refused(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (select, cursor) = first_page(&store).await?;
    for place in (0..cursor.len()).step_by(3) {
        let mut damaged = cursor.clone();
        let other = if cursor[place..].starts_with('A') { "B" } else { "A" };
        damaged.replace_range(place..=place, other);
        must_be_refused(&store, select.clone(), &damaged).await?;
    }
    for damaged in ["", "x", "not a cursor", "ä", &cursor[..cursor.len() / 2]] {
        must_be_refused(&store, select.clone(), damaged).await?;
    }
    Ok(())
}
