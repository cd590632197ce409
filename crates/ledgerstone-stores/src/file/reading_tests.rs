//! Which readings are tried without waiting, and how long.

use std::sync::atomic::Ordering;

use futures_util::TryStreamExt as _;
use ledgerstone_core::{Selection, TimeRange, Timestamp};
use ledgerstone_log::LogError;
use tempfile::TempDir;

use crate::file::events::{GLANCES, read_here};
use crate::file::test_log::{TestLog, batch, event, stream};
use crate::group_commit::ReadLog as _;

/// Returns a log of one event, in which so many looks find nothing in memory.
fn slow_log(misses: u64) -> (TempDir, TestLog) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = TestLog::open(folder.path());
    log.commit([batch("", event(1))]).remove(0).expect("appended");
    log.pace.misses.store(misses, Ordering::Relaxed);
    log.pace.waits.store(0, Ordering::Relaxed);
    (folder, log)
}

#[test]
fn a_reading_between_times_is_not_tried_without_waiting() {
    let (_folder, log) = slow_log(0);
    let at = Some(Timestamp::from_micros(500));
    let between = |recorded| Selection { recorded, ..Selection::stream(stream()) };
    for recorded in [TimeRange { from: at, to: None }, TimeRange { from: None, to: at }] {
        assert!(!log.reading(between(recorded)).may_be_quick(), "{recorded:?}");
    }
    assert!(log.reading(between(TimeRange::default())).may_be_quick());
    assert!(log.reading(Selection::all().limit(1)).may_be_quick());
    assert!(!log.reading(Selection::all()).may_be_quick());
}

#[tokio::test]
async fn what_the_disk_fetches_soon_is_read_without_waiting() {
    let (_folder, log) = slow_log(u64::from(GLANCES));
    let mut reading = log.reading(Selection::stream(stream()));
    let frame = read_here(log.events.shared(), &mut reading).await.expect("a frame");
    assert_eq!(frame.events.len(), 1);
    assert_eq!(log.pace.misses.load(Ordering::Relaxed), 0);
    assert_eq!(log.pace.waits.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_the_disk_does_not_fetch_is_left_to_a_thread_that_waits() {
    let (_folder, log) = slow_log(u64::MAX);
    let mut reading = log.reading(Selection::stream(stream()));
    let tried = read_here(log.events.shared(), &mut reading).await;
    assert!(matches!(tried, Err(LogError::WouldWait)), "{tried:?}");
    let looks = u64::MAX - log.pace.misses.load(Ordering::Relaxed);
    assert_eq!((looks, log.pace.waits.load(Ordering::Relaxed)), (u64::from(GLANCES) + 1, 0));

    let frames: Vec<_> =
        log.events.read(Selection::stream(stream()), log.heads(), None).try_collect().await.expect("frames");
    assert_eq!(frames.iter().map(|frame| frame.events.len()).sum::<usize>(), 1);
    assert!(log.pace.waits.load(Ordering::Relaxed) > 0);
}
