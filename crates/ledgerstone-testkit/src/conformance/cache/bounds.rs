//! Promise 10: what is above a limit is refused before anything is written.

use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::{BackendError, CacheEntry, CachePut, ErrorKind};

use super::arrange::{Cases, FreshStore, entry, key, prefix, put, put_entry, tag, value};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        10: a_key_that_cannot_be_one_is_refused,
        10: the_longest_key_is_taken,
        10: too_many_tags_are_refused,
        10: a_value_above_the_limit_is_refused,
        10: an_entry_that_lives_for_ever_or_not_at_all_is_refused,
        10: one_refused_entry_leaves_those_beside_it_unwritten,
    ]
}

fn is_invalid<T>(answer: &Result<T, BackendError>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Invalid)
}

/// Promise 10. Wherever it is given.
async fn a_key_that_cannot_be_one_is_refused(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let long = "k".repeat(CacheEntry::MAX_KEY_BYTES + 1);
    for wrong in ["", "a\nb", long.as_str()] {
        assert!(is_invalid(&put(&store, wrong, "value", &[]).await), "put {wrong:?}");
        assert!(is_invalid(&store.invalidate(&[key(wrong)], None).await), "invalidate {wrong:?}");
        assert!(is_invalid(&store.invalidate(&[prefix(wrong)], None).await), "invalidate {wrong:?}");
        assert!(is_invalid(&store.lease(wrong, Duration::from_secs(1)).await), "lease {wrong:?}");
    }
    Ok(())
}

/// Promise 10. The limit itself is within.
async fn the_longest_key_is_taken(fresh: FreshStore) -> CaseResult {
    let longest = "k".repeat(CacheEntry::MAX_KEY_BYTES);
    assert_eq!(put(&fresh.store, &longest, "value", &[]).await?, CachePut::Stored);
    assert_eq!(value(&fresh.store, &longest).await?.as_deref(), Some("value"));
    Ok(())
}

/// Promise 10. As many as may be are taken.
async fn too_many_tags_are_refused(fresh: FreshStore) -> CaseResult {
    let tags = |count: usize| (0..count).map(|n| tag(&format!("tag:{n}"))).collect();
    let with = |count| CacheEntry { tags: tags(count), ..entry("value", &[], None) };
    assert!(is_invalid(&put_entry(&fresh.store, "k", with(CacheEntry::MAX_TAGS + 1)).await));
    assert_eq!(put_entry(&fresh.store, "k", with(CacheEntry::MAX_TAGS)).await?, CachePut::Stored);
    Ok(())
}

/// Promise 10. By what the store says of itself.
async fn a_value_above_the_limit_is_refused(fresh: FreshStore) -> CaseResult {
    let limit = fresh.store.capabilities().max_value_bytes;
    let above = CacheEntry { value: Bytes::from(vec![0; limit + 1]), ..entry("", &[], None) };
    assert!(is_invalid(&put_entry(&fresh.store, "k", above).await));
    assert_eq!(value(&fresh.store, "k").await?, None);
    Ok(())
}

/// Promise 10. Either is a mistake of the caller.
async fn an_entry_that_lives_for_ever_or_not_at_all_is_refused(fresh: FreshStore) -> CaseResult {
    for life in [Duration::ZERO, Duration::MAX, CacheEntry::MAX_LIFE + Duration::from_nanos(1)] {
        let wrong = CacheEntry { expires_after: life, ..entry("value", &[], None) };
        assert!(is_invalid(&put_entry(&fresh.store, "k", wrong).await), "{life:?}");
    }
    Ok(())
}

/// Promise 10. Before anything is written.
async fn one_refused_entry_leaves_those_beside_it_unwritten(fresh: FreshStore) -> CaseResult {
    let entries = ["good", "", "fine"].map(|key| (key.to_owned(), entry("value", &[], None)));
    assert!(is_invalid(&fresh.store.put(entries.into()).await));
    for key in ["good", "fine"] {
        assert_eq!(value(&fresh.store, key).await?, None, "{key}");
    }
    Ok(())
}
