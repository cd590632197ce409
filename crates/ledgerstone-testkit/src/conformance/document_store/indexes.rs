//! Promises 4 and 7: indexes follow what is written, and may change under documents that are there.

use ledgerstone_core::{Body, Filter};
use serde_json::json;

use super::arrange::{
    Cases, FreshDocuments, Store, client_definition, clients, declare, delete, field, found, put,
    with_clients, write,
};
use super::random::{Random, holds, searches};
use crate::conformance::case::{CaseResult, cases};
use std::collections::BTreeMap;

pub(super) fn cases() -> Cases {
    cases![
        4: a_changed_document_is_found_by_its_new_values_only,
        4: filters_hold_after_many_random_changes,
        7: indexes_change_under_the_documents_that_are_there,
    ]
}

/// Promise 4. Values, elements and words.
async fn a_changed_document_is_found_by_its_new_values_only(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let old = json!({"name": "Old North", "version": 1, "types": ["bank", "shop"], "labels": ["x"], "deleted": true});
    let new = json!({"name": "New South", "version": 2, "types": ["shop", "inn"], "labels": ["y"], "deleted": false});
    write(&*store, vec![put(&id, "1", old)]).await?;
    write(&*store, vec![put(&id, "1", new)]).await?;
    let mut filters = vec![
        (Filter::eq(field("name"), "Old North"), Filter::eq(field("name"), "New South")),
        (Filter::eq(field("version"), 1), Filter::eq(field("version"), 2)),
        (Filter::contains(field("types"), "bank"), Filter::contains(field("types"), "inn")),
        (Filter::contains(field("labels"), "x"), Filter::contains(field("labels"), "y")),
        (Filter::eq(field("deleted"), true), Filter::contains(field("types"), "shop")),
    ];
    if store.capabilities().search {
        filters.push((Filter::search("old"), Filter::search("south new inn")));
        filters.push((Filter::search("bank"), Filter::search("shop")));
    }
    for (gone, there) in filters {
        assert_eq!(found(&*store, id.clone(), gone.clone()).await?, [""; 0], "{gone:?}");
        assert_eq!(found(&*store, id.clone(), there.clone()).await?, ["1"], "{there:?}");
    }
    Ok(())
}

/// Promise 4. Puts over puts, deletions, and keys that come back.
async fn filters_hold_after_many_random_changes(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let mut random = Random::new(40);
    let mut kept = BTreeMap::new();
    for _ in 0..25 {
        let mut writes = Vec::new();
        for _ in 0..30 {
            let key = format!("{:02}", random.below(60));
            if random.below(4) == 0 {
                kept.remove(&key);
                writes.push(delete(&id, &key));
            } else {
                let body = random.body();
                writes.push(put(&id, &key, body.clone().into()));
                kept.insert(key, body);
            }
        }
        write(&*store, writes).await?;
        compare(&*store, &kept, &mut random, 12).await?;
    }
    Ok(())
}

async fn compare(
    store: &Store,
    kept: &BTreeMap<String, Body>,
    random: &mut Random,
    times: usize,
) -> CaseResult {
    let search = store.capabilities().search;
    for _ in 0..times {
        let filter = random.filter(1);
        if !search && searches(&filter) {
            continue;
        }
        let expected: Vec<_> =
            kept.iter().filter(|(_, body)| holds(&filter, body)).map(|(key, _)| key.clone()).collect();
        assert_eq!(found(store, clients("first"), filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}

/// Promise 7. Indexes come and go with the same definition; rows and answers stay, and later writes are indexed.
async fn indexes_change_under_the_documents_that_are_there(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let mut definition = client_definition("first");
    for field in &mut definition.fields {
        field.indexed = !field.indexed;
    }
    declare(&*store, definition.clone()).await?;
    let mut random = Random::new(70);
    let mut kept = random.bodies(60);
    let id = clients("first");
    write(&*store, kept.iter().map(|(key, body)| put(&id, key, body.clone().into())).collect()).await?;
    for _ in 0..6 {
        for field in &mut definition.fields {
            field.indexed = random.below(2) == 1;
        }
        let collections = declare(&*store, definition.clone()).await?;
        assert_eq!(collections.len(), 1);
        assert_eq!(collections[0].definition, definition, "the indexes are not as declared");
        compare(&*store, &kept, &mut random, 20).await?;
        for (key, body) in random.bodies(20) {
            write(&*store, vec![put(&id, &key, body.clone().into())]).await?;
            kept.insert(key, body);
        }
        compare(&*store, &kept, &mut random, 20).await?;
    }
    searchable_fields_change(&*store, definition.clone()).await
}

async fn searchable_fields_change(store: &Store, mut definition: ledgerstone_core::Definition) -> CaseResult {
    if !store.capabilities().search {
        return Ok(());
    }
    let id = definition.id.clone();
    let ada = json!({"name": "zebra", "country": "quagga", "types": ["okapi"]});
    write(store, vec![put(&id, "ada", ada)]).await?;
    let set = |definition: &mut ledgerstone_core::Definition, names: &[&str]| {
        for field in &mut definition.fields {
            field.searchable = names.contains(&field.name.as_str());
        }
    };
    for (names, finds, misses) in [
        (["country"].as_slice(), ["quagga"].as_slice(), ["zebra", "okapi"].as_slice()),
        (&["name", "types"], &["zebra", "okapi", "zebra okapi"], &["quagga"]),
    ] {
        set(&mut definition, names);
        declare(store, definition.clone()).await?;
        for text in finds {
            assert_eq!(found(store, id.clone(), Filter::search(*text)).await?, ["ada"], "{text}");
        }
        for text in misses {
            assert_eq!(found(store, id.clone(), Filter::search(*text)).await?, [""; 0], "{text}");
        }
    }
    write(store, vec![put(&id, "ada", json!({"name": "zorilla"}))]).await?;
    assert_eq!(found(store, id.clone(), Filter::search("zebra")).await?, [""; 0]);
    assert_eq!(found(store, id, Filter::search("zorilla")).await?, ["ada"]);
    Ok(())
}
