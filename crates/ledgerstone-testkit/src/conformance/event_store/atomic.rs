//! Promise 1: a batch is recorded whole or not at all, whatever becomes of its neighbours.

use futures_util::future::join_all;
use ledgerstone_core::ExpectedRevision::{Any, NoStream};
use ledgerstone_core::{Batch, EventStoreError, LogKind, MarkChange, Selection, TenantScope};

use super::arrange::{
    Cases, FreshEvents, append, batch, by_tag, event, mark_name, read, read_all, refused, stream, tagged,
    under, write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        1: a_batch_over_several_streams_is_recorded_whole,
        1: a_batch_refused_by_one_stream_leaves_no_trace_in_the_others,
        1: a_batch_refused_by_its_condition_leaves_no_trace,
        1: a_batch_refused_by_a_mark_records_no_event,
        1: application_and_system_events_of_a_batch_are_recorded_together,
        1: a_refused_batch_does_not_fail_its_neighbours,
    ]
}

/// Promise 1. Every event of every append is there.
async fn a_batch_over_several_streams_is_recorded_whole(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut whole = batch("account-1", NoStream, &["opened", "named"]);
    whole.appends.push(append("account-2", NoStream, &["opened", "closed"]));
    whole.appends.push(ledgerstone_core::Append::to_log(vec![event("noted")]));

    let answer = store.append(whole.clone()).await?;

    let kept = read_all(&store).await?;
    assert_eq!(kept.types(), ["opened", "named", "opened", "closed", "noted"]);
    let ids: Vec<_> = kept.events.iter().map(|event| event.id()).collect();
    assert_eq!(ids, whole.events().map(|event| event.id).collect::<Vec<_>>());
    assert_eq!(answer.ranges.len(), 3, "one range for each append");
    assert_eq!(kept.events.last().and_then(|event| event.stream()), None, "an append may name no stream");
    Ok(())
}

/// Promise 1. The first append would have been taken, the second is not.
async fn a_batch_refused_by_one_stream_leaves_no_trace_in_the_others(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "account-2", &["opened"]).await?;
    let head = store.head().await?;
    let mut refusable = batch("account-1", NoStream, &["opened"]);
    refusable.appends.push(append("account-2", NoStream, &["opened"]));

    refused(&store, refusable).await?;

    assert_eq!(store.head().await?, head, "a refused batch moves no head");
    assert_eq!(read_all(&store).await?.positions(), [1]);
    let first = store.append(batch("account-1", NoStream, &["opened"])).await?;
    assert_eq!(first.ranges[0].revision.map(|revision| revision.0), Some(0));
    Ok(())
}

/// Promise 1. Neither events nor marks of it remain.
async fn a_batch_refused_by_its_condition_leaves_no_trace(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(Batch::of(ledgerstone_core::Append::to_log(vec![tagged("taken", &["seat:1"])]))).await?;
    let head = store.head().await?;
    let mut refusable = batch("booking-1", Any, &["booked"]);
    refusable.marks.push(MarkChange::Rises { name: mark_name("relay"), to: 9 });

    refused(&store, under(by_tag("seat:1"), ledgerstone_core::Position::START, refusable)).await?;

    assert_eq!(store.head().await?, head);
    assert!(read(&store, Selection::stream(stream("booking-1"))).await?.events.is_empty());
    assert!(store.marks(TenantScope::default(), "").await?.is_empty(), "a mark of a refused batch remains");
    Ok(())
}

/// Promise 1. A mark that does not hold refuses the events, and the marks named before it.
async fn a_batch_refused_by_a_mark_records_no_event(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let rises = |name: &str, to| MarkChange::Rises { name: mark_name(name), to };
    store.append(Batch { marks: vec![rises("inbox", 5)], ..Batch::default() }).await?;
    let mut refusable = batch("account-1", NoStream, &["opened"]);
    refusable.marks = vec![rises("other", 1), rises("inbox", 5)];

    refused(&store, refusable).await?;

    assert!(read_all(&store).await?.events.is_empty());
    assert_eq!(store.marks(TenantScope::default(), "").await?.len(), 1);
    Ok(())
}

/// Promise 1. The two counts share a commit.
async fn application_and_system_events_of_a_batch_are_recorded_together(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut both = batch("account-1", NoStream, &["opened"]);
    both.appends.push(append("account-1", Any, &["$noted"]));
    let answer = store.append(both).await?;
    assert_eq!((answer.last.application.0, answer.last.system.0), (1, 1));

    let mut refusable = batch("account-2", NoStream, &["opened"]);
    refusable.appends.push(append("account-1", NoStream, &["$noted"]));
    refused(&store, refusable).await?;

    assert_eq!(read_all(&store).await?.types(), ["opened"]);
    assert_eq!(read(&store, Selection::all().log(LogKind::System)).await?.types(), ["$noted"]);
    Ok(())
}

/// Promise 1. Of many batches handed over at once, each gets its own verdict.
async fn a_refused_batch_does_not_fail_its_neighbours(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "taken-1", &["opened"]).await?;
    let appends = (0..40).map(|n| {
        let name = if n % 4 == 0 { "taken-1".to_owned() } else { format!("free-{n}") };
        let store = std::sync::Arc::clone(&store);
        async move { (n, store.append(batch(&name, NoStream, &["opened"])).await) }
    });

    for (n, answer) in join_all(appends).await {
        match answer {
            Ok(_) => assert_ne!(n % 4, 0, "batch {n} should have been refused"),
            Err(EventStoreError::Refused(_)) => assert_eq!(n % 4, 0, "batch {n} was refused for nothing"),
            Err(other) => return Err(other.into()),
        }
    }

    assert_eq!(read_all(&store).await?.positions(), (1..=31).collect::<Vec<_>>());
    Ok(())
}
