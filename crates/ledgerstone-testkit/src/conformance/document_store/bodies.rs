//! Promise 3: a body comes back equal, and keys are answered in their order.

use ledgerstone_core::Tenant;
use serde_json::json;

use super::arrange::{Cases, FreshDocuments, all_pages, body, get_one, key, put, with_clients, write};
use super::random::Random;
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        3: a_body_comes_back_equal,
        3: random_bodies_come_back_equal,
        3: get_answers_in_the_order_of_the_keys,
        3: a_body_takes_the_place_of_the_one_before,
        3: many_keys_are_read_at_once,
    ]
}

/// Promise 3. Whatever JSON can hold, declared or not.
async fn a_body_comes_back_equal(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let whole = json!({
        "name": "a\u{0}b \u{10ffff} \"quoted\" \\ \n",
        "score": 0.1,
        "seen": "2011-10-11 13:45:40.276+02:00",
        "types": ["b", "a", "b"],
        "deleted": null,
        "": {"empty": {}, "none": [], "deep": [[[{"x": [null, true]}]]]},
        "numbers": [0, -1, i64::MIN, u64::MAX, 0.30000000000000004, 1e300, 5e-324, 123456789.12345679, 1.0],
        "key with spaces, 'quotes' and $": 1,
    });
    write(&*store.writer, vec![put(&id, "1", whole.clone()), put(&id, "2", json!({}))]).await?;
    assert_eq!(get_one(&*store.reader, &id, "1").await?, Some(body(whole.clone())));
    assert_eq!(get_one(&*store.reader, &id, "2").await?, Some(body(json!({}))));
    let page = all_pages(&*store.reader, ledgerstone_core::Select::from(id)).await?;
    assert_eq!(page[0].body, body(whole));
    Ok(())
}

/// Promise 3. Many bodies of every shape that the cases filter.
async fn random_bodies_come_back_equal(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let bodies = Random::new(3).bodies(200);
    let writes = bodies.iter().map(|(key, body)| put(&id, key, body.clone().into())).collect();
    write(&*store.writer, writes).await?;
    let documents = all_pages(&*store.reader, ledgerstone_core::Select::from(id)).await?;
    let read: Vec<_> = documents.iter().map(|document| (document.key.as_str(), &document.body)).collect();
    let put: Vec<_> = bodies.iter().map(|(key, body)| (key.as_str(), body)).collect();
    assert!(read == put, "a body came back changed");
    Ok(())
}

/// Promise 3. Nothing for what is not there; twice for what is asked for twice.
async fn get_answers_in_the_order_of_the_keys(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let writes = ["a", "b", "ä", "it's 100% \"c\""].map(|key| put(&id, key, json!({"name": key})));
    write(&*store.writer, writes.to_vec()).await?;
    let wanted = ["ä", "missing", "a", "it's 100% \"c\"", "a", "A", "b"].map(key);

    let documents = store.reader.get(&id.into(), &Tenant::default(), &wanted).await?;

    let names: Vec<_> =
        documents.iter().map(|found| found.as_ref().map(|one| one.body["name"].clone())).collect();
    let expected = [Some("ä"), None, Some("a"), Some("it's 100% \"c\""), Some("a"), None, Some("b")];
    assert_eq!(names, expected.map(|name| name.map(|name| json!(name))));
    let keys: Vec<_> = documents.into_iter().flatten().map(|document| document.key).collect();
    assert_eq!(keys, ["ä", "a", "it's 100% \"c\"", "a", "b"].map(key));
    Ok(())
}

/// Promise 3. Nothing of the old body stays, declared or not.
async fn a_body_takes_the_place_of_the_one_before(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    write(&*store.writer, vec![put(&id, "1", json!({"name": "Ada", "extra": 1}))]).await?;
    write(&*store.writer, vec![put(&id, "1", json!({"note": "new"}))]).await?;
    assert_eq!(get_one(&*store.reader, &id, "1").await?, Some(body(json!({"note": "new"}))));
    Ok(())
}

/// Promise 3. As many as a projector asks for.
async fn many_keys_are_read_at_once(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store;
    let id = with_clients(&*store.writer).await?;
    let names: Vec<_> = (0..1_500).map(|number| format!("client {number}")).collect();
    let even = names.iter().step_by(2);
    write(&*store.writer, even.map(|name| put(&id, name, json!({"name": name}))).collect()).await?;
    let wanted: Vec<_> = names.iter().rev().map(|name| key(name)).collect();
    let documents = store.reader.get(&id.into(), &Tenant::default(), &wanted).await?;
    assert_eq!(documents.len(), wanted.len());
    for (place, document) in documents.iter().enumerate() {
        let number = names.len() - 1 - place;
        let found = document.as_ref().map(|document| document.key.as_str());
        assert_eq!(found, (number % 2 == 0).then_some(names[number].as_str()));
    }
    Ok(())
}
