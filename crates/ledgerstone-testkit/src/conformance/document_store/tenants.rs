//! Promise 9: one tenant's documents are never another's.

use ledgerstone_core::{Filter, Select, Tenant, TenantScope, Write};
use serde_json::json;

use super::arrange::{
    Cases, FreshDocuments, all_pages, delete, field, get_one, key, keys, put, put_for, tenant, with_clients,
    write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        9: the_same_key_of_two_tenants_is_two_documents,
        9: queries_see_their_tenant_only,
        9: a_tenant_without_documents_finds_none,
    ]
}

/// Promise 9. Also when one of them is deleted.
async fn the_same_key_of_two_tenants_is_two_documents(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let acme = tenant("acme");
    let writes =
        vec![put(&id, "1", json!({"name": "Ada"})), put_for(&acme, &id, "1", json!({"name": "Bob"}))];
    write(&*store.writer, writes).await?;
    let of_acme = store.reader.get(&id.clone().into(), &acme, &[key("1")]).await?;
    let of_acme = of_acme[0].clone().ok_or("the document of acme is missing")?;
    assert_eq!((&of_acme.tenant, &of_acme.body["name"]), (&acme, &json!("Bob")));
    write(&*store.writer, vec![Write { tenant: acme.clone(), ..delete(&id, "1") }]).await?;
    assert_eq!(get_one(&*store.reader, &id, "1").await?.map(|body| body["name"].clone()), Some(json!("Ada")));
    assert_eq!(store.reader.get(&id.into(), &acme, &[key("1")]).await?, [None]);
    Ok(())
}

/// Promise 9. Through every kind of index.
async fn queries_see_their_tenant_only(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let body =
        || json!({"name": "Ada North", "version": 1, "types": ["bank"], "labels": ["x"], "note": "north"});
    let (acme, beta) = (tenant("acme"), tenant("beta"));
    let writes =
        vec![put(&id, "0", body()), put_for(&acme, &id, "1", body()), put_for(&beta, &id, "2", body())];
    write(&*store.writer, writes).await?;
    let mut filters = vec![
        Filter::All,
        Filter::eq(field("name"), "Ada North"),
        Filter::eq(field("note"), "north"),
        Filter::at_least(field("version"), 0),
        Filter::contains(field("types"), "bank"),
        Filter::contains(field("labels"), "x"),
        Filter::ne(field("version"), 7),
    ];
    if store.reader.capabilities().search {
        filters.push(Filter::search("north"));
    }
    for filter in filters {
        for (of, expected) in [(Tenant::default(), "0"), (acme.clone(), "1"), (beta.clone(), "2")] {
            let scope = TenantScope::One(of);
            let select = Select::from(id.clone()).filter(filter.clone()).of(scope);
            assert_eq!(keys(&all_pages(&*store.reader, select.clone()).await?), [expected], "{select:?}");
            let ordered = select.order_by(field("version"), true);
            assert_eq!(keys(&all_pages(&*store.reader, ordered.clone()).await?), [expected], "{ordered:?}");
        }
    }
    Ok(())
}

/// Promise 9. Whoever else has some.
async fn a_tenant_without_documents_finds_none(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    write(&*store.writer, vec![put_for(&tenant("acme"), &id, "1", json!({"name": "Ada"}))]).await?;
    assert_eq!(get_one(&*store.reader, &id, "1").await?, None);
    let page = store.reader.query(Select::from(id.clone())).await?;
    assert!(page.documents.is_empty() && page.next.is_none());
    let other = TenantScope::One(tenant("acm"));
    assert!(store.reader.query(Select::from(id).of(other)).await?.documents.is_empty());
    Ok(())
}
