//! A folder that is damaged, half there, or on a disk that fails: named, and nothing made up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::Value;

use super::commands::DECLARATION;
use super::{Desk, Ended, number};

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::a_segment_of_a_newer_format_is_named_and_left_alone", newer);
    trials.add("cli::a_folder_that_is_half_deleted_is_refused", half_deleted);
    trials.add("cli::documents_that_are_gone_are_made_again_from_the_log", without_documents);
    trials.add("cli::an_index_of_another_log_is_made_again", foreign_index);
    // Only where a disk that fails can be built.
    if let Some(shim) = shim() {
        let full = shim.clone();
        trials
            .add("cli::a_disk_that_takes_no_more_writes_is_read_and_loses_nothing", move || full_disk(full));
        trials.add("cli::a_failed_sync_is_told_and_writing_goes_on", move || failed_sync(shim));
    }
}

fn filled() -> Desk {
    let mut desk = Desk::new();
    desk.store = format!("file:{}?segment_bytes=8192", desk.path("data").display());
    let line =
        |n: usize| format!("{{\"stream\":\"a-{}\",\"type\":\"Counted\",\"data\":{{\"n\":{n}}}}}\n", n % 7);
    desk.write("events.ndjson", (0..300).map(line).collect::<String>());
    desk.done(&["import", "events.ndjson", "--batch", "20"]);
    desk
}

fn files(desk: &Desk, ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(desk.path("data/log")).expect("a folder");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == ending));
    files.sort();
    files
}

async fn newer() -> CaseResult {
    let desk = filled();
    let segment = files(&desk, "log").swap_remove(1);
    let mut bytes = fs::read(&segment)?;
    bytes[8] = 99;
    fs::write(&segment, &bytes)?;
    for arguments in [&["events", "read"][..], &["events", "append", "a-1", "X"], &["backup", "saved"]] {
        let ended = desk.run(arguments);
        ended.failed(7, "LS0004");
        assert!(ended.err.contains("000000000002.log has format 99"), "{}", ended.err);
    }
    assert_eq!(fs::read(&segment)?, bytes);
    Ok(())
}

async fn half_deleted() -> CaseResult {
    for (lost, told) in
        [("log/000000000003.log", "000000000003.log is missing"), ("log", "the segments of log")]
    {
        let desk = filled();
        let (path, aside) = (desk.path("data").join(lost), desk.path("aside"));
        let digest = desk.digest();
        fs::rename(&path, &aside)?;
        let arguments = [
            &["events", "read"][..],
            &["events", "append", "a-1", "X"],
            &["events", "verify"],
            &["--read-only", "events", "read"],
        ];
        for arguments in arguments {
            let ended = desk.run(arguments);
            assert_ne!(ended.code, 0, "{arguments:?}: {}", ended.out);
            assert!(
                format!("{}{}", ended.out, ended.err).contains(told),
                "{lost}: {}{}",
                ended.out,
                ended.err
            );
        }
        // What was missing fits as if nothing had happened.
        assert!(!path.is_file());
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::rename(&aside, &path)?;
        assert_eq!(desk.digest(), digest);
    }
    // Without the newest segment, the watermark and the tables beside it show that one is missing.
    let desk = filled();
    let newest = files(&desk, "log").pop().expect("a segment");
    fs::remove_file(newest)?;
    let ended = desk.run(&["events", "read"]);
    ended.failed(7, "LS0006");
    Ok(())
}

async fn without_documents() -> CaseResult {
    let desk = filled();
    desk.write("counters.toml", DECLARATION);
    desk.done(&["read-models", "declare", "counters.toml"]);
    let query = ["read-models", "query", "counters", "--where", "n=299", "--count"];
    assert_eq!(desk.done(&query), "1\n");
    let digest = desk.digest();
    fs::write(desk.path("data/documents.db"), [7; 9_000])?;
    for arguments in [&["events", "read"][..], &["--read-only", "events", "read"]] {
        desk.run(arguments).failed(7, "move it away, and read models are built anew");
    }
    fs::remove_file(desk.path("data/documents.db"))?;
    assert_eq!(desk.digest(), digest);
    desk.done(&["read-models", "declare", "counters.toml"]);
    assert_eq!(desk.done(&query), "1\n");
    Ok(())
}

async fn foreign_index() -> CaseResult {
    let (desk, other) = (filled(), filled());
    let read = ["events", "read", "--stream", "a-3", "--json"];
    let expected = desk.done(&read);
    let (own, foreign) = (files(&desk, "index"), files(&other, "index"));
    assert!(own.len() >= 3 && foreign.len() >= 3, "{own:?}");
    // Of another log and another stretch, of nothing at all, and cut.
    fs::copy(&foreign[2], &own[0])?;
    fs::write(&own[1], "no index")?;
    let bytes = fs::read(&own[2])?;
    fs::write(&own[2], &bytes[..bytes.len() / 2])?;
    assert!(desk.done(&read) == expected, "events are left out");
    assert_eq!(desk.json(&["events", "verify"])["problems"], serde_json::json!([]));
    assert_eq!(fs::read(&own[2])?, bytes);
    Ok(())
}

/// Builds the disk that fails, to be preloaded.
fn shim() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask/faults/failing_disk.c");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failing_disk.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&built).arg(source).arg("-ldl");
    let is_linux = cfg!(target_os = "linux");
    (is_linux && compiler.output().is_ok_and(|ended| ended.status.success())).then_some(built)
}

/// A server whose disk fails.
struct Failing(Child);

impl Failing {
    fn start(desk: &Desk, shim: &Path, fault: &str) -> Self {
        use std::io::{BufRead as _, BufReader};
        let mut command = desk.command(&["serve", "--listen", "127.0.0.1:0", "--json", "--no-projections"]);
        command.env("LD_PRELOAD", shim).env("FAILING_DISK_FAULT", fault);
        command.env("FAILING_DISK_FOLDER", desk.path("data/log"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("it runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert!(line.contains("\"address\""), "{line}");
        Self(child)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Appends until that fails, so many times at most; returns how many were taken, and what the failure said.
fn append_until_refused(desk: &Desk, most: u64) -> (u64, Option<Ended>) {
    for n in 0..most {
        let ended = desk.run(&["events", "append", "b-1", "Counted", &n.to_string()]);
        if ended.code != 0 {
            return (n, Some(ended));
        }
    }
    (most, None)
}

fn revision(desk: &Desk) -> Option<u64> {
    let shown: Value = desk.json(&["streams", "show", "b-1"]);
    shown.get("revision").and_then(Value::as_u64)
}

async fn full_disk(shim: PathBuf) -> CaseResult {
    let desk = filled();
    let server = Failing::start(&desk, &shim, "full 60");
    let (taken, refused) = append_until_refused(&desk, 400);
    let refused = refused.expect("a full disk takes no append");
    assert!(taken > 3, "{taken}");
    // Where what a failed write left cannot be cut away either, nobody knows what became of it.
    assert!(matches!(refused.code, 5 | 7), "{}", refused.err);
    desk.run(&["events", "append", "b-1", "Counted", "0"]).failed(7, "LS0003");
    // Reads go on, and writing stays refused rather than half done.
    assert_eq!(revision(&desk), Some(taken - 1));
    assert_eq!(number(&desk.digest(), "application"), 300 + taken);
    desk.run(&["events", "append", "b-1", "Counted", "0"]).failed(7, "LS0003");
    let doctor = desk.run(&["doctor"]);
    assert!(doctor.code == 6 && doctor.out.contains("the newest append failed"), "{}", doctor.out);
    drop(server);
    // A disk that takes writes again is written to where it stood.
    assert_eq!(revision(&desk), Some(taken - 1));
    let expected = (taken - 1).to_string();
    desk.done(&["events", "append", "b-1", "Counted", "1", "--expected", &expected]);
    assert_eq!(desk.json(&["events", "verify"])["problems"], serde_json::json!([]));
    Ok(())
}

async fn failed_sync(shim: PathBuf) -> CaseResult {
    let desk = filled();
    let (mut taken, mut failed) = (0, None);
    for sync in 30..40 {
        let server = Failing::start(&desk, &shim, &format!("sync {sync}"));
        let (more, refused) = append_until_refused(&desk, 60);
        taken += more;
        if let Some(refused) = refused {
            failed = Some((server, refused));
            break;
        }
        // It was the sync of an index, for which nobody waits.
    }
    let (server, refused) = failed.expect("the sync of no append has failed");
    refused.failed(5, "LS0028");
    // It resumes in a new segment, without a restart, and nothing of what was told is lost.
    let segments = files(&desk, "log").len();
    desk.done(&["events", "append", "b-1", "Counted", "0"]);
    assert_eq!(files(&desk, "log").len(), segments + 1);
    assert!(revision(&desk) >= Some(taken));
    drop(server);
    assert!(revision(&desk) >= Some(taken));
    assert_eq!(desk.json(&["events", "verify"])["problems"], serde_json::json!([]));
    Ok(())
}
