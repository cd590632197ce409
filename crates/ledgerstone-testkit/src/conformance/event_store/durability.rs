//! Promise 15: what was acknowledged is there after the store was opened again.

use std::num::NonZeroU64;
use std::time::Duration;

use ledgerstone_core::ExpectedRevision::{Any, At, NoStream};
use ledgerstone_core::{
    Batch, Clock, EventStore, LogKind, MarkChange, Position, Removal, Retention, Revision, Selection,
    TenantScope, Timestamp,
};

use super::arrange::{
    Cases, Events, FreshEvents, append, batch, by_tag, keeping, mark_name, one, read, read_all, read_stream,
    refused, removing, retention, tagged, tombstone, truncation, under, write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    let durable = |store: &Events| EventStore::capabilities(store.as_ref()).durable;
    cases![
        15: events_outlive_the_store if durable,
        15: the_log_stays_the_same_log_and_goes_on if durable,
        15: marks_outlive_the_store if durable,
        15: removals_outlive_the_store if durable,
        15: retentions_outlive_the_store if durable,
        15: repetitions_are_known_after_the_store_was_opened_again if durable,
        15: guards_and_conditions_hold_after_the_store_was_opened_again if durable,
        15: time_does_not_fall_after_the_store_was_opened_again if durable,
    ]
}

/// Promise 15. Every byte of both counts.
async fn events_outlive_the_store(fresh: FreshEvents) -> CaseResult {
    for n in 0..20 {
        let mut wide = batch(&format!("a-{}", n % 3), Any, &["opened", "named"]);
        wide.appends.push(append("a-1", Any, &["$noted"]));
        fresh.store.append(wide).await?;
    }
    let before = read_all(&fresh.store).await?.events;
    let system = read(&fresh.store, Selection::all().log(LogKind::System)).await?.events;

    let fresh = fresh.reopened().await?;

    assert_eq!(read_all(&fresh.store).await?.events, before);
    assert_eq!(read(&fresh.store, Selection::all().log(LogKind::System)).await?.events, system);
    Ok(())
}

/// Promise 15. The same identity, and the next numbers.
async fn the_log_stays_the_same_log_and_goes_on(fresh: FreshEvents) -> CaseResult {
    write(&fresh.store, "a-1", &["opened", "named"]).await?;
    fresh.store.append(one("a-1", tagged("$noted", &[]))).await?;
    let before = fresh.store.head().await?;

    let fresh = fresh.reopened().await?;

    assert_eq!(fresh.store.head().await?, before);
    let answer = write(&fresh.store, "a-1", &["renamed"]).await?;
    assert_eq!((answer.last.application, answer.ranges[0].revision), (Position(3), Some(Revision(2))));
    let fresh = fresh.reopened().await?;
    assert_eq!(read_stream(&fresh.store, "a-1").await?.types(), ["opened", "named", "renamed"]);
    Ok(())
}

/// Promise 15. With versions and expiry.
async fn marks_outlive_the_store(fresh: FreshEvents) -> CaseResult {
    let marks = vec![
        MarkChange::Rises { name: mark_name("relay"), to: 7 },
        MarkChange::Swap { name: mark_name("lease"), version: 0, value: Some("me".into()), keep_for: None },
        MarkChange::Once { name: mark_name("inbox"), keep_for: Duration::from_secs(60) },
    ];
    fresh.store.append(Batch { marks, ..Batch::default() }).await?;
    let before = fresh.store.marks(TenantScope::default(), "").await?;

    let fresh = fresh.reopened().await?;

    assert_eq!(fresh.store.marks(TenantScope::default(), "").await?, before);
    let lower = MarkChange::Rises { name: mark_name("relay"), to: 7 };
    refused(&fresh.store, Batch { marks: vec![lower], ..Batch::default() }).await?;
    Ok(())
}

/// Promise 15. What is gone stays gone.
async fn removals_outlive_the_store(fresh: FreshEvents) -> CaseResult {
    write(&fresh.store, "a-1", &["one", "two", "three"]).await?;
    write(&fresh.store, "b-1", &["one"]).await?;
    fresh.store.append(truncation("a-1", 2)).await?;
    fresh.store.append(tombstone("b-1")).await?;

    let fresh = fresh.reopened().await?;

    let kept = read_all(&fresh.store).await?;
    assert_eq!(kept.positions(), [3]);
    assert_eq!(kept.holes.into_iter().collect::<Vec<_>>(), [1, 2, 4]);
    refused(&fresh.store, batch("b-1", Any, &["late"])).await?;
    Ok(())
}

/// Promise 15. What is kept goes on by the number and the age, and what went stays away.
async fn retentions_outlive_the_store(fresh: FreshEvents) -> CaseResult {
    let minute = Retention { max_age_seconds: NonZeroU64::new(60), max_count: None };
    fresh.store.append(batch("a-1", Any, &["one", "two", "three"])).await?;
    fresh.store.append(retention("a-1", keeping(2))).await?;
    fresh.store.append(batch("b-1", Any, &["one"])).await?;
    fresh.store.append(retention("b-1", minute)).await?;
    fresh.clock.advance(Duration::from_secs(90));
    fresh.store.append(batch("b-1", Any, &["two"])).await?;
    let cut = Removal::truncation(uuid::Uuid::now_v7(), Revision(1));
    let all = Removal::retention(uuid::Uuid::now_v7(), Retention::default());
    fresh.store.append(removing("b-1", vec![cut, all])).await?;

    let fresh = fresh.reopened().await?;

    assert_eq!(read_stream(&fresh.store, "a-1").await?.revisions(), [1, 2]);
    assert_eq!(read_stream(&fresh.store, "b-1").await?.revisions(), [1]);
    write(&fresh.store, "a-1", &["four"]).await?;
    assert_eq!(read_stream(&fresh.store, "a-1").await?.revisions(), [2, 3]);
    Ok(())
}

/// Promise 15. A caller that heard no answer may ask the successor.
async fn repetitions_are_known_after_the_store_was_opened_again(fresh: FreshEvents) -> CaseResult {
    let batches = [Any, NoStream].map(|guard| batch(&format!("a-{guard}"), guard, &["opened", "named"]));
    let mut answers = Vec::new();
    for batch in &batches {
        answers.push(fresh.store.append(batch.clone()).await?);
    }

    let fresh = fresh.reopened().await?;

    for (batch, first) in batches.into_iter().zip(answers) {
        let again = fresh.store.append(batch).await?;
        assert!(again.repeated);
        assert_eq!((again.ranges, again.recorded_at), (first.ranges, first.recorded_at));
    }
    assert_eq!(read_all(&fresh.store).await?.events.len(), 4);
    Ok(())
}

/// Promise 15. Nothing of what judges a batch lived in memory alone.
async fn guards_and_conditions_hold_after_the_store_was_opened_again(fresh: FreshEvents) -> CaseResult {
    fresh.store.append(one("a-1", tagged("taken", &["seat:1"]))).await?;

    let fresh = fresh.reopened().await?;

    let store = fresh.store;
    refused(&store, batch("a-1", NoStream, &["late"])).await?;
    refused(&store, under(by_tag("seat:1"), Position::START, batch("b-1", Any, &["late"]))).await?;
    store.append(under(by_tag("seat:2"), Position::START, batch("a-1", At(Revision(0)), &["named"]))).await?;
    Ok(())
}

/// Promise 15. Though the clock of the new process is late.
async fn time_does_not_fall_after_the_store_was_opened_again(fresh: FreshEvents) -> CaseResult {
    write(&fresh.store, "a-1", &["opened"]).await?;
    let before = fresh.clock.now();

    let fresh = fresh.reopened().await?;

    fresh.clock.set(Timestamp::from_micros(before.as_micros() - 1_000_000));
    let answer = write(&fresh.store, "a-1", &["named"]).await?;
    assert_eq!(answer.recorded_at, before);
    Ok(())
}
