//! Damage to the files of a `file:` store while it is open: found by itself, and healed where it can be.

#![expect(clippy::expect_used, reason = "a panic in a test is its report")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use ledgerstone_core::{
    Append, Batch, EventData, EventStore, EventType, ExpectedRevision, RecordedEvent, Selection, StreamId,
    Tag, Timestamp,
};
use ledgerstone_stores::{Backend, Condition, Resources, open};
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::{CaseError, CaseResult, Trials};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("file::a_damaged_index_answers_from_the_log_and_is_made_again_while_it_is_open", healed);
    trials.add("file::a_clock_that_goes_back_while_the_store_is_closed_takes_no_event_with_it", clock);
    trials.add("file::the_scrub_names_a_damaged_segment_and_makes_a_damaged_index_again", scrubbed);
}

/// Writes a store of several closed segments, whose indexes are on the disk.
async fn filled(parameters: &str) -> Result<(TempDir, Backend), CaseError> {
    let folder = tempfile::tempdir()?;
    let locator = format!("file:{}?segment_bytes=8192{parameters}", folder.path().display());
    let first = open(&locator.parse()?, &Resources::default()).await?;
    for n in 0..200_u128 {
        let append = counted(&format!("a-{}", n % 7), n + 1, &n.to_string())?;
        first.events.append(Batch::of(append)).await?;
    }
    first.close().await;
    let opened = open(&locator.parse()?, &Resources::default()).await?;
    Ok((folder, opened))
}

fn counted(stream: &str, id: u128, data: &str) -> Result<Append, CaseError> {
    let mut event = EventData::json(Uuid::from_u128(id), EventType::new("Counted")?, data.to_owned());
    event.tags = vec![Tag::new(format!("t{}", (id - 1) % 5))?];
    Ok(Append::to(StreamId::new(stream)?, ExpectedRevision::Any, vec![event]))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.join("log")).expect("a folder");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == ending));
    files.sort();
    files
}

fn flip(file: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
}

/// Flips a byte of every block of every index.
fn damage_indexes(folder: &Path) -> usize {
    let indexes = files(folder, "index");
    for index in &indexes {
        let size = File::open(index).and_then(|file| file.metadata()).expect("a size").len();
        // Two blocks at least, and what is behind them is in memory already.
        for at in (0..size - 4096).step_by(4096) {
            flip(index, at + 50);
        }
    }
    indexes.len()
}

async fn read(events: &dyn EventStore, selection: Selection) -> Result<Vec<RecordedEvent>, CaseError> {
    let frames: Vec<_> = events.read(selection).try_collect().await?;
    Ok(frames.into_iter().flat_map(|frame| frame.events).collect())
}

async fn condition(backend: &Backend, until: impl Fn(&Condition) -> bool) -> Condition {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let now = backend.condition.as_ref().expect("a condition").now();
        if until(&now) || Instant::now() > deadline {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn selections() -> Result<Vec<Selection>, CaseError> {
    let stream = Selection::stream(StreamId::new("a-3")?);
    let tag = Selection::query(ledgerstone_core::QueryItem::tags([Tag::new("t2")?]));
    let later = Selection { from_revision: Some(ledgerstone_core::Revision(20)), ..stream.clone() };
    Ok(vec![stream.clone(), stream.backwards().limit(3), tag.clone(), tag.backwards(), later])
}

async fn healed() -> CaseResult {
    let (folder, store) = filled("").await?;
    let mut expected = Vec::new();
    for selection in selections()? {
        expected.push(read(&*store.events, selection).await?);
    }
    assert!(expected.iter().all(|events| !events.is_empty()));
    let damaged = damage_indexes(folder.path());
    assert!(damaged >= 2, "{damaged}");
    for (selection, expected) in selections()?.into_iter().zip(&expected) {
        assert_eq!(read(&*store.events, selection).await?, *expected);
    }
    // The writer too: a stream is found where it stands, and an event that is there is known by its id.
    let first = store.events.append(Batch::of(counted("a-3", 900, "0")?)).await?;
    assert_eq!(first.ranges[0].revision.map(|revision| revision.0), Some(expected[0].len() as u64));
    let again = store.events.append(Batch::of(counted("a-3", 4, "3")?)).await?;
    assert!(again.repeated, "{again:?}");

    let healed = condition(&store, |now| now.indexes_made_again > 0).await;
    assert!(healed.indexes_made_again > 0, "{healed:?}");
    for (selection, expected) in selections()?.into_iter().zip(&expected).skip(2).take(2) {
        assert_eq!(read(&*store.events, selection).await?, *expected);
    }
    store.close().await;
    Ok(())
}

async fn scrubbed() -> CaseResult {
    let (folder, store) = filled("&scrub_every_seconds=1&scrub_bytes_per_second=100000000").await?;
    let damaged = damage_indexes(folder.path());
    let segment = files(folder.path(), "log").swap_remove(1);
    flip(&segment, 4_000);
    let name = segment.file_name().expect("a name").to_string_lossy().into_owned();
    let wanted = |now: &Condition| !now.damages.is_empty() && now.indexes_made_again + 1 >= damaged as u64;
    let found = condition(&store, wanted).await;
    assert_eq!(found.damages.len(), 1, "{found:?}");
    assert!(found.damages[0].file == name && (1..=4_000).contains(&found.damages[0].at), "{found:?}");
    // All but the index over the segment that is damaged itself.
    assert_eq!(found.indexes_made_again + 1, damaged as u64, "{found:?}");
    // What is mended is forgotten.
    flip(&segment, 4_000);
    let mended = condition(&store, |now| now.damages.is_empty()).await;
    assert!(mended.damages.is_empty() && mended.rounds > 0, "{mended:?}");
    store.close().await;
    Ok(())
}

async fn clock() -> CaseResult {
    let folder = tempfile::tempdir()?;
    let locator = format!("file:{}", folder.path().display()).parse()?;
    let clock = Arc::new(FixedClock::at(Timestamp::from_micros(1_000)));
    let resources = Resources { clock: Arc::clone(&clock) as _, ..Resources::default() };
    let mut expected = Vec::new();
    for (n, now) in [1_000, 2_000, 500, 1_500, 2_500].into_iter().enumerate() {
        clock.set(Timestamp::from_micros(now));
        let store = open(&locator, &resources).await?;
        store.events.append(Batch::of(counted("a-1", n as u128 + 1, "0")?)).await?;
        expected.push(now.max(expected.last().copied().unwrap_or_default()));
        let events = read(&*store.events, Selection::all()).await?;
        let times: Vec<_> = events.iter().map(|event| event.recorded_at().as_micros()).collect();
        assert_eq!(times, expected);
        store.close().await;
    }
    Ok(())
}
