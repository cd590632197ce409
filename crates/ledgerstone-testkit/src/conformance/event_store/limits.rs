//! Promise 13: what is above a limit, or makes no sense, is refused before anything is written.

use bytes::Bytes;
use ledgerstone_core::ExpectedRevision::{Any, NoStream};
use ledgerstone_core::{Append, Batch, Code, EventData, EventStoreError, InvalidBatch, MarkChange, Metadata};
use uuid::Uuid;

use super::arrange::{
    Cases, Events, FreshEvents, append, batch, event, mark_name, one, read_all, stream, tagged,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        13: an_event_above_the_limit_is_refused,
        13: a_batch_of_too_many_events_is_refused,
        13: a_batch_of_too_many_bytes_is_refused,
        13: a_batch_of_too_many_marks_is_refused,
        13: what_is_at_a_limit_is_taken,
        13: a_batch_that_makes_no_sense_is_refused,
    ]
}

/// Refuses the batch, and keeps nothing of it.
async fn must_be_invalid(
    store: &Events,
    batch: Batch,
) -> Result<InvalidBatch, crate::conformance::CaseError> {
    let head = store.head().await?;
    let answer = store.append(batch).await;
    assert_eq!(store.head().await?, head, "an invalid batch moved a head");
    match answer {
        Err(EventStoreError::InvalidBatch(invalid)) => Ok(invalid),
        other => Err(format!("the batch should have been invalid; got {other:?}").into()),
    }
}

async fn must_be_too_large(store: &Events, batch: Batch) -> CaseResult {
    let invalid = must_be_invalid(store, batch).await?;
    assert!(matches!(invalid, InvalidBatch::TooLarge { .. }), "got {invalid:?}");
    assert_eq!(EventStoreError::from(invalid).code(), Code::TooLarge);
    Ok(())
}

/// An event of so many bytes in all.
fn sized(bytes: usize) -> EventData {
    let mut given = EventData { payload: Bytes::new(), ..event("sized") };
    given.payload = vec![b'7'; bytes.saturating_sub(given.size())].into();
    given
}

/// Promise 13. One byte too many, alone or beside a small one.
async fn an_event_above_the_limit_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let large = sized(store.capabilities().limits.event_bytes + 1);
    must_be_too_large(&store, one("a-1", large.clone())).await?;
    let beside = Append::to(stream("a-1"), Any, vec![event("small"), large]);
    must_be_too_large(&store, Batch::of(beside)).await?;
    assert!(read_all(&store).await?.events.is_empty());
    Ok(())
}

/// Promise 13. One event too many.
async fn a_batch_of_too_many_events_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let many = (0..=store.capabilities().limits.batch_events).map(|_| event("noted")).collect();
    must_be_too_large(&store, Batch::of(Append::to_log(many))).await
}

/// Promise 13. Events that are each small enough.
async fn a_batch_of_too_many_bytes_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let limits = store.capabilities().limits;
    let each = limits.event_bytes.min(limits.batch_bytes);
    let count = limits.batch_bytes / each + 1;
    if count > limits.batch_events {
        return Ok(());
    }
    let payload = sized(each).payload;
    let many = (0..count).map(|_| EventData { payload: payload.clone(), ..event("sized") }).collect();
    must_be_too_large(&store, Batch::of(Append::to_log(many))).await
}

/// Promise 13. One mark too many.
async fn a_batch_of_too_many_marks_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let rises = |n| MarkChange::Rises { name: mark_name(&format!("mark/{n}")), to: 1 };
    let marks = (0..=store.capabilities().limits.batch_marks).map(rises).collect();
    must_be_too_large(&store, Batch { marks, ..Batch::default() }).await
}

/// Promise 13. The limit itself is within it.
async fn what_is_at_a_limit_is_taken(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let limits = store.capabilities().limits;
    store.append(one("a-1", sized(limits.event_bytes))).await?;
    let many = (0..limits.batch_events).map(|_| event("noted")).collect();
    store.append(Batch::of(Append::to_log(many))).await?;
    let rises = |n| MarkChange::Rises { name: mark_name(&format!("mark/{n}")), to: 1 };
    let marks = (0..limits.batch_marks).map(rises).collect();
    store.append(Batch { marks, ..Batch::default() }).await?;
    let kept = read_all(&store).await?;
    assert_eq!(kept.events.len(), 1 + limits.batch_events);
    assert_eq!(kept.events[0].payload().len(), sized(limits.event_bytes).payload.len());
    Ok(())
}

/// Promise 13. Nothing of it could be kept.
async fn a_batch_that_makes_no_sense_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let with = |first: Append, second: Append| Batch { appends: vec![first, second], ..Batch::default() };
    let one_id = event("opened");
    let mut no_version = event("opened");
    no_version.schema_version = 0;
    let mut long_actor = event("opened");
    long_actor.metadata.actor = Some("x".repeat(Metadata::MAX_FIELD_BYTES + 1));
    let rises = MarkChange::Rises { name: mark_name("relay"), to: 1 };
    let senseless = [
        Batch::default(),
        batch("a-1", Any, &[]),
        with(append("a-1", Any, &["x"]), append("a-1", Any, &["y"])),
        with(Append::to(stream("a-1"), Any, vec![one_id.clone()]), Append::to_log(vec![one_id])),
        batch("a-1", Any, &["opened", "$noted"]),
        batch("$a", Any, &["opened"]),
        Batch::of(Append { expected: NoStream, ..Append::to_log(vec![event("opened")]) }),
        one("a-1", tagged("opened", &["$category:b"])),
        one("a-1", EventData { tags: vec![super::arrange::tag(&"x".repeat(256))], ..event("opened") }),
        one("a-1", no_version),
        one("a-1", long_actor),
        Batch { marks: vec![rises.clone(), rises], ..Batch::default() },
        one(
            "a-1",
            EventData { id: Uuid::now_v7(), payload: Bytes::from_static(b"{}"), ..event("$truncated") },
        ),
    ];
    for batch in senseless {
        must_be_invalid(&store, batch).await?;
    }
    assert!(read_all(&store).await?.events.is_empty());
    Ok(())
}
