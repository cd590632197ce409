//! Promise 5: documents come in the order asked for, and pages follow each other.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use ledgerstone_core::{Body, FieldValue, OrderBy, Select, TenantScope};
use serde_json::json;

use super::arrange::{
    Cases, FreshDocuments, all_pages, client_fields, delete, field, keys, put, put_for, tenant, with_clients,
    write,
};
use super::random::{Random, holds, searches};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        5: documents_without_an_order_come_by_key,
        5: missing_values_come_first_and_last_when_descending,
        5: ties_are_broken_by_the_key,
        5: random_orders_and_pages_are_as_in_memory,
        5: every_tenants_documents_come_by_tenant_and_key,
        5: pages_neither_lose_nor_repeat_while_others_change,
    ]
}

/// Promise 5. Keys are compared by code point.
async fn documents_without_an_order_come_by_key(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let sorted = ["1", "10", "2", "B", "a", "a b", "ab", "z", "ä", "\u{ffff}", "\u{10000}"];
    write(&*store.writer, sorted.iter().rev().map(|key| put(&id, key, json!({}))).collect()).await?;
    for size in [1, 3, 11, 100] {
        assert_eq!(keys(&all_pages(&*store.reader, Select::from(id.clone()).size(size)).await?), sorted);
    }
    Ok(())
}

/// Promise 5. And texts by code point, numbers by size.
async fn missing_values_come_first_and_last_when_descending(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let writes = vec![
        put(&id, "1", json!({"name": "b", "country": "b", "version": 10, "rank": 10})),
        put(&id, "2", json!({"name": null, "version": null})),
        put(&id, "3", json!({"name": "B", "country": "B", "version": -3, "rank": -3})),
        put(&id, "4", json!({})),
        put(&id, "5", json!({"name": "\u{10000}", "country": "\u{10000}", "version": 9, "rank": 9})),
    ];
    write(&*store.writer, writes).await?;
    for (name, descending, expected) in [
        ("name", false, ["2", "4", "3", "1", "5"]),
        ("name", true, ["5", "1", "3", "2", "4"]),
        ("country", false, ["2", "4", "3", "1", "5"]),
        ("version", false, ["2", "4", "3", "5", "1"]),
        ("rank", true, ["1", "5", "3", "2", "4"]),
    ] {
        for size in [1, 2, 50] {
            let select = Select::from(id.clone()).order_by(field(name), descending).size(size);
            assert_eq!(keys(&all_pages(&*store.reader, select).await?), expected, "{name}, pages of {size}");
        }
    }
    Ok(())
}

/// Promise 5. Upwards, whatever the direction of the order.
async fn ties_are_broken_by_the_key(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let writes = ["d", "b", "c", "a"].map(|key| put(&id, key, json!({"version": 1, "rank": 1})));
    write(&*store.writer, writes.to_vec()).await?;
    for (name, descending) in [("version", false), ("version", true), ("rank", true)] {
        for size in [1, 3] {
            let select = Select::from(id.clone()).order_by(field(name), descending).size(size);
            assert_eq!(keys(&all_pages(&*store.reader, select).await?), ["a", "b", "c", "d"]);
        }
    }
    Ok(())
}

/// Promise 5. Many filters, orders of several steps, and sizes.
async fn random_orders_and_pages_are_as_in_memory(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let bodies = Random::new(6).bodies(120);
    let writes = bodies.iter().map(|(key, body)| put(&id, key, body.clone().into())).collect();
    write(&*store.writer, writes).await?;
    let search = store.reader.capabilities().search;
    let mut random = Random::new(66);
    for _ in 0..80 {
        let mut filter = random.filter(1);
        if !search && searches(&filter) {
            filter = ledgerstone_core::Filter::All;
        }
        let (order, size) = (random.order(), 1 + random.below(40));
        let matching: BTreeMap<_, _> = bodies.iter().filter(|(_, body)| holds(&filter, body)).collect();
        let expected = sorted(&matching, &order)?;
        let select = Select { order, ..Select::from(id.clone()).filter(filter).size(size) };
        let documents = all_pages(&*store.reader, select.clone()).await?;
        assert_eq!(keys(&documents), expected, "{select:?}");
    }
    Ok(())
}

fn sorted<'a>(bodies: &BTreeMap<&'a String, &Body>, order: &[OrderBy]) -> Result<Vec<&'a str>, String> {
    let fields = client_fields();
    let read = |body: &Body| FieldValue::read_all(&fields, body);
    let rows = bodies.iter().map(|(key, body)| Ok((key.as_str(), read(body)?)));
    let mut rows: Vec<(&str, Vec<FieldValue>)> = rows.collect::<Result<_, String>>()?;
    let place = |by: &OrderBy| fields.iter().position(|field| field.name == by.field).unwrap_or_default();
    rows.sort_by(|(_, left), (_, right)| {
        let steps = order.iter().map(|by| {
            let ordering = left[place(by)].cmp(&right[place(by)]);
            if by.descending { ordering.reverse() } else { ordering }
        });
        steps.fold(Ordering::Equal, Ordering::then)
    });
    Ok(rows.into_iter().map(|(key, _)| key).collect())
}

/// Promise 5. Where a reader may ask for all of them.
async fn every_tenants_documents_come_by_tenant_and_key(fresh: FreshDocuments) -> CaseResult {
    // Clients of a server are bound to one tenant, so this looks at the store itself.
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let writes = ["", "b", "a"].map(tenant).into_iter().flat_map(|of| {
        let write = |key, version| put_for(&of, &id, key, json!({"version": version, "types": ["bank"]}));
        [write("2", 1), write("1", 2), write("3", 1)]
    });
    write(&*store, writes.collect()).await?;
    let all = || Select::from(id.clone()).of(TenantScope::All);
    let bank = ledgerstone_core::Filter::contains(field("types"), "bank");
    let by_key = [
        ("", "1"),
        ("", "2"),
        ("", "3"),
        ("a", "1"),
        ("a", "2"),
        ("a", "3"),
        ("b", "1"),
        ("b", "2"),
        ("b", "3"),
    ];
    let by_version = [
        ("", "2"),
        ("", "3"),
        ("a", "2"),
        ("a", "3"),
        ("b", "2"),
        ("b", "3"),
        ("", "1"),
        ("a", "1"),
        ("b", "1"),
    ];
    for size in [2, 100] {
        for (select, expected) in [
            (all().size(size), by_key),
            (all().size(size).filter(bank.clone()), by_key),
            (all().size(size).order_by(field("version"), false), by_version),
        ] {
            let documents = all_pages(&*store, select.clone()).await?;
            let found: Vec<_> = documents.iter().map(|one| (one.tenant.as_str(), one.key.as_str())).collect();
            assert_eq!(found, expected, "{select:?}");
        }
    }
    Ok(())
}

/// Promise 5. Documents come and go, also the one at which a page ended.
async fn pages_neither_lose_nor_repeat_while_others_change(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let stays = |at: usize| format!("{at:03} stays");
    let goes = |at: usize| format!("{at:03} goes");
    let document = |key: &str, at: usize| put(&id, key, json!({"version": at / 7, "name": key}));
    let before = (0..60).flat_map(|at| [document(&stays(at), at), document(&goes(at), at)]);
    write(&*store.writer, before.collect()).await?;
    let mut select = Select::from(id.clone()).order_by(field("version"), true).size(7);
    let mut seen = Vec::new();
    for round in 0.. {
        let page = store.reader.query(select.clone()).await?;
        seen.extend(page.documents.iter().map(|document| document.key.as_str().to_owned()));
        let Some(next) = page.next else { break };
        select.cursor = Some(next);
        assert!(round < 1_000, "the pages do not end");
        let last = page.documents.last().map(|last| last.key.as_str().to_owned()).unwrap_or_default();
        let mut changes = vec![document(&format!("{:03} new", round % 60), round % 60)];
        changes.push(delete(&id, &goes(round % 60)));
        if last.ends_with("goes") {
            changes.push(delete(&id, &last));
        }
        write(&*store.writer, changes).await?;
    }
    let kept: Vec<_> = seen.iter().filter(|key| key.ends_with("stays")).cloned().collect();
    let mut expected: Vec<_> = (0..60).map(|at| (std::cmp::Reverse(at / 7), stays(at))).collect();
    expected.sort();
    assert_eq!(kept, expected.into_iter().map(|(_, key)| key).collect::<Vec<_>>());
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "a document came twice");
    Ok(())
}
