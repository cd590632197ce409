//! Promise 4: a filter selects the same documents as its evaluation in memory.

use std::collections::BTreeMap;

use ledgerstone_core::{Body, CollectionId, DocumentStoreError, Filter};
use serde_json::{Value, json};

use super::Documents;
use super::arrange::{Cases, FreshDocuments, field, found, put, with_clients, write};
use super::random::{Random, holds, searches};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        4: random_filters_select_as_in_memory,
        4: a_filter_and_its_opposite_share_all_documents,
        4: a_missing_value_is_null_and_lies_in_no_range,
        4: ranges_include_their_beginning_and_not_their_end,
        4: prefixes_and_equality_know_no_case_and_no_wildcards,
        4: an_array_is_found_by_its_elements,
        4: words_are_found_whatever_their_case_and_accents if |store| store.reader.capabilities().search,
        4: a_search_needs_all_words if |store| store.reader.capabilities().search,
        4: filters_of_the_largest_size_are_answered,
    ]
}

async fn with_random(
    store: &Documents,
    seed: u64,
) -> Result<(CollectionId, BTreeMap<String, Body>), DocumentStoreError> {
    let id = with_clients(&*store.writer).await?;
    let bodies = Random::new(seed).bodies(150);
    let writes = bodies.iter().map(|(key, body)| put(&id, key, body.clone().into())).collect();
    write(&*store.writer, writes).await?;
    Ok((id, bodies))
}

/// Promise 4. Hundreds of filters of every kind, nested.
async fn random_filters_select_as_in_memory(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (id, bodies) = with_random(&store, 4).await?;
    let search = store.reader.capabilities().search;
    let mut random = Random::new(44);
    for _ in 0..400 {
        let filter = random.filter(3);
        if !search && searches(&filter) {
            continue;
        }
        let expected: Vec<_> =
            bodies.iter().filter(|(_, body)| holds(&filter, body)).map(|(key, _)| key.clone()).collect();
        assert_eq!(found(&*store.reader, id.clone(), filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}

/// Promise 4. There is no third value, as SQL has it.
async fn a_filter_and_its_opposite_share_all_documents(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let (id, bodies) = with_random(&store, 5).await?;
    let search = store.reader.capabilities().search;
    let mut random = Random::new(55);
    for _ in 0..100 {
        let filter = random.filter(2);
        if !search && searches(&filter) {
            continue;
        }
        let mut both = found(&*store.reader, id.clone(), filter.clone()).await?;
        both.extend(found(&*store.reader, id.clone(), filter.clone().negated()).await?);
        both.sort();
        assert!(both.iter().eq(bodies.keys()), "{filter:?}");
    }
    Ok(())
}

/// Promise 4. Null and absence are the same.
async fn a_missing_value_is_null_and_lies_in_no_range(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let writes = vec![
        put(&id, "absent", json!({})),
        put(&id, "null", json!({"name": null, "version": null, "types": null})),
        put(&id, "there", json!({"name": "Ada", "version": 1, "types": ["bank"]})),
    ];
    write(&*store.writer, writes).await?;
    let ada = || Filter::eq(field("name"), "Ada");
    let (all, none) = (["absent", "null", "there"].as_slice(), ["absent", "null"].as_slice());
    for (filter, expected) in [
        (Filter::eq(field("name"), Value::Null), none),
        (Filter::ne(field("name"), Value::Null), &["there"]),
        (Filter::ne(field("name"), "Ada"), none),
        (Filter::ne(field("name"), "Bob"), all),
        (ada().negated(), none),
        (Filter::any_of(field("name"), [json!(null), json!("Ada")]), all),
        (Filter::any_of(field("name"), ["Bob"]).negated(), all),
        (Filter::any_of(field("name"), [""; 0]), &[]),
        (Filter::below(field("version"), 5), &["there"]),
        (Filter::below(field("version"), 5).negated(), none),
        (Filter::Range { field: field("version"), from: None, to: None }, &["there"]),
        (Filter::prefix(field("name"), "").negated(), none),
        (Filter::contains(field("types"), "bank").negated(), none),
        (Filter::And(Vec::new()), all),
        (Filter::Or(Vec::new()), &[]),
        (Filter::Or(Vec::new()).negated(), all),
    ] {
        assert_eq!(found(&*store.reader, id.clone(), filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}

/// Promise 4. Numbers by size, times by moment, texts by code point.
async fn ranges_include_their_beginning_and_not_their_end(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let document = |key: &str, rank: i64, score: f64, seen: &str| {
        put(&id, key, json!({"version": rank, "score": score, "seen": seen, "name": key}))
    };
    let writes = vec![
        document("1", -5, -0.5, "2011-10-11T23:00:00Z"),
        document("2", 7, 0.0, "2011-10-12T00:30:00+02:00"),
        document("10", 30, 2.5, "2011-10-12T00:00:00Z"),
    ];
    write(&*store.writer, writes).await?;
    for (filter, expected) in [
        (Filter::between(field("version"), 7, 30), ["2"].as_slice()),
        (Filter::at_least(field("version"), 7), &["10", "2"]),
        (Filter::below(field("score"), 0), &["1"]),
        (Filter::at_least(field("score"), -0.0), &["10", "2"]),
        (Filter::below(field("seen"), "2011-10-11T23:00:00Z"), &["2"]),
        (Filter::at_least(field("seen"), "2011-10-12T01:00:00+02:00"), &["1", "10"]),
        (Filter::between(field("name"), "1", "2"), &["1", "10"]),
        (Filter::between(field("version"), 30, 7), &[]),
    ] {
        assert_eq!(found(&*store.reader, id.clone(), filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}

/// Promise 4. Texts are compared as they are.
async fn prefixes_and_equality_know_no_case_and_no_wildcards(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let texts = ["abc", "Abc", "a%c", "a_c", "ab ", "\u{10ffff}x", "äbc", "a\u{308}bc"];
    write(&*store.writer, texts.map(|text| put(&id, text, json!({"name": text, "country": text}))).to_vec())
        .await?;
    for at in ["name", "country"].map(field) {
        for (filter, expected) in [
            (Filter::prefix(at.clone(), "ab"), ["ab ", "abc"].as_slice()),
            (Filter::prefix(at.clone(), "a%"), &["a%c"]),
            (Filter::prefix(at.clone(), "a_"), &["a_c"]),
            (Filter::prefix(at.clone(), "\u{10ffff}"), &["\u{10ffff}x"]),
            (Filter::prefix(at.clone(), "ä"), &["äbc"]),
            (Filter::eq(at.clone(), "abc"), &["abc"]),
            (Filter::eq(at.clone(), "ab"), &[]),
        ] {
            assert_eq!(found(&*store.reader, id.clone(), filter.clone()).await?, expected, "{filter:?}");
        }
    }
    Ok(())
}

/// Promise 4. With an index and without one.
async fn an_array_is_found_by_its_elements(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let document = |key, elements: Value| put(&id, key, json!({"types": elements, "labels": elements}));
    let writes = vec![
        document("1", json!(["bank", "shop", "bank"])),
        document("2", json!(["Bank", "", "bank, shop"])),
        document("3", json!([])),
    ];
    write(&*store.writer, writes).await?;
    for at in ["types", "labels"].map(field) {
        for (filter, expected) in [
            (Filter::contains(at.clone(), "bank"), ["1"].as_slice()),
            (Filter::contains(at.clone(), ""), &["2"]),
            (Filter::contains(at.clone(), "ban"), &[]),
            (Filter::contains(at.clone(), "shop").negated(), &["2", "3"]),
            (Filter::contains(at.clone(), "bank").and(Filter::contains(at.clone(), "shop")), &["1"]),
        ] {
            assert_eq!(found(&*store.reader, id.clone(), filter.clone()).await?, expected, "{filter:?}");
        }
    }
    Ok(())
}

/// Promise 4. Words are runs of letters and digits, folded and not stemmed.
async fn words_are_found_whatever_their_case_and_accents(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let writes = vec![
        put(&id, "1", json!({"name": "Crème Brûlée GmbH", "types": ["large enterprise"]})),
        put(&id, "2", json!({"name": "Straßenbau-Nord (2)", "note": "ΟΔΥΣΣΕΥΣ"})),
        put(&id, "3", json!({"name": "brulees", "country": "creme"})),
    ];
    write(&*store.writer, writes).await?;
    for (text, expected) in [
        ("BRULEE", ["1"].as_slice()),
        ("cre\u{300}me", &["1"]),
        ("strassenbau", &["2"]),
        ("STRASSENBAU", &["2"]),
        ("nord", &["2"]),
        ("2", &["2"]),
        ("οδυσσεύς", &["2"]),
        ("brul", &[]),
        ("enterprise", &["1"]),
        ("\"brulee\" OR nord*", &[]),
    ] {
        assert_eq!(found(&*store.reader, id.clone(), Filter::search(text)).await?, expected, "{text:?}");
    }
    Ok(())
}

/// Promise 4. In the fields together, or in the one that is named; a text without words finds nothing.
async fn a_search_needs_all_words(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let writes = vec![
        put(&id, "1", json!({"name": "north bank", "note": "closed", "types": ["retail", "city"]})),
        put(&id, "2", json!({"name": "north", "note": "bank"})),
        put(&id, "3", json!({"note": "north bank"})),
    ];
    write(&*store.writer, writes).await?;
    let within = |name, text: &str| Filter::Matches { field: Some(field(name)), text: text.to_owned() };
    for (filter, expected) in [
        (Filter::search("bank north"), ["1", "2", "3"].as_slice()),
        (Filter::search("bank closed city"), &["1"]),
        (Filter::search("bank open"), &[]),
        (within("name", "bank north"), &["1"]),
        (within("note", "bank"), &["2", "3"]),
        (within("types", "retail city"), &["1"]),
        (Filter::search(""), &[]),
        (Filter::search(" -- "), &[]),
        (Filter::search(" -- ").negated(), &["1", "2", "3"]),
        (Filter::search("bank").negated(), &[]),
    ] {
        assert_eq!(found(&*store.reader, id.clone(), filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}

/// Promise 4. Up to the limits on values, parts and depth.
async fn filters_of_the_largest_size_are_answered(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    write(&*store.writer, (0..20).map(|at| put(&id, &format!("{at:02}"), json!({"version": at}))).collect())
        .await?;
    let is = |version: usize| Filter::eq(field("version"), version);
    let values = Filter::any_of(field("version"), 10..10 + Filter::MAX_VALUES);
    let wide = Filter::Or((19..18 + Filter::MAX_NODES).map(is).collect());
    let narrow =
        Filter::And((20..19 + Filter::MAX_NODES).map(|version| is(version).negated()).take(499).collect());
    let deep = (1..Filter::MAX_DEPTH).fold(is(3), |filter, at| match at % 3 {
        0 => Filter::And(vec![filter]),
        1 => Filter::Or(vec![filter]),
        _ => filter.negated(),
    });
    assert_eq!(found(&*store.reader, id.clone(), values).await?.len(), 10);
    assert_eq!(found(&*store.reader, id.clone(), wide).await?, ["19"]);
    assert_eq!(found(&*store.reader, id.clone(), narrow).await?.len(), 20);
    assert_eq!(found(&*store.reader, id, deep).await?, ["03"]);
    Ok(())
}
