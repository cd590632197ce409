//! Promises 1, 2 and 8: what was put is read back as it was, never late, and in the order of the question.

use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::{CacheEntry, CachePut};

use super::arrange::{Cases, FreshStore, entry, hit, pass, put, put_entry, stamp, value};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        1: what_was_put_is_read_back_as_it_was,
        1: no_bytes_at_all_are_a_value_too,
        1: an_entry_replaces_the_one_before,
        1: what_was_never_put_is_not_there,
        2: an_entry_is_not_read_once_its_time_is_over,
        2: the_age_is_counted_from_the_put,
        8: answers_stand_in_the_order_of_the_question_with_its_doubles,
        8: of_many_entries_each_is_put_by_itself,
    ]
}

/// Promise 1. Bytes, tags, both times and the stamp.
async fn what_was_put_is_read_back_as_it_was(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let given = CacheEntry {
        value: Bytes::from_static(b"\0\xff\r\n ordinary \x80"),
        fresh_for: Duration::from_micros(1_234_567),
        expires_after: Duration::from_millis(40_001),
        ..entry("", &["order:1", "Straße 7", "b|c,d"], Some(stamp(&store).await?))
    };
    assert_eq!(put_entry(&store, "a key: ü {1}", given.clone()).await?, CachePut::Stored);
    let found = hit(&store, "a key: ü {1}").await?.ok_or("nothing is read back")?;
    assert_eq!(found.entry, given);
    Ok(())
}

/// Promise 1. Nothing is not the same as not there.
async fn no_bytes_at_all_are_a_value_too(fresh: FreshStore) -> CaseResult {
    put(&fresh.store, "empty", "", &[]).await?;
    assert_eq!(value(&fresh.store, "empty").await?.as_deref(), Some(""));
    Ok(())
}

/// Promise 1. With its tags: those of before are forgotten.
async fn an_entry_replaces_the_one_before(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    put(&store, "k", "first", &["x"]).await?;
    put(&store, "k", "second", &["y"]).await?;
    store.invalidate(&[super::arrange::by_tag("x")], None).await?;
    assert_eq!(value(&store, "k").await?.as_deref(), Some("second"));
    Ok(())
}

/// Promise 1. Nor is what only begins alike.
async fn what_was_never_put_is_not_there(fresh: FreshStore) -> CaseResult {
    put(&fresh.store, "ab", "value", &[]).await?;
    for key in ["a", "abc", "AB", "b"] {
        assert_eq!(value(&fresh.store, key).await?, None, "{key}");
    }
    Ok(())
}

/// Promise 2. Its time is over, and not a moment later.
async fn an_entry_is_not_read_once_its_time_is_over(fresh: FreshStore) -> CaseResult {
    let life = Duration::from_millis(60);
    let begun = stamp(&fresh.store).await?;
    let short = CacheEntry { fresh_for: life / 2, expires_after: life, ..entry("value", &[], Some(begun)) };
    put_entry(&fresh.store, "short", short).await?;
    put(&fresh.store, "long", "value", &[]).await?;
    pass(&fresh.store, &fresh.clock, life).await;
    assert_eq!(value(&fresh.store, "short").await?, None);
    assert_eq!(value(&fresh.store, "long").await?.as_deref(), Some("value"));
    Ok(())
}

/// Promise 2. At least what has passed.
async fn the_age_is_counted_from_the_put(fresh: FreshStore) -> CaseResult {
    put(&fresh.store, "k", "value", &[]).await?;
    let passed = Duration::from_millis(30);
    pass(&fresh.store, &fresh.clock, passed).await;
    let age = hit(&fresh.store, "k").await?.ok_or("it is gone")?.age;
    // A server may count in whole milliseconds.
    assert!(age + Duration::from_millis(2) >= passed && age < Duration::from_secs(20), "{age:?}");
    Ok(())
}

/// Promise 8. Missing ones keep their places.
async fn answers_stand_in_the_order_of_the_question_with_its_doubles(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        put(&store, key, value, &[]).await?;
    }
    let read = store.read(&["c", "none", "a", "c", "b"]).await?;
    let values: Vec<_> = read.found.into_iter().map(|hit| hit.map(|hit| hit.entry.value)).collect();
    let expected = [Some("3"), None, Some("1"), Some("3"), Some("2")];
    assert_eq!(values, expected.map(|text| text.map(|text| Bytes::from_static(text.as_bytes()))));
    Ok(())
}

/// Promise 8. One that is overtaken does not keep the others out.
async fn of_many_entries_each_is_put_by_itself(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let begun = stamp(&store).await?;
    store.invalidate(&[super::arrange::by_tag("x")], None).await?;
    let entries = [("a", "x"), ("b", "y"), ("c", "x")];
    let entries = entries.map(|(key, tag)| (key.to_owned(), entry(key, &[tag], Some(begun))));
    let answers = store.put(entries.into()).await?;
    assert_eq!(answers, [CachePut::Overtaken, CachePut::Stored, CachePut::Overtaken]);
    assert_eq!(value(&store, "b").await?.as_deref(), Some("b"));
    Ok(())
}
