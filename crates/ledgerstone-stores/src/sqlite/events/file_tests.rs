//! What the file holds: for people, after a disk has run full, and after the process was killed while it wrote.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use ledgerstone_core::{
    Append, Batch, Code, EventData, EventStore as _, EventStoreError, EventType, ExpectedRevision, Position,
    Selection, StreamId, SystemClock, Tag, TimeOrderedIds,
};
use uuid::Uuid;

use crate::group_commit::{CommitLog as _, ReadLog as _};
use crate::sqlite::database::Database;
use crate::sqlite::events::SqliteEvents;
use crate::staged::Staged;

const PLACE: &str = "LEDGERSTONE_CRASH_TEST_PLACE";

fn batch(number: u64, payload: usize) -> Batch {
    let stream = StreamId::new(format!("account-{}", number % 7)).expect("a stream");
    let mut event = EventData::json(
        Uuid::from_u128(u128::from(number) + 1),
        EventType::new("Noted").expect("a type"),
        vec![b' '; payload],
    );
    event.tags.push(Tag::new(format!("n:{}", number % 50)).expect("a tag"));
    Batch::of(Append::to(stream, ExpectedRevision::Any, vec![event]))
}

fn open(path: &Path) -> Arc<Database> {
    Database::open(path).expect("a database")
}

#[test]
fn a_full_disk_leaves_nothing_half_done_and_may_be_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = open(&folder.path().join("app.db"));
    let clock = Arc::new(SystemClock::new());
    let (reader, mut writer) = SqliteEvents::halves(database, clock, &TimeOrderedIds).expect("opens");
    let hasher = reader.hasher().map(|terms| terms.0);
    let stage = |number, payload| vec![Staged::new(batch(number, payload), hasher).expect("a batch")];
    let appended = |verdicts: Vec<Result<ledgerstone_core::Appended, EventStoreError>>| {
        verdicts
            .into_iter()
            .map(|verdict| verdict.map(|appended| appended.last.application))
            .collect::<Vec<_>>()
    };
    assert!(matches!(appended(writer.commit(&mut stage(0, 10)))[..], [Ok(Position(1))]));
    // The database may not grow by another page.
    let pages: i64 =
        writer.connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("pages");
    writer.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).expect("a limit");
    let mut group = stage(1, 100_000);
    group.extend(stage(2, 10));
    for verdict in writer.commit(&mut group) {
        let error = verdict.expect_err("full");
        assert_eq!(error.code(), Code::DiskFull, "{error}");
        assert!(error.is_retryable());
    }
    assert_eq!(writer.heads().application, Position(1));
    // The writer begins anew with a connection that has no such limit, as if room had been made.
    assert!(matches!(appended(writer.commit(&mut stage(1, 100_000)))[..], [Ok(Position(2))]));
    assert!(matches!(appended(writer.commit(&mut stage(0, 10)))[..], [Ok(Position(1))]));
}

#[test]
fn people_can_read_the_events_in_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let clock = Arc::new(SystemClock::new());
    let (reader, mut writer) = SqliteEvents::halves(open(&path), clock, &TimeOrderedIds).expect("opens");
    let mut long = batch(3, 2);
    long.appends[0].stream = Some(StreamId::new("a".repeat(300)).expect("a stream"));
    for batch in [batch(1, 2), long] {
        let staged = Staged::new(batch, reader.hasher().map(|terms| terms.0)).expect("a batch");
        writer.commit(&mut [staged]).remove(0).expect("appends");
    }
    let sql = "SELECT position || ' ' || tenant || ' ' || stream || ' ' || type || ' [' || data || ']' FROM readable_events";
    let mut statement = writer.connection.prepare(sql).expect("the view");
    let lines = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    let lines: Vec<_> = lines.map(|line| line.expect("a line")).collect();
    assert_eq!(lines, ["1  account-1 Noted [  ]".to_owned(), format!("2  {} Noted [  ]", "a".repeat(300))]);
}

/// Not a test of its own: what [`nothing_acknowledged_is_lost_when_the_process_is_killed`] kills.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let clock = Arc::new(SystemClock::new());
        let store = Arc::new(SqliteEvents::open(open(&place), clock, &TimeOrderedIds).expect("opens"));
        let from = store.head().await.expect("a head").heads.application.0;
        let appends = futures_util::stream::iter(from..).map(|number| {
            let store = Arc::clone(&store);
            async move { (number, store.append(batch(number, 50)).await.expect("appends")) }
        });
        let mut answers = appends.buffered(16);
        while let Some((number, appended)) = answers.next().await {
            let mut out = std::io::stderr().lock();
            writeln!(out, "acknowledged {number} {}", appended.last.application).expect("writes");
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.db");
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([
                "--exact",
                "--nocapture",
                "sqlite::events::file_tests::child_that_appends_until_it_is_killed",
            ])
            .env(PLACE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its errors")).lines();
        let mut take = |line: String| {
            let numbers = line.strip_prefix("acknowledged ").and_then(|rest| rest.split_once(' '));
            let numbers = numbers.and_then(|(number, at)| Some((number.parse().ok()?, at.parse().ok()?)));
            acknowledged.extend(numbers.map(|(number, at): (u64, u64)| (number, Position(at))));
        };
        lines.by_ref().take(60 + round * 45).map_while(Result::ok).for_each(&mut take);
        std::thread::sleep(Duration::from_millis(3 * round as u64));
        child.kill().expect("kills");
        child.wait().expect("ends");
        lines.map_while(Result::ok).for_each(take);
    }
    assert!(acknowledged.len() > 300, "{} appends were acknowledged", acknowledged.len());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let store =
            SqliteEvents::open(open(&path), Arc::new(SystemClock::new()), &TimeOrderedIds).expect("opens");
        let frames: Vec<_> = store.read(Selection::all()).collect().await;
        let events: Vec<_> = frames.into_iter().flat_map(|frame| frame.expect("a frame").events).collect();
        for (event, position) in events.iter().zip(1..) {
            assert_eq!(event.position(), Position(position));
        }
        for (number, position) in acknowledged {
            let event = &events[position.0 as usize - 1];
            assert_eq!((event.id().as_u128(), event.position()), (u128::from(number) + 1, position));
        }
    });
}
