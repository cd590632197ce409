//! Promise 4: the same batch appended again is recorded once, and answered alike.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ledgerstone_core::ExpectedRevision::{Any, At, NoStream, StreamExists};
use ledgerstone_core::{Append, Appended, Batch, MarkChange, Position, Refusal, Revision};

use super::arrange::{
    Cases, Events, FreshEvents, append, batch, by_tag, event, mark_name, read_all, refused, stream, tagged,
    tombstone, under, write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        4: a_batch_at_any_revision_is_recorded_once,
        4: a_batch_for_an_existing_stream_is_recorded_once,
        4: a_batch_for_a_new_stream_is_recorded_once,
        4: a_batch_at_a_revision_is_recorded_once,
        4: a_batch_under_a_condition_that_its_events_match_is_recorded_once,
        4: a_batch_under_a_condition_that_its_events_do_not_match_is_recorded_once,
        4: a_batch_with_marks_is_recorded_once,
        4: a_batch_over_several_streams_and_both_counts_is_recorded_once,
        4: a_batch_without_a_stream_is_recorded_once,
        4: a_batch_repeated_after_its_stream_was_deleted_gets_its_first_answer,
        4: a_batch_repeated_concurrently_is_recorded_once,
        4: a_part_of_a_batch_is_refused,
        4: a_batch_with_one_known_id_is_refused,
        4: an_id_of_another_stream_is_refused,
        4: events_of_two_batches_are_refused_as_one,
        4: a_batch_with_known_ids_and_other_data_changes_nothing,
    ]
}

/// Appends a batch, then something else, then the batch again.
async fn must_be_recorded_once(
    store: &Events,
    repeated: Batch,
) -> Result<Appended, crate::conformance::CaseError> {
    let first = store.append(repeated.clone()).await?;
    assert!(!first.repeated, "a first append was called a repetition");
    write(store, "other-1", &["other"]).await?;
    let before = store.head().await?;
    for _ in 0..2 {
        let again = store.append(repeated.clone()).await?;
        assert!(again.repeated, "a repetition was not called one");
        assert_eq!(Appended { repeated: false, ..again }, first, "the answers differ");
        assert_eq!(store.head().await?, before, "a repetition moved a head");
    }
    Ok(first)
}

/// Promise 4. Ids are looked up where nothing guards.
async fn a_batch_at_any_revision_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    must_be_recorded_once(&fresh.store, batch("account-1", Any, &["opened"])).await?;
    must_be_recorded_once(&fresh.store, batch("account-1", Any, &["named", "renamed"])).await?;
    Ok(())
}

/// Promise 4. The guard would hold again.
async fn a_batch_for_an_existing_stream_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    write(&fresh.store, "account-1", &["opened"]).await?;
    must_be_recorded_once(&fresh.store, batch("account-1", StreamExists, &["named"])).await?;
    Ok(())
}

/// Promise 4. The guard fails, and the ids tell why.
async fn a_batch_for_a_new_stream_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    let first =
        must_be_recorded_once(&fresh.store, batch("account-1", NoStream, &["opened", "named"])).await?;
    assert_eq!(first.ranges[0].revision, Some(Revision(1)));
    Ok(())
}

/// Promise 4. The stream may have gone on meanwhile.
async fn a_batch_at_a_revision_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "account-1", &["opened"]).await?;
    let repeated = batch("account-1", At(Revision(0)), &["named"]);
    let first = must_be_recorded_once(&store, repeated.clone()).await?;
    store.append(batch("account-1", At(Revision(1)), &["renamed"])).await?;
    let again = store.append(repeated).await?;
    assert_eq!(again.ranges, first.ranges);
    Ok(())
}

/// Promise 4. The condition fails by the batch's own events, and the ids tell so.
async fn a_batch_under_a_condition_that_its_events_match_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    let taken = Batch::of(Append::to_log(vec![tagged("taken", &["seat:1"])]));
    must_be_recorded_once(&fresh.store, under(by_tag("seat:1"), Position::START, taken)).await?;
    Ok(())
}

/// Promise 4. The condition holds again, so the ids must be looked up first.
async fn a_batch_under_a_condition_that_its_events_do_not_match_is_recorded_once(
    fresh: FreshEvents,
) -> CaseResult {
    let taken = Batch::of(Append::to_log(vec![tagged("taken", &["seat:1"])]));
    must_be_recorded_once(&fresh.store, under(by_tag("seat:2"), Position::START, taken)).await?;
    Ok(())
}

/// Promise 4. A message that was handled is not handled again, and its sender hears so.
async fn a_batch_with_marks_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    let changes = [
        MarkChange::Once { name: mark_name("inbox/7"), keep_for: Duration::from_secs(3600) },
        MarkChange::Rises { name: mark_name("relay"), to: 3 },
        MarkChange::Swap { name: mark_name("lease"), version: 0, value: Some("me".into()), keep_for: None },
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let handled = batch(&format!("account-{n}"), Any, &["handled"]);
        must_be_recorded_once(&fresh.store, Batch { marks: vec![change], ..handled }).await?;
    }
    Ok(())
}

/// Promise 4. Every range of the first answer is told again.
async fn a_batch_over_several_streams_and_both_counts_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "account-2", &["opened"]).await?;
    for (n, guard) in [Any, NoStream].into_iter().enumerate() {
        let mut wide = batch(&format!("account-1{n}"), guard, &["opened", "named"]);
        wide.appends.push(append("account-2", Any, &["$noted"]));
        wide.appends.push(append("account-2", StreamExists, &["linked"]));
        let first = must_be_recorded_once(&store, wide).await?;
        assert_eq!(first.ranges.len(), 3);
    }
    Ok(())
}

/// Promise 4. Nothing but the ids says that it was there before.
async fn a_batch_without_a_stream_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    let noted = Batch::of(Append::to_log(vec![event("noted"), event("noted")]));
    must_be_recorded_once(&fresh.store, noted).await?;
    Ok(())
}

/// Promise 4. A caller that heard no answer learns that its events had been recorded.
async fn a_batch_repeated_after_its_stream_was_deleted_gets_its_first_answer(
    fresh: FreshEvents,
) -> CaseResult {
    let store = fresh.store;
    for (name, guard) in [("account-1", Any), ("account-2", NoStream)] {
        let repeated = batch(name, guard, &["opened"]);
        let first = store.append(repeated.clone()).await?;
        store.append(tombstone(name)).await?;
        let again = store.append(repeated).await?;
        assert_eq!(again.ranges, first.ranges);
    }
    Ok(())
}

/// Promise 4. Repetitions may overtake the first answer.
async fn a_batch_repeated_concurrently_is_recorded_once(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for (round, guard) in [Any, NoStream].into_iter().cycle().take(8).enumerate() {
        let repeated = batch(&format!("account-{round}"), guard, &["opened", "named"]);
        let appends = (0..8).map(|_| {
            let (store, repeated) = (Arc::clone(&store), repeated.clone());
            tokio::spawn(async move { store.append(repeated).await })
        });
        let mut answers = Vec::new();
        for answer in join_all(appends).await {
            answers.push(answer??);
        }
        assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
        assert!(answers.iter().all(|answer| answer.ranges == answers[0].ranges), "{answers:?}");
    }
    assert_eq!(read_all(&store).await?.events.len(), 16);
    Ok(())
}

/// Promise 4. What was appended as one is repeated as one.
async fn a_part_of_a_batch_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let (first, second) = (event("opened"), event("named"));
    let whole = |expected, events: Vec<_>| Batch::of(Append::to(stream("account-1"), expected, events));
    store.append(whole(NoStream, vec![first.clone(), second.clone()])).await?;
    for guard in [Any, NoStream] {
        for part in [&first, &second] {
            let refusal = refused(&store, whole(guard, vec![part.clone()])).await?;
            assert_eq!(refusal, Refusal::IdReused { id: part.id });
        }
    }
    assert_eq!(read_all(&store).await?.events.len(), 2);
    Ok(())
}

/// Promise 4. Half of it cannot be recorded again, and the other half not alone.
async fn a_batch_with_one_known_id_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let known = event("opened");
    let with = |expected, events: Vec<_>| Batch::of(Append::to(stream("account-1"), expected, events));
    store.append(with(NoStream, vec![known.clone()])).await?;
    for guard in [Any, StreamExists, NoStream] {
        for events in [vec![known.clone(), event("named")], vec![event("named"), known.clone()]] {
            let refusal = refused(&store, with(guard, events)).await?;
            assert_eq!(refusal, Refusal::IdReused { id: known.id }, "{guard}");
        }
    }
    assert_eq!(read_all(&store).await?.types(), ["opened"]);
    Ok(())
}

/// Promise 4. An id says what was recorded, and where.
async fn an_id_of_another_stream_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let known = event("opened");
    let to = |name: &str| Batch::of(Append::to(stream(name), Any, vec![known.clone()]));
    store.append(to("account-1")).await?;
    assert_eq!(refused(&store, to("account-2")).await?, Refusal::IdReused { id: known.id });
    let beside = Batch::of(Append::to_log(vec![known.clone()]));
    assert_eq!(refused(&store, beside).await?, Refusal::IdReused { id: known.id });
    assert_eq!(read_all(&store).await?.events.len(), 1);
    Ok(())
}

/// Promise 4. Two batches are not one, even side by side.
async fn events_of_two_batches_are_refused_as_one(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let (first, second) = (event("opened"), event("named"));
    let with = |events: Vec<_>| Batch::of(Append::to(stream("account-1"), Any, events));
    store.append(with(vec![first.clone()])).await?;
    store.append(with(vec![second.clone()])).await?;
    let refusal = refused(&store, with(vec![first, second])).await?;
    assert!(matches!(refusal, Refusal::IdReused { .. }), "got {refusal:?}");
    assert_eq!(read_all(&store).await?.events.len(), 2);
    Ok(())
}

/// Promise 4. What was recorded first stays.
async fn a_batch_with_known_ids_and_other_data_changes_nothing(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let first = event("opened");
    let with = |event| Batch::of(Append::to(stream("account-1"), Any, vec![event]));
    store.append(with(first.clone())).await?;
    let mut other = first.clone();
    other.payload = r#"{"of":"something else"}"#.into();
    // Whether it is answered or refused is left to the store; it may keep no more than the ids.
    let _ = store.append(with(other)).await;
    let kept = read_all(&store).await?;
    assert_eq!(kept.events.len(), 1);
    assert_eq!(kept.events[0].payload(), &first.payload[..]);
    Ok(())
}
