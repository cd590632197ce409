//! Promise 9: one at a time has the lease of a key, and one that is over does no harm.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ledgerstone_core::{CacheEntry, CacheLease, CachePut};

use super::arrange::{Cases, FreshStore, entry, pass, put_entry, stamp, value};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        9: of_many_who_ask_at_once_one_gets_the_lease,
        9: a_released_lease_is_to_be_had_again,
        9: a_lease_is_over_after_its_time,
        9: leases_of_different_keys_do_not_touch,
        9: fences_rise_and_one_of_before_releases_nothing,
        9: an_entry_under_an_earlier_lease_does_not_replace_one_under_a_later,
    ]
}

const LONG: Duration = Duration::from_secs(60);

/// Promise 9. The others go without.
async fn of_many_who_ask_at_once_one_gets_the_lease(fresh: FreshStore) -> CaseResult {
    let asking = (0..20).map(|_| {
        let store = Arc::clone(&fresh.store);
        async move { store.lease("k", LONG).await }
    });
    let answers: Vec<_> = join_all(asking).await.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(answers.iter().flatten().count(), 1);
    Ok(())
}

/// Promise 9. At once.
async fn a_released_lease_is_to_be_had_again(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let lease = store.lease("k", LONG).await?.ok_or("nobody had it")?;
    assert_eq!(store.lease("k", LONG).await?, None);
    store.release(lease).await?;
    assert!(store.lease("k", LONG).await?.is_some());
    Ok(())
}

/// Promise 9. Whoever had it may have ended.
async fn a_lease_is_over_after_its_time(fresh: FreshStore) -> CaseResult {
    let time = Duration::from_millis(40);
    fresh.store.lease("k", time).await?.ok_or("nobody had it")?;
    assert_eq!(fresh.store.lease("k", time).await?, None);
    pass(&fresh.store, &fresh.clock, time + Duration::from_millis(2)).await;
    assert!(fresh.store.lease("k", time).await?.is_some());
    Ok(())
}

/// Promise 9. Each key has its own.
async fn leases_of_different_keys_do_not_touch(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let first = store.lease("a", LONG).await?.ok_or("nobody had it")?;
    assert!(store.lease("b", LONG).await?.is_some());
    store.release(first).await?;
    assert_eq!(store.lease("b", LONG).await?, None);
    Ok(())
}

/// Promise 9. Who was late cannot end the lease of who came after.
async fn fences_rise_and_one_of_before_releases_nothing(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let mut last: Option<CacheLease> = None;
    for _ in 0..12 {
        let lease = store.lease("k", LONG).await?.ok_or("nobody had it")?;
        if let Some(before) = last.take() {
            assert!(lease.fence > before.fence, "{} after {}", lease.fence, before.fence);
            store.release(before).await?;
            assert_eq!(store.lease("k", LONG).await?, None, "it was released by another fence");
        }
        store.release(lease.clone()).await?;
        last = Some(lease);
    }
    Ok(())
}

/// Promise 9. Who was late finds the value of who came after.
async fn an_entry_under_an_earlier_lease_does_not_replace_one_under_a_later(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let begun = stamp(&store).await?;
    let under = |value, fence| CacheEntry { fence: Some(fence), ..entry(value, &[], Some(begun)) };
    assert_eq!(put_entry(&store, "k", under("later", 10)).await?, CachePut::Stored);
    assert_eq!(put_entry(&store, "k", under("earlier", 9)).await?, CachePut::Overtaken);
    assert_eq!(value(&store, "k").await?.as_deref(), Some("later"));
    assert_eq!(put_entry(&store, "k", under("again", 11)).await?, CachePut::Stored);
    Ok(())
}
