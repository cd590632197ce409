//! Promise 10: a count equals the number of documents that all pages yield.

use ledgerstone_core::{Filter, Select, TenantScope};
use serde_json::json;

use super::arrange::{Cases, FreshDocuments, all_pages, count, put, put_for, tenant, with_clients, write};
use super::random::{Random, searches};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        10: a_count_equals_what_all_pages_yield,
        10: a_count_keeps_to_its_tenant,
    ]
}

/// Promise 10. For filters of every kind.
async fn a_count_equals_what_all_pages_yield(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    assert_eq!(count(&*store.reader, &id, &Filter::All).await?, 0);
    let bodies = Random::new(10).bodies(130);
    let writes = bodies.iter().map(|(key, body)| put(&id, key, body.clone().into())).collect();
    write(&*store.writer, writes).await?;
    assert_eq!(count(&*store.reader, &id, &Filter::All).await?, 130);
    let search = store.reader.capabilities().search;
    let mut random = Random::new(100);
    for _ in 0..100 {
        let filter = random.filter(2);
        if !search && searches(&filter) {
            continue;
        }
        let select = Select::from(id.clone()).filter(filter.clone()).size(29);
        let pages = all_pages(&*store.reader, select).await?.len() as u64;
        assert_eq!(count(&*store.reader, &id, &filter).await?, pages, "{filter:?}");
    }
    Ok(())
}

/// Promise 10. As pages do.
async fn a_count_keeps_to_its_tenant(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let acme = tenant("acme");
    let writes =
        vec![put(&id, "1", json!({})), put(&id, "2", json!({})), put_for(&acme, &id, "1", json!({}))];
    write(&*store.writer, writes).await?;
    assert_eq!(count(&*store.reader, &id, &Filter::All).await?, 2);
    assert_eq!(store.reader.count(&id.into(), &TenantScope::One(acme), &Filter::All).await?, 1);
    Ok(())
}
