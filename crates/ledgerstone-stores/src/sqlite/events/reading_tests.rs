//! How large the frames of a reading become.

use std::sync::Arc;

use futures_util::StreamExt as _;
use ledgerstone_core::{
    Append, Batch, EventData, EventStore, EventType, ExpectedRevision, Removal, Revision, Selection,
    StreamId, SystemClock, TimeOrderedIds,
};
use uuid::Uuid;

use crate::cursor::FRAME_EVENTS;
use crate::memory::MemoryEvents;
use crate::sqlite::database::Database;
use crate::sqlite::events::SqliteEvents;

const REMOVED: u64 = 150;

/// Appends to two streams in turn, and removes every event of the first but its newest.
async fn fill(store: &dyn EventStore) {
    let append = |stream: &str, event| {
        let stream = StreamId::new(stream).expect("a stream");
        Batch::of(Append::to(stream, ExpectedRevision::Any, vec![event]))
    };
    for number in 0..=REMOVED * 2 {
        let id = Uuid::from_u128(u128::from(number) + 1);
        let event = EventData::json(id, EventType::new("Noted").expect("a type"), &b"{}"[..]);
        let stream = if number % 2 == 0 { "gone-1" } else { "kept-1" };
        store.append(append(stream, event)).await.expect("appends");
    }
    let truncation = Removal::truncation(Uuid::from_u128(u128::MAX), Revision(REMOVED));
    let transient = Removal::transient(Uuid::from_u128(u128::MAX - 1));
    store.append(append("gone-1", transient)).await.expect("may be truncated");
    store.append(append("gone-1", truncation)).await.expect("truncates");
}

async fn assert_bounded(store: &dyn EventStore) {
    fill(store).await;
    let gone = Selection::stream(StreamId::new("gone-1").expect("a stream"));
    for selection in [gone.clone(), gone.backwards(), Selection::all(), Selection::all().backwards()] {
        let mut frames = store.read(selection.clone());
        let mut holes = Vec::new();
        while let Some(frame) = frames.next().await {
            let frame = frame.expect("a frame");
            assert!(frame.holes.len() <= FRAME_EVENTS * 2, "{selection:?}: {} holes", frame.holes.len());
            holes.extend(frame.holes.iter().flat_map(|hole| hole.from.0..=hole.to.0));
        }
        holes.sort_unstable();
        assert!(holes.iter().copied().eq((0..REMOVED).map(|number| number * 2 + 1)), "{selection:?}");
    }
}

#[tokio::test]
async fn a_frame_tells_of_few_holes_however_many_events_were_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::open(&folder.path().join("app.db")).expect("a database");
    let clock = Arc::new(SystemClock::new());
    let sqlite = SqliteEvents::open(database, clock, &TimeOrderedIds).expect("opens");
    assert_bounded(&sqlite).await;
    let memory = MemoryEvents::open(Arc::new(SystemClock::new()), &TimeOrderedIds).expect("opens");
    assert_bounded(&memory).await;
}
