//! The store of one folder, as the commands see it.

use std::fs;
use std::path::PathBuf;

use ledgerstone_testkit::conformance::{CaseResult, Trials};

use super::{Desk, account, number};

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::a_folder_is_imported_into_exported_and_restored", restored);
    trials.add("cli::an_export_never_goes_among_the_files_of_its_store", outside);
    trials.add("cli::a_damaged_segment_is_named_and_nothing_is_made_up", damaged);
    trials.add("cli::a_torn_tail_is_cut_and_told_and_a_cut_one_is_damage_to_who_only_reads", torn);
    trials.add("cli::a_folder_of_other_files_is_left_alone_by_who_only_looks", of_others);
    trials.add("cli::a_folder_with_a_half_restore_is_refused_until_it_is_done_again", half);
    trials.add("cli::a_folder_without_its_indexes_makes_them_again", without_indexes);
}

/// A desk whose store is a folder with segments so small that there are several.
fn folder() -> Desk {
    let mut desk = Desk::new();
    desk.store = format!("file:{}?segment_bytes=8192", desk.path("data").display());
    desk
}

/// Imports three hundred events of seven streams.
fn filled() -> Desk {
    let desk = folder();
    let line =
        |n: usize| format!("{{\"stream\":\"a-{}\",\"type\":\"Counted\",\"data\":{{\"n\":{n}}}}}\n", n % 7);
    desk.write("events.ndjson", (0..300).map(line).collect::<String>());
    let first = desk.json(&["import", "events.ndjson", "--batch", "20"]);
    assert_eq!(account(&first), [300, 300, 0, 0]);
    desk
}

fn segments(desk: &Desk) -> Vec<PathBuf> {
    let files = fs::read_dir(desk.path("data").join("log")).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    let mut segments: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|end| end == "log")).collect();
    segments.sort();
    segments
}

async fn restored() -> CaseResult {
    let mut desk = filled();
    assert!(segments(&desk).len() > 3, "{:?}", segments(&desk));
    assert_eq!(account(&desk.json(&["import", "events.ndjson"])), [300, 0, 300, 0]);
    desk.done(&["streams", "truncate", "a-1", "--before", "3", "--transient"]);
    let digest = desk.digest();
    desk.done(&["export", "--to", "all.ndjson"]);
    let origin = desk.store.clone();
    for copy in ["file:copy", "sqlite:copy.db"] {
        desk.store = copy.to_owned();
        desk.done(&["import", "--restore", "all.ndjson"]);
        assert_eq!(desk.digest(), digest, "{copy}");
        assert_eq!(number(&desk.json(&["events", "verify"]), "streams"), 8, "seven, and one of the system");
    }
    desk.store = origin;
    desk.done(&["events", "append", "b-1", "Counted", "{}"]);
    desk.run(&["import", "--restore", "all.ndjson"]).failed(3, "LS0029");
    Ok(())
}

async fn outside() -> CaseResult {
    let desk = filled();
    let digest = desk.digest();
    for inside in ["data/log/000000000001.log", "data/log/x.log", "data/documents.db.lock", "data/../data/x"]
    {
        desk.run(&["export", "--to", inside, "--force"]).failed(2, "among the files");
    }
    assert!(!desk.path("data/log/x.log").exists());
    assert_eq!(desk.digest(), digest);
    desk.done(&["export", "--to", "data.ndjson"]);
    Ok(())
}

async fn damaged() -> CaseResult {
    let desk = filled();
    let segment = segments(&desk).swap_remove(0);
    let mut bytes = fs::read(&segment)?;
    // Within the data of an event.
    let data = br#"{"n":7}"#;
    let at = bytes.windows(data.len()).position(|window| window == data).expect("the data");
    bytes[at] ^= 1;
    fs::write(&segment, bytes)?;
    let name = segment.file_name().expect("a name").to_string_lossy().into_owned();
    let found = desk.run(&["events", "verify"]);
    assert_eq!(found.code, 7, "{}{}", found.out, found.err);
    assert!(found.out.contains(&format!("{name} is damaged at byte")), "{}", found.out);
    let read = desk.run(&["events", "read"]);
    read.failed(7, "LS0006");
    assert!(read.err.contains(&name), "{}", read.err);
    Ok(())
}

async fn torn() -> CaseResult {
    let desk = filled();
    let newest = segments(&desk).pop().expect("a segment");
    let bytes = fs::read(&newest)?;
    fs::write(&newest, [&bytes[..], &[7; 500]].concat())?;
    // Who only checks leaves it there.
    assert_eq!(desk.json(&["events", "verify"])["problems"], serde_json::json!([]));
    assert_eq!(fs::metadata(&newest)?.len(), bytes.len() as u64 + 500);
    let told = desk.run(&["events", "append", "z-1", "Counted", "{}"]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.contains("cut a torn write from the log"), "{}", told.err);
    assert_eq!(desk.run(&["events", "append", "z-1", "Counted", "{}"]).err, "");

    let newest = segments(&desk).pop().expect("a segment");
    let bytes = fs::read(&newest)?;
    fs::write(&newest, &bytes[..bytes.len() - 1])?;
    desk.run(&["--read-only", "events", "read"]).failed(7, "LS0006");
    Ok(())
}

async fn of_others() -> CaseResult {
    let mut desk = Desk::new();
    desk.store = "file:data".to_owned();
    fs::create_dir(desk.path("data"))?;
    desk.write("data/sales.csv", "a,b\n");
    desk.run(&["events", "read"]).failed(4, "LS0033");
    desk.run(&["streams", "list"]).failed(4, "LS0033");
    desk.run(&["doctor"]);
    assert_eq!(fs::read_dir(desk.path("data"))?.count(), 1);
    desk.done(&["events", "append", "a-1", "Counted", "1"]);
    desk.done(&["events", "read"]);
    Ok(())
}

async fn half() -> CaseResult {
    let mut desk = filled();
    desk.done(&["export", "--to", "all.ndjson"]);
    let digest = desk.digest();
    desk.store = "file:copy".to_owned();
    fs::create_dir_all(desk.path("copy/log.restoring"))?;
    desk.run(&["events", "read"]).failed(7, "LS0006");
    desk.done(&["import", "--restore", "all.ndjson"]);
    assert_eq!(desk.digest(), digest);
    Ok(())
}

async fn without_indexes() -> CaseResult {
    let desk = filled();
    let events = desk.done(&["events", "read", "--stream", "a-3", "--json"]);
    for file in fs::read_dir(desk.path("data").join("log"))? {
        let file = file?.path();
        if file.extension().is_some_and(|end| end != "log") {
            fs::remove_file(file)?;
        }
    }
    assert_eq!(desk.done(&["events", "read", "--stream", "a-3", "--json"]), events);
    assert_eq!(desk.json(&["events", "verify"])["problems"], serde_json::json!([]));
    Ok(())
}
