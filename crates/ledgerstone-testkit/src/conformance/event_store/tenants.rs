//! Promise 12: what one tenant has is never another's.

use ledgerstone_core::ExpectedRevision::{Any, NoStream};
use ledgerstone_core::{
    Batch, EventStore, MarkChange, Position, Query, QueryItem, Selection, Tag, TenantScope,
};

use super::arrange::{
    Cases, Events, FreshEvents, batch, by_tag, mark_name, one, read, refused, stream, tagged, tenant,
    tombstone, truncation, under,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    let all_tenants = |store: &Events| EventStore::capabilities(store.as_ref()).all_tenants;
    cases![
        12: a_stream_of_one_tenant_is_not_another_s,
        12: a_tenant_reads_its_own_events_only,
        12: conditions_see_one_tenant,
        12: marks_belong_to_one_tenant,
        12: a_removal_concerns_one_tenant,
        12: ids_of_events_are_known_to_one_tenant,
        12: every_tenant_is_read_in_one_order if all_tenants,
        12: the_marks_of_every_tenant_are_listed if all_tenants,
    ]
}

fn of(name: &str, batch: Batch) -> Batch {
    Batch { tenant: tenant(name), ..batch }
}

fn scope(name: &str) -> TenantScope {
    TenantScope::One(tenant(name))
}

/// Promise 12. Neither its name nor its revision.
async fn a_stream_of_one_tenant_is_not_another_s(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["", "acme", "acme2", "Acme"] {
        let answer = store.append(of(name, batch("a-1", NoStream, &["opened"]))).await?;
        assert_eq!(answer.ranges[0].revision.map(|revision| revision.0), Some(0));
    }
    refused(&store, of("acme", batch("a-1", NoStream, &["opened"]))).await?;
    Ok(())
}

/// Promise 12. By whatever query; positions are the log's, and reading moves on past the others.
async fn a_tenant_reads_its_own_events_only(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["acme", "", "globex", "acme"] {
        store.append(of(name, one("a-1", tagged("opened", &["vip"])))).await?;
    }
    let category = Query::from(QueryItem::tags([Tag::category("a")?]));
    for query in [Query::all(), Query::stream(stream("a-1")), by_tag("vip"), category] {
        for (name, expected) in [("acme", vec![1, 4]), ("", vec![2]), ("globex", vec![3]), ("nobody", vec![])]
        {
            let kept = read(&store, Selection::query(query.clone()).of(scope(name))).await?;
            assert_eq!(kept.positions(), expected, "{name:?} {query:?}");
            assert_eq!(kept.read_to, Some(Position(4)), "{name:?} {query:?}");
            assert!(kept.events.iter().all(|event| event.tenant() == name));
        }
    }
    Ok(())
}

/// Promise 12. Even a unique tag.
async fn conditions_see_one_tenant(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for text in ["seat:1", "$unique:mail:ada"] {
        for name in ["acme", "globex", ""] {
            let taken = || under(by_tag(text), Position::START, one("s-1", tagged("taken", &[text])));
            store.append(of(name, taken())).await?;
            refused(&store, of(name, taken())).await?;
        }
    }
    Ok(())
}

/// Promise 12. Same name, another mark.
async fn marks_belong_to_one_tenant(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for (name, to) in [("", 1), ("acme", 2), ("globex", 1)] {
        let marks = vec![MarkChange::Rises { name: mark_name("relay"), to }];
        store.append(of(name, Batch { marks, ..Batch::default() })).await?;
    }
    for (name, number) in [("", 1), ("acme", 2), ("globex", 1)] {
        let kept = store.marks(scope(name), "").await?;
        assert_eq!(kept.iter().map(|mark| mark.number).collect::<Vec<_>>(), [number]);
        assert_eq!(kept[0].tenant, tenant(name));
    }
    Ok(())
}

/// Promise 12. The namesake's events stay.
async fn a_removal_concerns_one_tenant(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["acme", "globex"] {
        for other in ["a-1", "b-1"] {
            store.append(of(name, batch(other, NoStream, &["opened"]))).await?;
        }
    }
    store.append(of("acme", tombstone("a-1"))).await?;
    store.append(of("acme", truncation("b-1", 1))).await?;
    assert!(read(&store, Selection::all().of(scope("acme"))).await?.events.is_empty());
    let kept = read(&store, Selection::all().of(scope("globex"))).await?;
    assert_eq!(kept.positions(), [3, 4]);
    assert!(kept.holes.is_empty(), "the holes of another tenant are told");
    store.append(of("globex", batch("a-1", Any, &["named"]))).await?;
    Ok(())
}

/// Promise 12. An id tells nothing about another tenant, and takes nothing away from it.
async fn ids_of_events_are_known_to_one_tenant(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for guard in [Any, NoStream] {
        let same = batch(&format!("a-{guard}"), guard, &["opened"]);
        for name in ["acme", "globex"] {
            let answer = store.append(of(name, same.clone())).await?;
            assert!(!answer.repeated, "{name} was answered for another tenant");
        }
    }
    for name in ["acme", "globex"] {
        assert_eq!(read(&store, Selection::all().of(scope(name))).await?.events.len(), 2);
    }
    Ok(())
}

/// Promise 12. Who may see everything sees whose it is.
async fn every_tenant_is_read_in_one_order(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let names = ["acme", "", "globex", "acme"];
    for name in names {
        store.append(of(name, one("a-1", tagged("opened", &["vip"])))).await?;
    }
    for query in [Query::all(), by_tag("vip"), Query::stream(stream("a-1"))] {
        let selection = Selection::query(query).of(TenantScope::All);
        let kept = read(&store, selection.clone()).await?;
        assert_eq!(kept.positions(), [1, 2, 3, 4]);
        assert_eq!(kept.events.iter().map(|event| event.tenant()).collect::<Vec<_>>(), names);
        assert_eq!(read(&store, selection.backwards().limit(3)).await?.positions(), [4, 3, 2]);
    }
    Ok(())
}

/// Promise 12. By tenant and name.
async fn the_marks_of_every_tenant_are_listed(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["globex", "", "acme"] {
        let rises = |mark: &str| MarkChange::Rises { name: mark_name(mark), to: 1 };
        let marks = vec![rises("b"), rises("a"), rises("other")];
        store.append(of(name, Batch { marks, ..Batch::default() })).await?;
    }
    let kept = store.marks(TenantScope::All, "").await?;
    let listed: Vec<_> = kept.iter().map(|mark| (mark.tenant.as_str(), mark.name.as_str())).collect();
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    assert_eq!((listed.len(), &listed), (9, &sorted));
    assert_eq!(store.marks(TenantScope::All, "a").await?.len(), 3);
    Ok(())
}
