//! Which readings are tried without waiting, and how long.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::TryStreamExt as _;
use ledgerstone_core::{
    Append, Batch, EventData, EventType, ExpectedRevision, Heads, Selection, StreamId, TimeRange, Timestamp,
};
use ledgerstone_log::{LogError, Options};
use ledgerstone_testkit::{FixedClock, SequentialIds};
use tempfile::TempDir;
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::file::events::{FileEvents, GLANCES, read_here};
use crate::file::reading::Reading;
use crate::file::slow_disk::{Pace, SlowDisk};
use crate::file::writer::Writer;
use crate::group_commit::{CommitLog as _, ReadLog as _};
use crate::staged::Staged;

/// A log of one event on a slow disk.
struct World {
    events: FileEvents,
    writer: Writer,
    pace: Arc<Pace>,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (disk, pace) = SlowDisk::open(folder.path());
        let clock = Arc::new(FixedClock::at(Timestamp::from_micros(1_000)));
        let mut options = Options::new(Arc::new(SequentialIds::from(7)));
        options.background = false;
        let (events, mut writer) = FileEvents::halves(disk, clock, options).expect("events");
        let event = EventData::json(Uuid::from_u128(1), EventType::new("Noted").expect("a type"), &b"{}"[..]);
        let append = Append::to(stream(), ExpectedRevision::Any, vec![event]);
        let hasher = events.hasher().map(|terms| terms.0);
        let staged = Staged::in_layout(Batch::of(append), hasher, events.layout()).expect("a batch");
        writer.commit(&mut [staged]).remove(0).expect("appended");
        Self { events, writer, pace, _folder: folder }
    }

    fn heads(&self) -> Heads {
        self.writer.heads()
    }

    fn reading(&self, selection: Selection) -> Reading {
        Reading::new(Cursor::new(selection, self.heads(), Timestamp::from_micros(1_000)))
    }

    /// Lets so many looks find nothing, and forgets who has waited.
    fn slow_down(&self, misses: u64) {
        self.pace.misses.store(misses, Ordering::Relaxed);
        self.pace.waits.store(0, Ordering::Relaxed);
    }
}

fn stream() -> StreamId {
    StreamId::new("a-1").expect("a stream")
}

#[test]
fn a_reading_between_times_is_not_tried_without_waiting() {
    let world = World::new();
    let at = Some(Timestamp::from_micros(500));
    let between = |recorded| Selection { recorded, ..Selection::stream(stream()) };
    for recorded in [TimeRange { from: at, to: None }, TimeRange { from: None, to: at }] {
        assert!(!world.reading(between(recorded)).may_be_quick(), "{recorded:?}");
    }
    assert!(world.reading(between(TimeRange::default())).may_be_quick());
    assert!(world.reading(Selection::all().limit(1)).may_be_quick());
    assert!(!world.reading(Selection::all()).may_be_quick());
}

#[tokio::test]
async fn what_the_disk_fetches_soon_is_read_without_waiting() {
    let world = World::new();
    world.slow_down(u64::from(GLANCES));
    let mut reading = world.reading(Selection::stream(stream()));
    let frame = read_here(world.events.shared(), &mut reading).await.expect("a frame");
    assert_eq!(frame.events.len(), 1);
    assert_eq!(world.pace.misses.load(Ordering::Relaxed), 0);
    assert_eq!(world.pace.waits.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_the_disk_does_not_fetch_is_left_to_a_thread_that_waits() {
    let world = World::new();
    world.slow_down(u64::MAX);
    let mut reading = world.reading(Selection::stream(stream()));
    let tried = read_here(world.events.shared(), &mut reading).await;
    assert!(matches!(tried, Err(LogError::WouldWait)), "{tried:?}");
    let looks = u64::MAX - world.pace.misses.load(Ordering::Relaxed);
    assert_eq!((looks, world.pace.waits.load(Ordering::Relaxed)), (u64::from(GLANCES) + 1, 0));

    let frames: Vec<_> = world
        .events
        .read(Selection::stream(stream()), world.heads(), None)
        .try_collect()
        .await
        .expect("frames");
    assert_eq!(frames.iter().map(|frame| frame.events.len()).sum::<usize>(), 1);
    assert!(world.pace.waits.load(Ordering::Relaxed) > 0);
}
