//! Promises 5 and 6: the positions of one log order invalidations, and another log begins anew.

use ledgerstone_core::{CachePut, CacheTarget};

use super::arrange::{
    Cases, FreshStore, at, by_tag, gone, key, of_log, prefix, put, put_begun, stamp, value,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        5: the_position_that_was_told_is_in_later_stamps,
        5: an_invalidation_at_a_position_takes_what_is_stamped_before_it,
        5: an_invalidation_at_a_position_spares_what_is_stamped_at_it,
        5: positions_may_be_told_twice_and_in_any_order,
        5: positions_are_compared_as_numbers,
        6: another_log_clears_everything,
        6: a_later_life_of_the_log_clears_everything,
        6: an_earlier_life_that_is_told_late_moves_no_position_and_still_invalidates,
        6: a_load_stamped_by_another_log_is_refused,
    ]
}

/// Promise 5. Even without a target.
async fn the_position_that_was_told_is_in_later_stamps(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    assert_eq!(stamp(&store).await?.log, None);
    assert_eq!(gone(&store, &[], Some(at(1, 7))).await?.log, Some(at(1, 7)));
    gone(&store, &[by_tag("x")], Some(at(1, 9))).await?;
    assert_eq!(stamp(&store).await?.log, Some(at(1, 9)));
    gone(&store, &[by_tag("x")], Some(at(1, 8))).await?;
    assert_eq!(stamp(&store).await?.log, Some(at(1, 9)));
    Ok(())
}

/// Promise 5. Those without any position included.
async fn an_invalidation_at_a_position_takes_what_is_stamped_before_it(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    let early = stamp(&store).await?;
    put_begun(&store, "early", "value", &["x"], early).await?;
    gone(&store, &[], Some(at(1, 5))).await?;
    let begun = stamp(&store).await?;
    for target in [key("k"), by_tag("x"), prefix("k"), CacheTarget::All] {
        gone(&store, std::slice::from_ref(&target), Some(at(1, 6))).await?;
        let answer = put_begun(&store, "k", "old", &["x"], begun).await?;
        assert_eq!(answer, CachePut::Overtaken, "{target:?}");
    }
    assert_eq!(value(&store, "early").await?, None);
    Ok(())
}

/// Promise 5. It knew of that event already.
async fn an_invalidation_at_a_position_spares_what_is_stamped_at_it(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    gone(&store, &[], Some(at(1, 5))).await?;
    put(&store, "k", "value", &["x"]).await?;
    let targets = [key("k"), by_tag("x"), prefix("k"), CacheTarget::All];
    gone(&store, &targets, Some(at(1, 5))).await?;
    gone(&store, &targets, Some(at(1, 4))).await?;
    assert_eq!(value(&store, "k").await?.as_deref(), Some("value"));
    gone(&store, &targets[1..2], Some(at(1, 6))).await?;
    assert_eq!(value(&store, "k").await?, None);
    Ok(())
}

/// Promise 5. The highest counts.
async fn positions_may_be_told_twice_and_in_any_order(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    gone(&store, &[], Some(at(1, 5))).await?;
    let begun = stamp(&store).await?;
    for position in [8, 6, 8] {
        gone(&store, &[by_tag("x")], Some(at(1, position))).await?;
    }
    assert_eq!(put_begun(&store, "k", "old", &["x"], begun).await?, CachePut::Overtaken);
    let mut knew_six = begun;
    knew_six.log = Some(at(1, 6));
    assert_eq!(put_begun(&store, "k", "old", &["x"], knew_six).await?, CachePut::Overtaken);
    put(&store, "k", "new", &["x"]).await?;
    gone(&store, &[by_tag("x")], Some(at(1, 8))).await?;
    assert_eq!(value(&store, "k").await?.as_deref(), Some("new"));
    Ok(())
}

/// Promise 5. Nine is below ten, and large ones keep their last digit.
async fn positions_are_compared_as_numbers(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    for (below, above) in [(9, 10), (99, 1_000), (9_007_199_254_740_992, 9_007_199_254_740_993)] {
        gone(&store, &[], Some(at(1, below))).await?;
        let begun = stamp(&store).await?;
        put_begun(&store, "k", "value", &["x"], begun).await?;
        gone(&store, &[by_tag("x")], Some(at(1, below))).await?;
        assert!(value(&store, "k").await?.is_some(), "{below}");
        gone(&store, &[by_tag("x")], Some(at(1, above))).await?;
        assert_eq!(value(&store, "k").await?, None, "{above}");
    }
    Ok(())
}

/// Promise 6. Its positions mean nothing to the other.
async fn another_log_clears_everything(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    gone(&store, &[], Some(at(1, 500))).await?;
    put(&store, "k", "value", &["x"]).await?;
    gone(&store, &[by_tag("y")], Some(at(1, 600))).await?;
    gone(&store, &[], Some(of_log(2, 1, 3))).await?;
    assert_eq!(value(&store, "k").await?, None);
    assert_eq!(stamp(&store).await?.log, Some(of_log(2, 1, 3)));
    put(&store, "k", "value", &["y"]).await?;
    assert!(value(&store, "k").await?.is_some(), "a position of the other log must not count");
    Ok(())
}

/// Promise 6. After a restore, positions may stand for other events.
async fn a_later_life_of_the_log_clears_everything(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    gone(&store, &[], Some(at(1, 500))).await?;
    put(&store, "k", "value", &[]).await?;
    gone(&store, &[], Some(at(2, 499))).await?;
    assert_eq!(value(&store, "k").await?, None);
    assert_eq!(stamp(&store).await?.log, Some(at(2, 499)));
    Ok(())
}

/// Promise 6. Somebody has not heard of the restore yet.
async fn an_earlier_life_that_is_told_late_moves_no_position_and_still_invalidates(
    fresh: FreshStore,
) -> CaseResult {
    let store = fresh.store;
    gone(&store, &[], Some(at(2, 3))).await?;
    put(&store, "k", "value", &["x"]).await?;
    put(&store, "other", "value", &[]).await?;
    gone(&store, &[by_tag("x")], Some(at(1, 900))).await?;
    assert_eq!(stamp(&store).await?.log, Some(at(2, 3)));
    assert_eq!(value(&store, "k").await?, None);
    assert!(value(&store, "other").await?.is_some());
    put(&store, "k", "value", &["x"]).await?;
    assert!(value(&store, "k").await?.is_some(), "the position of before must not stay");
    Ok(())
}

/// Promise 6. However new it says it is.
async fn a_load_stamped_by_another_log_is_refused(fresh: FreshStore) -> CaseResult {
    let store = fresh.store;
    gone(&store, &[], Some(at(2, 3))).await?;
    for other in [at(1, 900), of_log(2, 2, 900)] {
        let mut begun = stamp(&store).await?;
        begun.log = Some(other);
        assert_eq!(put_begun(&store, "k", "value", &[], begun).await?, CachePut::Overtaken, "{other}");
    }
    Ok(())
}
