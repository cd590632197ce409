//! What callers are told, and what is left, when the disk fails writes and syncs under the store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use futures_util::StreamExt as _;
use ledgerstone_core::{
    Append, Batch, EventData, EventStore as _, EventStoreError, EventType, ExpectedRevision, Position,
    Selection, StreamId, SystemClock, TimeOrderedIds,
};
use uuid::Uuid;

use crate::group_commit::GroupCommit;
use crate::sqlite::database::Database;
use crate::sqlite::events::SqliteEvents;
use crate::sqlite::events::inspect::inspect;

const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask/faults/failing_disk.c");
const PLACE: &str = "FAILING_DISK_TEST_PLACE";
const GIVES_UP: &str = "FAILING_DISK_TEST_GIVES_UP";
const BATCHES: u64 = 60;
const EVENTS: u64 = 3;

/// A batch over two streams.
fn batch(number: u64) -> Batch {
    let event = |nth: u64| {
        let id = Uuid::from_u128(u128::from(number * EVENTS + nth) + 1);
        EventData::json(id, EventType::new("Noted").expect("a type"), vec![b' '; 700])
    };
    let to = |name: String, events| {
        Append::to(StreamId::new(name).expect("a stream"), ExpectedRevision::Any, events)
    };
    let mut batch = Batch::of(to(format!("account-{}", number % 7), vec![event(0), event(1)]));
    batch.appends.push(to(format!("owner-{}", number % 5), vec![event(2)]));
    batch
}

fn open(path: &Path) -> Option<GroupCommit<SqliteEvents>> {
    let database = Database::open(path).ok()?;
    SqliteEvents::open(database, Arc::new(SystemClock::new()), &TimeOrderedIds).ok()
}

/// Not a test of its own: what the tests below run on a failing disk. It tells every answer.
#[test]
fn child_that_appends_on_a_failing_disk() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let gives_up = std::env::var_os(GIVES_UP).is_some();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let Some(store) = open(&place) else { return eprintln!("unopened") };
        let store = &store;
        let appends = futures_util::stream::iter(0..BATCHES).map(|number| async move {
            for _ in 0..5 {
                match store.append(batch(number)).await {
                    Ok(appended) => {
                        return eprintln!("acknowledged {number} {}", appended.last.application);
                    }
                    Err(EventStoreError::Indeterminate(_)) => eprintln!("indeterminate {number} 0"),
                    Err(error) => {
                        assert!(error.is_retryable(), "{error}");
                        eprintln!("refused {number} 0");
                    }
                }
                if gives_up {
                    // As a process that dies of the failure: nothing is closed or tidied up.
                    std::process::abort();
                }
            }
        });
        appends.buffered(4).collect::<Vec<_>>().await;
    });
}

/// A folder with the compiled shim, and what a run on it gives.
struct Bench {
    folder: tempfile::TempDir,
    shim: PathBuf,
}

/// What the child said: its answers by number, the position for those that were acknowledged.
struct Told {
    acknowledged: BTreeMap<u64, u64>,
    indeterminate: Vec<u64>,
    refused: Vec<u64>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let shim = folder.path().join("failing_disk.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&shim)
            .arg(SHIM)
            .arg("-ldl")
            .status();
        assert!(compiled.expect("cc runs").success());
        Self { folder, shim }
    }

    fn path(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        folder.canonicalize().expect("a path").join("app.db")
    }

    /// Runs the child on a disk with this fault.
    fn run(&self, place: &Path, fault: &str, gives_up: bool) -> Output {
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        child.args(["--exact", "--nocapture"]);
        child.arg("sqlite::events::failing_disk_tests::child_that_appends_on_a_failing_disk");
        child.env("LD_PRELOAD", &self.shim).env("FAILING_DISK_FAULT", fault).env(PLACE, place);
        child.env("FAILING_DISK_FOLDER", place.parent().expect("a folder"));
        child.env("FAILING_DISK_COUNT", self.folder.path().join("count"));
        if gives_up {
            child.env(GIVES_UP, "yes");
        }
        child.output().expect("runs")
    }

    /// Returns how many syncs and writes an undisturbed run makes.
    fn count(&self) -> (u64, u64) {
        let output = self.run(&self.path("undisturbed"), "none 0", false);
        assert!(output.status.success());
        let text = std::fs::read_to_string(self.folder.path().join("count")).expect("a count");
        let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
        (numbers.next().expect("a count of syncs"), numbers.next().expect("a count of writes"))
    }
}

impl Told {
    fn by(output: &Output) -> Self {
        let mut told = Self { acknowledged: BTreeMap::new(), indeterminate: Vec::new(), refused: Vec::new() };
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [answer, number, at] = words[..] else { continue };
            let (Ok(number), Ok(at)) = (number.parse(), at.parse()) else { continue };
            match answer {
                "acknowledged" => drop(told.acknowledged.insert(number, at)),
                "indeterminate" => told.indeterminate.push(number),
                "refused" => told.refused.push(number),
                _ => {}
            }
        }
        told
    }
}

/// Returns the ids of a log, by position from 1.
async fn ids(store: &GroupCommit<SqliteEvents>) -> Vec<u128> {
    let mut ids = Vec::new();
    let mut frames = store.read(Selection::all());
    while let Some(frame) = frames.next().await {
        for event in frame.expect("a frame").events {
            assert_eq!(event.position(), Position(ids.len() as u64 + 1));
            ids.push(event.id().as_u128());
        }
    }
    ids
}

/// Holds what is left to what was told: acknowledged is there, refused is not, nothing is half there.
async fn check(place: &Path, told: &Told, fault: &str) {
    let store = open(place).unwrap_or_else(|| panic!("{fault}: it does not open any more"));
    let left = ids(&store).await;
    for (number, last) in &told.acknowledged {
        let last = usize::try_from(*last).expect("a position");
        for nth in 0..EVENTS {
            let at = last - (EVENTS - nth) as usize;
            assert_eq!(left.get(at), Some(&(u128::from(number * EVENTS + nth) + 1)), "{fault}: {number}");
        }
    }
    for number in 0..BATCHES {
        let is_there = |nth| left.contains(&(u128::from(number * EVENTS + nth) + 1));
        let there = (0..EVENTS).filter(|nth| is_there(*nth)).count() as u64;
        assert!(there == 0 || there == EVENTS, "{fault}: {there} events of batch {number}");
        let only_refused = told.refused.contains(&number)
            && !told.acknowledged.contains_key(&number)
            && !told.indeterminate.contains(&number);
        assert!(!(only_refused && there > 0), "{fault}: batch {number} was refused and is there");
    }
    // Asking again with the same ids converges.
    for number in 0..BATCHES {
        store.append(batch(number)).await.unwrap_or_else(|error| panic!("{fault}: {number}: {error}"));
    }
    let mut all = ids(&store).await;
    all.sort_unstable();
    assert_eq!(all, (1..=u128::from(BATCHES * EVENTS)).collect::<Vec<_>>(), "{fault}");
    store.close().await;
    drop(store);
    assert_eq!(inspect(place).expect("looked at").problems, Vec::<String>::new(), "{fault}");
}

/// Runs every kind of fault at several counts, and returns how many appends were indeterminate.
fn run_faults(bench: &Bench, gives_up: bool) -> usize {
    let (syncs, writes) = bench.count();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut indeterminate = 0;
    for (kind, most) in [("sync", syncs), ("write", writes), ("half", writes), ("full", writes)] {
        for part in 1..=4 {
            let fault = format!("{kind} {}", most * part / 4 - most / 8);
            let place = bench.path(&format!("{kind}-{part}-{gives_up}"));
            let output = bench.run(&place, &fault, gives_up);
            let told = Told::by(&output);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() || gives_up, "{fault}: {errors}");
            let goes_on = !gives_up && kind != "full" && !errors.contains("unopened");
            assert!(!goes_on || told.acknowledged.len() as u64 == BATCHES, "{fault}: {errors}");
            indeterminate += told.indeterminate.len();
            runtime.block_on(check(&place, &told, &fault));
        }
    }
    indeterminate
}

#[test]
fn a_store_that_outlives_a_failing_disk_lost_nothing_that_it_acknowledged() {
    let indeterminate = run_faults(&Bench::new(), false);
    assert!(indeterminate > 0, "no append was indeterminate");
}

#[test]
fn a_process_that_dies_of_a_failing_disk_leaves_nothing_half_done() {
    let indeterminate = run_faults(&Bench::new(), true);
    assert!(indeterminate > 0, "no append was indeterminate");
}
