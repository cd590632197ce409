//! What a restored database knows of its log: heads beyond its newest event, and its epoch.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::StreamExt as _;
use ledgerstone_core::{
    Append, Batch, EventData, EventStore, EventType, ExpectedRevision, Heads, Locator, LogHead, LogIdentity,
    Position, RecordedEvent, Revision, Selection, StreamId, StreamState, TimeRange, Timestamp,
};
use uuid::Uuid;

use crate::backend::{Backend, Resources};

fn locator(path: &Path) -> Locator {
    format!("sqlite:{}", path.display()).parse().expect("a locator")
}

async fn open(path: &Path) -> Backend {
    crate::open(&locator(path), &Resources::default()).await.expect("opens")
}

fn batch(number: u64, stands: StreamState) -> Batch {
    let event = EventData::json(
        Uuid::from_u128(u128::from(number) + 1),
        EventType::new("Noted").expect("a type"),
        number.to_string(),
    );
    let expected = match stands {
        StreamState::Missing => ExpectedRevision::NoStream,
        StreamState::At(revision) => ExpectedRevision::At(revision),
    };
    Batch::of(Append::to(StreamId::new("a-1").expect("a stream"), expected, vec![event]))
}

async fn read(events: &dyn EventStore, selection: Selection) -> Vec<RecordedEvent> {
    let frames: Vec<_> = events.read(selection).collect().await;
    frames.into_iter().flat_map(|frame| frame.expect("a frame").events).collect()
}

/// Restores events with these heads, and returns which log the store is now.
fn restored(path: &Path, events: &[RecordedEvent], origin: Option<LogIdentity>, heads: Heads) -> LogIdentity {
    let mut restorer = crate::restore(&locator(path)).expect("opens to restore");
    if !events.is_empty() {
        restorer.put(events).expect("puts");
    }
    let log = restorer.complete(origin, heads).expect("completes");
    restorer.finish();
    log
}

#[tokio::test]
async fn a_head_beyond_the_newest_event_is_kept_and_appended_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = open(&folder.path().join("from.db")).await;
    from.events.append(batch(0, StreamState::Missing)).await.expect("appends");
    from.events.append(batch(1, StreamState::At(Revision(0)))).await.expect("appends");
    let log = from.events.head().await.expect("a head").log;
    let events = read(&*from.events, Selection::all()).await;

    // Several runs of the index lie between the newest event and the head.
    let heads = Heads { application: Position(500), system: Position(7) };
    let path = folder.path().join("to.db");
    let log = restored(&path, &events, Some(log), heads);
    let to = open(&path).await;
    assert_eq!(to.events.head().await.expect("a head"), LogHead { log, heads });
    let late = TimeRange { from: Some(Timestamp::from_micros(i64::MAX)), to: None };
    assert!(read(&*to.events, Selection { recorded: late, ..Selection::all() }).await.is_empty());
    for number in 2..300 {
        let appended = to.events.append(batch(number, StreamState::At(Revision(number - 1)))).await;
        assert_eq!(appended.expect("appends").last.application, Position(499 + number));
    }
    to.close().await;
    let to = open(&path).await;
    assert_eq!(to.events.head().await.expect("a head").heads.application, Position(798));
    for selection in [Selection::all(), Selection::stream(StreamId::new("a-1").expect("a stream"))] {
        let read = read(&*to.events, selection).await;
        let positions = read.iter().map(|event| event.position().0);
        assert!(positions.eq((1..=2).chain(501..=798)));
    }
    for number in [1, 2, 250] {
        let again = to.events.append(batch(number, StreamState::At(Revision(number - 1)))).await;
        assert!(again.expect("appends").repeated, "{number}");
    }
    to.close().await;
}

#[tokio::test]
async fn every_restore_begins_an_epoch_that_the_log_has_not_had() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("to.db");
    let heads = Heads::default();
    let own = restored(&path, &[], None, heads);
    let follows = |log: LogIdentity, before: LogIdentity| {
        let rise = log.epoch - before.epoch;
        assert!(log.id == before.id && (1..=65_536).contains(&rise), "{log} after {before}");
    };
    follows(own, LogIdentity { epoch: 1, ..own });
    follows(restored(&path, &[], None, heads), own);
    let origin = LogIdentity { id: Uuid::from_u128(7), epoch: 5 };
    let second = restored(&path, &[], Some(origin), heads);
    follows(second, origin);
    // An older export of the same log does not lead back.
    let older = LogIdentity { epoch: 1, ..origin };
    let third = restored(&path, &[], Some(older), heads);
    follows(third, second);
    let store = open(&path).await;
    assert_eq!(store.events.head().await.expect("a head").log, third);
    store.close().await;
}

#[test]
fn restores_of_one_export_begin_different_epochs() {
    let origin = LogIdentity { id: Uuid::from_u128(7), epoch: 5 };
    let epochs = (0..8).map(|_| {
        let folder = tempfile::tempdir().expect("a folder");
        restored(&folder.path().join("to.db"), &[], Some(origin), Heads::default()).epoch
    });
    // Two of them may meet by chance; all of them only if there is no chance.
    assert!(epochs.collect::<BTreeSet<_>>().len() > 1);
}
