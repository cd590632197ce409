//! Promises 4 and 7: a slow load never brings an older state back.

use ledgerstone_core::{CachePut, CacheTarget};

use super::arrange::{
    Cases, FreshStore, by_tag, entry, gone, key, prefix, put_begun, put_entry, stamp, value,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        4: a_load_that_began_before_an_invalidation_is_refused,
        4: a_load_that_nothing_concerned_is_kept,
        4: a_refused_load_leaves_what_is_there,
        4: a_stamp_of_a_store_that_lost_its_memory_is_refused,
        7: a_value_without_a_stamp_overtakes_what_began_before,
        7: a_value_without_a_stamp_is_stored_whatever_was_invalidated,
    ]
}

/// Promise 4. By whatever the invalidation named it.
async fn a_load_that_began_before_an_invalidation_is_refused(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for target in [key("k"), by_tag("y"), prefix("k"), CacheTarget::All] {
        let begun = stamp(&store).await?;
        gone(&store, std::slice::from_ref(&target), None).await?;
        let answer = put_begun(&store, "k", "old", &["x", "y"], begun).await?;
        assert_eq!(answer, CachePut::Overtaken, "{target:?}");
        assert_eq!(value(&store, "k").await?, None, "{target:?}");
    }
    Ok(())
}

/// Promise 4. Others' invalidations are not its own.
async fn a_load_that_nothing_concerned_is_kept(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let begun = stamp(&store).await?;
    gone(&store, &[key("other"), by_tag("z"), prefix("kk")], None).await?;
    assert_eq!(put_begun(&store, "k", "value", &["x"], begun).await?, CachePut::Stored);
    assert_eq!(value(&store, "k").await?.as_deref(), Some("value"));
    Ok(())
}

/// Promise 4. The newer value stays.
async fn a_refused_load_leaves_what_is_there(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let slow = stamp(&store).await?;
    gone(&store, &[by_tag("x")], None).await?;
    let quick = stamp(&store).await?;
    put_begun(&store, "k", "new", &["x"], quick).await?;
    assert_eq!(put_begun(&store, "k", "old", &["x"], slow).await?, CachePut::Overtaken);
    assert_eq!(value(&store, "k").await?.as_deref(), Some("new"));
    Ok(())
}

/// Promise 4. Nobody knows what was invalidated meanwhile.
async fn a_stamp_of_a_store_that_lost_its_memory_is_refused(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let mut begun = stamp(&store).await?;
    begun.incarnation ^= 1;
    assert_eq!(put_begun(&store, "k", "value", &[], begun).await?, CachePut::Overtaken);
    Ok(())
}

/// Promise 7. What was set is newer than what was being loaded.
async fn a_value_without_a_stamp_overtakes_what_began_before(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let begun = stamp(&store).await?;
    assert_eq!(put_entry(&store, "k", entry("set", &["x"], None)).await?, CachePut::Stored);
    assert_eq!(put_begun(&store, "k", "loaded", &["x"], begun).await?, CachePut::Overtaken);
    assert_eq!(value(&store, "k").await?.as_deref(), Some("set"));
    assert_eq!(put_begun(&store, "other", "loaded", &["x"], begun).await?, CachePut::Stored);
    Ok(())
}

/// Promise 7. It is as new as can be.
async fn a_value_without_a_stamp_is_stored_whatever_was_invalidated(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    gone(&store, &[CacheTarget::All, key("k"), by_tag("x")], None).await?;
    assert_eq!(put_entry(&store, "k", entry("set", &["x"], None)).await?, CachePut::Stored);
    assert_eq!(value(&store, "k").await?.as_deref(), Some("set"));
    Ok(())
}
