//! Tests of subscriptions.

use std::time::Duration;

use futures_util::TryStreamExt;
use ledgerstone_core::{
    Append, Batch, EventData, EventType, ExpectedRevision, LogIdentity, Query, QueryItem, StreamId,
};
use uuid::Uuid;

use super::*;
use crate::account::events;

async fn append(store: &Arc<dyn EventStore>, event_type: &str) -> LogPoint {
    let event = EventData::json(Uuid::now_v7(), EventType::new(event_type).expect("a type"), "{}");
    let stream = StreamId::new("s-1").expect("a stream");
    let batch = Batch::of(Append::to(stream, ExpectedRevision::Any, vec![event]));
    store.append(batch).await.expect("appends").point().expect("an application event")
}

async fn next(frames: &mut Frames, count: usize) -> Vec<u64> {
    let mut positions = Vec::new();
    while positions.len() < count {
        let frame = tokio::time::timeout(Duration::from_secs(5), frames.next()).await.expect("in time");
        let frame = frame.expect("it goes on").expect("reads");
        positions.extend(frame.events.iter().map(|event| event.position().0));
    }
    positions
}

#[tokio::test]
async fn following_yields_what_was_and_what_comes_without_a_gap() {
    let store = events().await;
    for _ in 0..3 {
        append(&store, "A").await;
    }
    let mut frames = Subscription::follow(Arc::clone(&store), Selection::all(), None);
    assert_eq!(next(&mut frames, 3).await, [1, 2, 3]);
    let writing = Arc::clone(&store);
    let writer = tokio::spawn(async move {
        for _ in 0..50 {
            append(&writing, "A").await;
        }
    });
    assert_eq!(next(&mut frames, 50).await, (4..=53).collect::<Vec<_>>());
    writer.await.expect("writes");
}

#[tokio::test]
async fn what_does_not_match_still_moves_the_position() {
    let store = events().await;
    let types = QueryItem::types([EventType::new("B").expect("a type")]);
    append(&store, "A").await;
    let last = append(&store, "A").await;
    let frames = Subscription::read_to_head(Arc::clone(&store), Selection::query(types), None);
    let frames: Vec<Frame> = frames.try_collect().await.expect("reads");
    assert_eq!(frames.last().map(|frame| frame.read_to), Some(last.position));
    assert!(frames.iter().all(|frame| frame.events.is_empty()));
    let all = Subscription::read_to_head(store, Selection::query(Query::all()), Some(last));
    assert_eq!(all.try_collect::<Vec<_>>().await.expect("reads"), []);
}

#[tokio::test]
async fn a_point_of_another_log_or_beyond_the_head_is_refused() {
    let store = events().await;
    let point = append(&store, "A").await;
    let foreign = LogPoint { log: LogIdentity { id: Uuid::from_u128(5), epoch: 1 }, ..point };
    let beyond = LogPoint { position: Position(2), ..point };
    for wrong in [foreign, beyond] {
        let mut frames = Subscription::follow(Arc::clone(&store), Selection::all(), Some(wrong));
        let error = frames.next().await.expect("an answer").expect_err("refused");
        assert_eq!(error.code(), Code::ForeignPosition);
        assert!(error.to_string().contains("rebuild"), "{error}");
        assert!(frames.next().await.is_none());
    }
}
