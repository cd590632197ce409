//! Promise 10: what the retention of a transient stream does not keep is gone, and stays gone.

use std::num::NonZeroU64;
use std::time::Duration;

use ledgerstone_core::ExpectedRevision::{Any, At, NoStream};
use ledgerstone_core::{Position, Removal, Retention, Revision};
use uuid::Uuid;

use super::arrange::{
    Cases, FreshEvents, batch, by_tag, event, keeping, one, read_all, read_stream, refused, removing,
    retention, tagged, under, write,
};
use super::removal::must_be_kept;
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        10: a_retention_is_of_transient_streams_only,
        10: a_retention_keeps_so_many_of_the_newest_events,
        10: a_retention_keeps_what_is_not_too_old_and_the_newest_event,
        10: what_a_retention_removed_stays_removed,
        10: conditions_do_not_see_what_a_retention_removed,
    ]
}

/// Promise 10. Others would lose their state by it.
async fn a_retention_is_of_transient_streams_only(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "a-1", &["one", "two"]).await?;
    let retained = || vec![Removal::retention(Uuid::now_v7(), keeping(1))];
    must_be_kept(&store, removing("a-1", retained())).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [0, 1]);
    store.append(removing("a-1", vec![Removal::transient(Uuid::now_v7())])).await?;
    store.append(removing("a-1", retained())).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [1]);
    Ok(())
}

/// Promise 10. Those that come later count, and so do those of the same batch.
async fn a_retention_keeps_so_many_of_the_newest_events(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut begun = batch("a-1", Any, &["one", "two", "three"]);
    begun.appends.extend(retention("a-1", keeping(2)).appends);
    store.append(begun).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [1, 2]);
    write(&store, "b-1", &["one", "two", "three"]).await?;
    write(&store, "a-1", &["four"]).await?;
    let kept = read_all(&store).await?;
    assert_eq!((kept.positions(), kept.holes.len()), (vec![3, 4, 5, 6, 7], 2));
    store.append(batch("a-1", At(Revision(3)), &["five", "six", "seven"])).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [5, 6]);
    Ok(())
}

/// Promise 10. The newest event says where the stream stands.
async fn a_retention_keeps_what_is_not_too_old_and_the_newest_event(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let minute = NonZeroU64::new(60);
    store.append(retention("a-1", Retention { max_age_seconds: minute, max_count: None })).await?;
    for kind in ["one", "two", "three"] {
        write(&store, "a-1", &[kind]).await?;
        fresh.clock.advance(Duration::from_secs(25));
    }
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [1, 2]);
    fresh.clock.advance(Duration::from_secs(600));
    assert_eq!(read_stream(&store, "a-1").await?.types(), ["three"]);
    refused(&store, batch("a-1", NoStream, &["four"])).await?;
    store.append(batch("a-1", At(Revision(2)), &["four"])).await?;
    assert_eq!(read_stream(&store, "a-1").await?.types(), ["four"]);
    Ok(())
}

/// Promise 10. More is kept only of what is to come.
async fn what_a_retention_removed_stays_removed(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "a-1", &["one", "two", "three"]).await?;
    write(&store, "b-1", &["one"]).await?;
    let by_age = Retention { max_age_seconds: NonZeroU64::new(60), max_count: None };
    store.append(retention("b-1", by_age)).await?;
    store.append(retention("a-1", keeping(2))).await?;
    must_be_kept(&store, retention("a-1", keeping(3))).await?;
    must_be_kept(&store, retention("a-1", Retention::default())).await?;
    store.append(retention("a-1", keeping(1))).await?;
    let more = |before| {
        let cut = Removal::truncation(Uuid::now_v7(), Revision(before));
        removing("a-1", vec![cut, Removal::retention(Uuid::now_v7(), Retention::default())])
    };
    must_be_kept(&store, more(1)).await?;
    store.append(more(2)).await?;
    write(&store, "a-1", &["four", "five"]).await?;
    assert_eq!(read_stream(&store, "a-1").await?.types(), ["three", "four", "five"]);

    fresh.clock.advance(Duration::from_secs(600));
    write(&store, "b-1", &["two"]).await?;
    let longer = Retention { max_age_seconds: NonZeroU64::new(6_000), max_count: None };
    must_be_kept(&store, retention("b-1", Retention::default())).await?;
    must_be_kept(&store, retention("b-1", longer)).await?;
    let cut = Removal::truncation(Uuid::now_v7(), Revision(1));
    store
        .append(removing("b-1", vec![cut, Removal::retention(Uuid::now_v7(), Retention::default())]))
        .await?;
    write(&store, "b-1", &["three"]).await?;
    fresh.clock.advance(Duration::from_secs(600));
    assert_eq!(read_stream(&store, "b-1").await?.types(), ["two", "three"]);

    // What was kept for being the newest goes on being there once everything is kept.
    store.append(retention("c-1", by_age)).await?;
    write(&store, "c-1", &["one"]).await?;
    fresh.clock.advance(Duration::from_secs(600));
    store.append(retention("c-1", Retention::default())).await?;
    write(&store, "c-1", &["two"]).await?;
    assert_eq!(read_stream(&store, "c-1").await?.types(), ["one", "two"]);
    Ok(())
}

/// Promise 10. Neither what was too many nor what is too old.
async fn conditions_do_not_see_what_a_retention_removed(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("a-1", tagged("taken", &["seat:1"]))).await?;
    store.append(one("a-1", tagged("taken", &["seat:2"]))).await?;
    let wants = |tag: &str| under(by_tag(tag), Position::START, batch("b-1", Any, &["taken"]));
    refused(&store, wants("seat:1")).await?;
    store.append(retention("a-1", keeping(1))).await?;
    store.append(wants("seat:1")).await?;
    store.append(one("a-1", tagged("taken", &["seat:3"]))).await?;
    store.append(wants("seat:2")).await?;

    let by_age = Retention { max_age_seconds: NonZeroU64::new(60), max_count: None };
    store.append(retention("c-1", by_age)).await?;
    store.append(one("c-1", tagged("taken", &["seat:4"]))).await?;
    store.append(one("c-1", event("noted"))).await?;
    refused(&store, wants("seat:4")).await?;
    fresh.clock.advance(Duration::from_secs(61));
    store.append(wants("seat:4")).await?;
    Ok(())
}
