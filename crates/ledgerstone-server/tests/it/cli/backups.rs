//! Backups: taken while events are appended, checked, damaged, and restored.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::Value;

use super::commands::{DECLARATION, Served};
use super::failures::Mount;
use super::{Desk, Ended, number};

pub(super) fn add(trials: &mut Trials) {
    for scheme in ["file", "sqlite"] {
        let name = |what: &str| format!("cli::{scheme}::{what}");
        trials.add(&name("backups_taken_while_events_are_appended_are_whole"), move || written_to(scheme));
        trials.add(&name("a_restored_store_goes_on_in_a_new_epoch"), move || restored(scheme));
        trials.add(&name("a_damaged_backup_is_named_and_nothing_is_restored"), move || damaged(scheme));
        trials.add(&name("a_backup_is_not_restored_over_anything"), move || occupied(scheme));
        trials.add(&name("a_folder_takes_backups_of_one_log_only"), move || foreign(scheme));
    }
    trials.add("cli::a_second_backup_copies_what_is_new", incremental);
    trials.add("cli::a_damaged_segment_is_not_backed_up", damaged_source);
    trials.add("cli::a_restore_that_was_killed_is_refused_and_done_again", killed);
    trials.add("cli::a_backup_needs_a_store_with_files_and_a_folder_of_its_own", misplaced);
    // Only where this process may mount file systems.
    if let Some(mount) = Mount::tmpfs("size=1m") {
        trials.add("cli::a_full_disk_leaves_the_earlier_backup_whole", move || full(mount));
    }
}

/// A desk whose store is a folder of small segments, or a database.
fn desk(scheme: &str) -> Desk {
    let mut desk = Desk::new();
    if scheme == "file" {
        desk.store = format!("file:{}?segment_bytes=8192", desk.path("data").display());
    }
    desk
}

/// Writes a feed of events of seven streams.
fn feed(desk: &Desk, name: &str, events: std::ops::Range<usize>) {
    let line =
        |n: usize| format!("{{\"stream\":\"a-{}\",\"type\":\"Counted\",\"data\":{{\"n\":{n}}}}}\n", n % 7);
    desk.write(name, events.map(line).collect::<String>());
}

fn filled(scheme: &str) -> Desk {
    let desk = desk(scheme);
    feed(&desk, "events.ndjson", 0..300);
    desk.done(&["import", "events.ndjson", "--batch", "20"]);
    desk
}

/// Returns a desk in the same folder with another store.
fn other(desk: &Desk, scheme: &str, name: &str) -> String {
    format!("{scheme}:{}", desk.path(name).display())
}

fn at<'a>(store: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--store", store], arguments].concat()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
}

async fn written_to(scheme: &'static str) -> CaseResult {
    let desk = desk(scheme);
    let server = Served::start(&desk, &[]).await;
    desk.write("counters.toml", DECLARATION);
    desk.done(&["events", "append", "a-0", "Counted", r#"{"n":0}"#]);
    desk.done(&["read-models", "declare", "counters.toml"]);
    feed(&desk, "events.ndjson", 0..4_000);
    let mut import = desk.command(&["import", "events.ndjson", "--batch", "5"]);
    let mut import = import.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let (mut during, mut taken) = (0, Vec::new());
    while import.try_wait()?.is_none() {
        let name = format!("backup-{}", taken.len() % 3);
        taken.push(desk.json(&["backup", &name]));
        during = taken.len();
    }
    taken.push(desk.json(&["backup", "backup-last"]));
    assert!(during > 0, "none was taken while events were appended");
    let all = lines(&desk.done(&["events", "read", "--json"]));
    let digest = desk.digest();
    server.stop().await;
    assert_eq!(all.len(), 4_001);
    let last = during.min(3);
    let names = (0..last).map(|n| format!("backup-{n}")).chain(["backup-last".to_owned()]);
    for name in names {
        let checked = desk.json(&["backup", &name, "--verify"]);
        assert_eq!(checked["problems"], serde_json::json!([]), "{name}: {checked}");
        let store = other(&desk, scheme, &format!("of-{name}"));
        let restored = desk.json(&at(&store, &["restore", &name]));
        let events = number(&restored["heads"], "application") as usize;
        let found = lines(&desk.done(&at(&store, &["events", "read", "--json"])));
        assert!(found == all[..events], "{name} is no beginning of the log");
        desk.done(&at(&store, &["events", "verify"]));
        let shown = desk.json(&at(&store, &["read-models", "show", "counters"]));
        assert!(number(&shown, "lag") <= events as u64, "{shown}");
        assert_eq!(
            desk.done(&at(&store, &["read-models", "query", "counters", "--count"])).lines().count(),
            1
        );
        if name == "backup-last" {
            assert_eq!(desk.json(&at(&store, &["events", "digest"])), digest);
        }
    }
    Ok(())
}

async fn restored(scheme: &'static str) -> CaseResult {
    let desk = filled(scheme);
    desk.write("counters.toml", DECLARATION);
    desk.done(&["read-models", "declare", "counters.toml"]);
    desk.done(&["streams", "truncate", "a-1", "--before", "3", "--transient"]);
    let once = r#"{"appends":[{"stream":"m-1","events":[{"type":"Marked"}]}],"marks":[{"once":{"name":"seen-1","keep_for_ms":86400000}}]}"#;
    desk.write("batch.json", once);
    desk.done(&["events", "append", "--batch", "batch.json"]);
    desk.done(&["read-models", "list"]);
    desk.done(&["read-models", "query", "counters", "--count"]);
    let before = desk.json(&["read-models", "show", "counters"]);
    let taken = desk.json(&["backup", "saved"]);
    let store = other(&desk, scheme, "again");
    let restored = desk.json(&at(&store, &["restore", "saved"]));
    assert_eq!(restored["forked_from"], taken["log"], "{restored}");
    assert_ne!(restored["log"], taken["log"], "{restored}");
    assert!(number(&restored, "read_models") > 0, "{restored}");
    assert_eq!(desk.json(&at(&store, &["events", "digest"])), desk.digest());
    // The read model stands where it stood, in the new epoch, and goes on from there.
    let shown = desk.json(&at(&store, &["read-models", "show", "counters"]));
    assert_eq!(shown["lag"], before["lag"], "{shown}");
    let point = shown["checkpoint"].as_str().expect("a checkpoint");
    assert!(point.starts_with(restored["log"].as_str().expect("a log")), "{shown}");
    desk.done(&at(&store, &["events", "append", "a-9", "Counted", r#"{"n":9000}"#]));
    let count = ["read-models", "query", "counters", "--where", "n=9000", "--count"];
    assert_eq!(desk.done(&at(&store, &count)), "1\n");
    let rebuilt = desk.json(&at(&store, &["read-models", "rebuild", "counters"]));
    assert_eq!(number(&rebuilt, "parked"), 0);
    // The mark has come along.
    desk.write("again.json", once.replace("m-1", "m-2"));
    desk.run(&at(&store, &["events", "append", "--batch", "again.json"])).failed(3, "LS0013");
    // A restored store is backed up in its own epoch.
    desk.run(&at(&store, &["backup", "saved"])).failed(7, "LS0035");
    desk.done(&at(&store, &["backup", "saved-again"]));
    Ok(())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|end| end == "log" || end == "db" || end == "json"));
    files
}

async fn damaged(scheme: &'static str) -> CaseResult {
    let desk = filled(scheme);
    desk.done(&["backup", "saved"]);
    let store = other(&desk, scheme, "again");
    let sound: Vec<_> = files(&desk.path("saved")).into_iter().map(|file| (fs::read(&file), file)).collect();
    for (bytes, file) in &sound {
        let bytes = bytes.as_ref().expect("bytes");
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 4;
        for changed in [Some(&flipped[..]), Some(&bytes[..bytes.len() - 3]), Some(&[][..]), None] {
            match changed {
                Some(changed) => fs::write(file, changed)?,
                None => fs::remove_file(file)?,
            }
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            let ended = desk.run(&["backup", "saved", "--verify"]);
            ended.failed(7, "LS0035");
            assert!(
                format!("{}{}", ended.out, ended.err).contains(&name),
                "{name}: {}{}",
                ended.out,
                ended.err
            );
            desk.run(&at(&store, &["restore", "saved"])).failed(7, "LS0035");
            assert!(!desk.path("again").exists(), "{name}");
            fs::write(file, bytes)?;
        }
    }
    desk.done(&["backup", "saved", "--verify"]);
    for folder in ["none", "."] {
        desk.run(&at(&store, &["restore", folder])).failed(7, "LS0035");
    }
    desk.done(&at(&store, &["restore", "saved"]));
    assert_eq!(desk.json(&at(&store, &["events", "digest"])), desk.digest());
    Ok(())
}

async fn occupied(scheme: &'static str) -> CaseResult {
    let desk = filled(scheme);
    desk.done(&["backup", "saved"]);
    let digest = desk.digest();
    desk.run(&["restore", "saved"]).failed(3, "LS0029");
    assert_eq!(desk.digest(), digest);
    let server = Served::start(&desk, &[]).await;
    desk.run(&["restore", "saved"]).failed(3, "LS0029");
    server.stop().await;
    let wrong = if scheme == "file" { "sqlite" } else { "file" };
    let ended = desk.run(&at(&other(&desk, wrong, "wrong"), &["restore", "saved"]));
    ended.failed(2, "LS0007");
    assert!(ended.err.contains(&format!("a backup of a {scheme}: store")), "{}", ended.err);
    assert!(!desk.path("wrong").exists());
    Ok(())
}

async fn foreign(scheme: &'static str) -> CaseResult {
    let (one, two) = (filled(scheme), filled(scheme));
    one.done(&["backup", "saved"]);
    let before: Vec<_> =
        files(&one.path("saved")).into_iter().map(|file| (fs::read(&file).ok(), file)).collect();
    let place = one.path("saved");
    let saved = place.to_str().expect("a path");
    let ended = two.run(&["backup", saved]);
    ended.failed(7, "LS0035");
    assert!(ended.err.contains("of another log"), "{}", ended.err);
    // A store that was put back to an earlier state must not take the place of what came later.
    let state = one.path("state");
    let source = if scheme == "file" { one.path("data") } else { one.path("app.db") };
    copy(&source, &state)?;
    one.done(&["events", "append", "b-1", "Counted", "{}"]);
    one.done(&["backup", "saved"]);
    let late = fs::read(one.path("saved/backup.json"))?;
    remove(&source)?;
    copy(&state, &source)?;
    let ended = one.run(&["backup", "saved"]);
    ended.failed(7, "LS0035");
    assert!(ended.err.contains("the store has only"), "{}", ended.err);
    assert_eq!(fs::read(one.path("saved/backup.json"))?, late);
    assert!(!before.is_empty());
    one.done(&["backup", "saved", "--verify"]);
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_file() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_file() { fs::remove_file(path) } else { fs::remove_dir_all(path) }
}

async fn incremental() -> CaseResult {
    let desk = filled("file");
    let first = desk.json(&["backup", "saved"]);
    assert_eq!(first["files"], first["copied_files"], "{first}");
    assert!(number(&first, "files") > 4, "{first}");
    let modified = |file: &PathBuf| fs::metadata(file).and_then(|found| found.modified()).expect("a time");
    let before: Vec<_> = files(&desk.path("saved")).into_iter().map(|file| (modified(&file), file)).collect();

    let second = desk.json(&["backup", "saved"]);
    assert_eq!(number(&second, "copied_files"), 0, "{second}");
    assert!(!desk.path("data/documents.db-wal").exists() && !desk.path("data/documents.db-shm").exists());
    feed(&desk, "more.ndjson", 300..340);
    desk.done(&["import", "more.ndjson", "--batch", "20"]);
    let third = desk.json(&["backup", "saved"]);
    let copied = number(&third, "copied_files");
    assert!(copied > 0 && copied < number(&first, "files"), "{third}");
    let kept = before.iter().filter(|(time, file)| file.exists() && modified(file) == *time).count();
    assert!(kept as u64 >= number(&third, "files") - copied, "{kept} of {third}");
    desk.done(&["backup", "saved", "--verify"]);

    // What went missing is copied again.
    let lost =
        files(&desk.path("saved")).into_iter().find(|file| file.extension().is_some_and(|end| end == "log"));
    fs::remove_file(lost.expect("a segment"))?;
    let ended = desk.run(&["backup", "saved", "--verify"]);
    ended.failed(7, "LS0035");
    assert!(ended.out.contains("is missing"), "{}", ended.out);
    desk.done(&["backup", "saved"]);
    desk.done(&["backup", "saved", "--verify"]);
    let store = other(&desk, "file", "again");
    desk.done(&at(&store, &["restore", "saved"]));
    assert_eq!(desk.json(&at(&store, &["events", "digest"])), desk.digest());
    Ok(())
}

async fn damaged_source() -> CaseResult {
    let desk = filled("file");
    desk.done(&["backup", "saved"]);
    let segment = desk.path("data/log/000000000002.log");
    let mut bytes = fs::read(&segment)?;
    bytes[5_000] ^= 1;
    fs::write(&segment, bytes)?;
    // The earlier backup has the segment as it was.
    desk.done(&["backup", "saved"]);
    let ended = desk.run(&["backup", "fresh"]);
    ended.failed(7, "LS0006");
    assert!(ended.err.contains("000000000002.log is damaged at byte"), "{}", ended.err);
    assert!(!desk.path("fresh").exists(), "a backup that came to nothing leaves nothing");
    let store = other(&desk, "file", "again");
    desk.done(&at(&store, &["restore", "saved"]));
    desk.done(&at(&store, &["events", "verify"]));
    Ok(())
}

async fn killed() -> CaseResult {
    let desk = filled("file");
    desk.done(&["backup", "saved"]);
    let store = other(&desk, "file", "again");
    // As kills leave it: before anything was moved, and between the documents and the log.
    for moved in [false, true] {
        let _ = fs::remove_dir_all(desk.path("again"));
        desk.done(&at(&store, &["restore", "saved"]));
        fs::create_dir(desk.path("again/restoring"))?;
        fs::rename(desk.path("again/log"), desk.path("again/restoring/log"))?;
        if !moved {
            fs::rename(desk.path("again/documents.db"), desk.path("again/restoring/documents.db"))?;
        }
        for arguments in [&["events", "read"][..], &["events", "append", "x", "X"], &["backup", "other"]] {
            let ended = desk.run(&at(&store, arguments));
            ended.failed(7, "LS0006");
            assert!(ended.err.contains("was not finished"), "{}", ended.err);
        }
        desk.done(&at(&store, &["restore", "saved"]));
        assert_eq!(desk.json(&at(&store, &["events", "digest"])), desk.digest());
    }
    Ok(())
}

async fn misplaced() -> CaseResult {
    let desk = filled("file");
    desk.run(&at("memory:", &["backup", "saved"])).failed(1, "LS0031");
    desk.run(&at("http://127.0.0.1:1", &["backup", "saved"])).failed(1, "LS0031");
    desk.run(&at("file:none", &["backup", "saved"])).failed(4, "LS0033");
    assert!(!desk.path("saved").exists());
    fs::create_dir(desk.path("full"))?;
    desk.write("full/note.txt", "mine");
    desk.run(&["backup", "full"]).failed(3, "LS0029");
    desk.run(&["backup", "data"]).failed(3, "LS0029");
    assert_eq!(desk.read("full/note.txt"), "mine");
    desk.run(&["backup", "events.ndjson"]).failed(2, "LS0007");
    Ok(())
}

async fn full(mount: Mount) -> CaseResult {
    let desk = desk("file");
    feed(&desk, "events.ndjson", 0..800);
    desk.done(&["import", "events.ndjson", "--batch", "50"]);
    let place = mount.path().join("saved");
    let saved = place.to_str().expect("a path");
    desk.done(&["backup", saved]);
    let heads = desk.json(&["backup", saved, "--verify"])["heads"].clone();
    feed(&desk, "more.ndjson", 800..12_000);
    desk.done(&["import", "more.ndjson", "--batch", "500"]);
    desk.run(&["backup", saved]).failed(7, "LS0003");
    let checked = desk.json(&["backup", saved, "--verify"]);
    assert_eq!((&checked["heads"], &checked["problems"]), (&heads, &serde_json::json!([])));
    let store = other(&desk, "file", "again");
    desk.done(&at(&store, &["restore", saved]));
    // With room again, the same command goes on.
    assert!(mount.mount(&["-o", "remount,size=64m"]), "the file system grows");
    desk.done(&["backup", saved]);
    desk.done(&["backup", saved, "--verify"]);
    // A restore that fills its disk leaves nothing that could be taken for a store.
    assert!(mount.mount(&["-o", "remount,size=3m"]), "the file system shrinks");
    let target = format!("file:{}", mount.path().join("again").display());
    Ended::of(desk.command(&at(&target, &["restore", saved])).output()?).failed(7, "LS0003");
    desk.run(&at(&target, &["events", "read"])).failed(4, "");
    Ok(())
}
