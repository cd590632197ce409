//! `stores scavenge` and `stores archive`: what they reclaim and move, here and through a server.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::json;

use super::commands::Served;
use super::{Desk, number};
use crate::running::Running;

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::what_was_removed_is_reclaimed_and_nothing_else_changes", reclaimed);
    trials.add("cli::a_dry_run_says_what_a_scavenge_reclaims_and_changes_nothing", dry);
    trials.add("cli::a_scavenge_goes_through_the_server_that_owns_the_store", through_a_server);
    trials.add("cli::older_segments_are_archived_and_read_back", archived);
    trials.add("cli::a_store_without_its_archive_is_refused", without_archive);
    trials.add("cli::a_store_is_never_its_own_archive_nor_that_of_another", wrong_archive);
    trials.add("cli::what_has_no_files_cannot_be_scavenged", no_files);
    trials.add("cli::a_server_scavenges_by_itself", by_itself);
    trials.add("cli::upkeep_requests_that_make_no_sense_are_refused", senseless);
}

/// A desk whose store is a folder with small segments, of whose seven streams five were deleted.
fn released() -> Desk {
    let mut desk = Desk::new();
    desk.store = format!("file:{}?segment_bytes=4096", desk.path("data").display());
    let padding = "x".repeat(200);
    let line = |n: usize| {
        let data = json!({ "n": n, "padding": padding });
        format!("{}\n", json!({ "stream": format!("a-{}", n % 7), "type": "Counted", "data": data }))
    };
    desk.write("events.ndjson", (0..300).map(line).collect::<String>());
    desk.done(&["import", "events.ndjson", "--batch", "10"]);
    for stream in ["a-0", "a-1", "a-2", "a-3", "a-4"] {
        desk.done(&["streams", "delete", stream, "--yes"]);
    }
    desk
}

/// Returns the sizes of the segments in a folder, in order.
fn segments(folder: &Path) -> Vec<u64> {
    let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let mut segments: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|end| end == "log")).collect();
    segments.sort();
    segments.iter().map(|file| fs::metadata(file).expect("metadata").len()).collect()
}

/// Returns how many bytes the closed segments have: the newest one grows whenever the log is closed.
fn log(desk: &Desk) -> u64 {
    let segments = segments(&desk.path("data").join("log"));
    segments.split_last().map_or(0, |(_, closed)| closed.iter().sum())
}

fn bytes(archive: &Path) -> u64 {
    segments(archive).iter().sum()
}

async fn reclaimed() -> CaseResult {
    let desk = released();
    let (digest, verified) = (desk.digest(), desk.json(&["events", "verify"]));
    let (events, before) = (desk.events(), log(&desk));
    let status = desk.json(&["stores", "scavenge"]);
    let reclaimed = number(&status, "bytes_reclaimed");
    assert!(reclaimed * 3 > before, "more than a third of {before}: {status}");
    assert!(number(&status, "events") > 150 && number(&status, "rewritten") > 10, "{status}");
    assert_eq!(log(&desk), before - reclaimed);

    assert_eq!((desk.digest(), desk.events()), (digest, events));
    assert_eq!(desk.json(&["events", "verify"]), verified);
    assert_eq!(number(&desk.json(&["stores", "scavenge"]), "rewritten"), 0);
    desk.run(&["events", "append", "a-0", "Counted", "{}"]).failed(3, "LS0012");
    let text = desk.done(&["stores", "scavenge"]);
    assert!(text.contains("bytes reclaimed   0"), "{text}");
    Ok(())
}

async fn dry() -> CaseResult {
    let desk = released();
    let told = desk.json(&["stores", "scavenge", "--dry-run"]);
    let before = log(&desk);
    assert!(desk.done(&["stores", "scavenge", "--dry-run"]).contains("bytes to be reclaimed"));
    assert_eq!(log(&desk), before);
    assert_eq!(number(&told, "bytes_written"), 0);
    let done = desk.json(&["stores", "scavenge"]);
    for name in ["segments", "looked_at", "rewritten", "events", "bytes_reclaimed"] {
        assert_eq!(number(&told, name), number(&done, name), "{name}");
    }
    Ok(())
}

async fn through_a_server() -> CaseResult {
    let desk = released();
    let digest = desk.digest();
    let served = Served::start(&desk, &[]).await;
    let told = desk.json(&["stores", "scavenge", "--dry-run", "--bytes-per-second", "200000"]);
    let done = desk.json(&["stores", "scavenge", "--least-percent", "1"]);
    assert!(number(&done, "bytes_reclaimed") >= number(&told, "bytes_reclaimed"), "{told} {done}");
    assert!(number(&done, "rewritten") > 10, "{done}");
    assert_eq!(desk.digest(), digest);
    desk.done(&["events", "append", "a-5", "Counted", "{}"]);
    desk.run(&["stores", "archive", "--older-than", "0s"]).failed(2, "has no archive");
    served.stop().await;
    assert_eq!(desk.json(&["events", "verify"])["problems"], json!([]));
    Ok(())
}

async fn archived() -> CaseResult {
    let mut desk = released();
    let archive = desk.path("cold");
    desk.store = format!("{}&archive={}", desk.store, archive.display());
    let digest = desk.digest();
    let nothing = desk.json(&["stores", "archive", "--older-than", "1d"]);
    assert_eq!((number(&nothing, "moved"), number(&nothing, "archived")), (0, 0), "{nothing}");
    let moved = desk.json(&["stores", "archive", "--older-than", "0s"]);
    assert!(number(&moved, "moved") > 10, "{moved}");
    assert_eq!(number(&moved, "bytes_written"), bytes(&archive));
    assert!(log(&desk) < bytes(&archive), "most of it is there");
    let check = desk.json(&["events", "verify"]);
    assert_eq!((&check["problems"], &check["digest"]), (&json!([]), &digest["digest"]), "{check}");

    let scavenged = desk.json(&["stores", "scavenge"]);
    assert!(number(&scavenged, "bytes_reclaimed") > 0, "{scavenged}");
    assert_eq!(bytes(&archive), number(&moved, "bytes_written") - number(&scavenged, "bytes_reclaimed"));
    assert_eq!(desk.digest(), digest);
    desk.done(&["events", "append", "a-5", "Counted", "{}"]);

    let segment = archive.join("000000000003.log");
    let mut content = fs::read(&segment)?;
    let at = content.len() / 2;
    content[at] ^= 1;
    fs::write(&segment, content)?;
    let found = desk.run(&["events", "verify"]);
    assert_eq!(found.code, 7, "{}{}", found.out, found.err);
    assert!(found.out.contains("000000000003.log is damaged at byte"), "{}", found.out);
    Ok(())
}

async fn without_archive() -> CaseResult {
    let mut desk = released();
    let alone = desk.store.clone();
    desk.store = format!("{alone}&archive={}", desk.path("cold").display());
    desk.done(&["stores", "archive", "--older-than", "0s"]);
    desk.store = alone;
    let refused = desk.run(&["events", "read"]);
    refused.failed(7, "LS0006");
    assert!(refused.err.contains("name the archive"), "{}", refused.err);
    Ok(())
}

async fn wrong_archive() -> CaseResult {
    let mut desk = released();
    let (alone, digest) = (desk.store.clone(), desk.digest());
    std::os::unix::fs::symlink(desk.path("data/log"), desk.path("link"))?;
    for archive in ["data/log", "data", "data/../data/log/.", "link", "none/cold"] {
        desk.store = format!("{alone}&archive={}", desk.path(archive).display());
        desk.run(&["stores", "archive", "--older-than", "0s"]).failed(2, "LS0007");
    }
    desk.store = format!("{alone}&archive={}", desk.path("cold").display());
    desk.done(&["stores", "archive", "--older-than", "0s"]);
    assert_eq!(desk.digest(), digest);

    let before = bytes(&desk.path("cold"));
    desk.store = format!("file:other?segment_bytes=4096&archive={}", desk.path("cold").display());
    let refused = desk.run(&["events", "append", "a-1", "Counted", "{}"]);
    assert_eq!(refused.code, 7, "the segments there are of another log: {}", refused.err);
    fs::create_dir(desk.path("empty"))?;
    fs::copy(desk.path("cold/owner"), desk.path("empty/owner"))?;
    desk.store = "file:other?archive=empty".to_owned();
    desk.done(&["events", "append", "a-1", "Counted", "{}"]);
    for verb in [&["archive", "--older-than", "0s"][..], &["scavenge"]] {
        let refused = desk.run(&[&["stores"], verb].concat());
        refused.failed(2, "is the archive of");
    }
    assert_eq!(bytes(&desk.path("cold")), before);
    Ok(())
}

async fn no_files() -> CaseResult {
    let desk = Desk::new();
    desk.done(&["events", "append", "a-1", "Counted", "{}"]);
    let refused = desk.run(&["stores", "scavenge"]);
    refused.failed(1, "a sqlite: store reclaims and archives nothing");
    let ended = desk.run(&["stores", "archive", "--older-than", "soon"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("such as 90d"), "{}", ended.err);
    Ok(())
}

async fn by_itself() -> CaseResult {
    let desk = released();
    let before = log(&desk);
    desk.write("ledgerstone.toml", "[scavenge]\nevery = \"1s\"\nleast_percent = 5\nbytes_per_second = 0\n");
    let served = Served::start(&desk, &[]).await;
    let deadline = Instant::now() + Duration::from_secs(120);
    while log(&desk) >= before / 4 * 3 {
        assert!(Instant::now() < deadline, "{} of {before} bytes are left", log(&desk));
        desk.digest();
    }
    served.stop().await;
    assert_eq!(desk.json(&["events", "verify"])["problems"], json!([]));
    Ok(())
}

async fn senseless() -> CaseResult {
    let server: Running = crate::running::running().await;
    let scavenge =
        json!({ "work": { "task": "scavenge", "least_percent": 25, "dry_run": true } }).to_string();
    server.call("POST", "/v1/upkeep", &[], scavenge).await.problem(501, "LS0031");
    Ok(())
}
