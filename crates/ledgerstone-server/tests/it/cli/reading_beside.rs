//! Two processes at one folder: one owns it, and the other only reads, up to what is durable.

use std::fs::{self, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;

use ledgerstone::core::{Append, Batch, EventData, EventStore, EventType, ExpectedRevision, StreamId};
use ledgerstone::stores::{Backend, Resources, open, open_read_only};
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use uuid::Uuid;

use super::commands::Served;
use super::failures::Mount;
use super::{Desk, Ended, binary, number};

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::a_folder_is_read_beside_an_owner_that_serves_nobody", beside);
    trials.add("cli::a_folder_is_read_beside_its_server_without_a_token", beside_a_server);
    trials.add("cli::nothing_beyond_the_watermark_is_read", up_to_the_watermark);
    trials.add("cli::a_follower_beside_the_owner_sees_what_becomes_durable", followed);
    // Only where this process may mount file systems.
    if let Some(mount) = Mount::tmpfs("size=16m") {
        trials.add("cli::a_folder_in_a_read_only_place_is_read_and_backed_up", move || read_only(mount));
    }
}

fn folder() -> Desk {
    let mut desk = Desk::new();
    desk.store = format!("file:{}?segment_bytes=8192", desk.path("data").display());
    desk
}

async fn owned(desk: &Desk) -> Backend {
    open(&desk.store.parse().expect("a locator"), &Resources::default()).await.expect("opened")
}

async fn append(events: &dyn EventStore, count: u64) {
    for n in 0..count {
        let event =
            EventData::json(Uuid::now_v7(), EventType::new("Counted").expect("a type"), n.to_string());
        let stream = StreamId::new(format!("a-{}", n % 3)).expect("a stream");
        let batch = Batch::of(Append::to(stream, ExpectedRevision::Any, vec![event]));
        events.append(batch).await.expect("appended");
    }
}

/// Reads until others are told of as many events; the owner tells after it has answered.
fn events(desk: &Desk, arguments: &[&str], count: usize) -> String {
    for _ in 0..100 {
        let read = desk.done(&[&["events", "read", "--json"], arguments].concat());
        if read.lines().count() >= count {
            assert_eq!(read.lines().count(), count);
            return read;
        }
    }
    panic!("{count} events are not seen")
}

async fn beside() -> CaseResult {
    let desk = folder();
    let owner = owned(&desk).await;
    append(&*owner.events, 150).await;
    let all = events(&desk, &[], 150);
    assert_eq!(events(&desk, &["--read-only"], 150), all);
    assert_eq!(events(&desk, &["--stream", "a-1"], 50).lines().count(), 50);
    append(&*owner.events, 60).await;
    let more = events(&desk, &[], 210);
    assert!(more.starts_with(&all));
    let digest = desk.digest();
    assert_eq!(number(&digest, "application"), 210);
    assert_eq!(desk.json(&["events", "verify"])["problems"], serde_json::json!([]));
    let shown = desk.json(&["streams", "show", "a-2"]);
    assert_eq!(number(&shown, "revision"), 69);
    assert_eq!(desk.done(&["streams", "list", "--json"]).lines().count(), 3);
    desk.run(&["events", "types"]).failed(5, "LS0001");
    // Who would change something is told who owns the folder.
    desk.run(&["events", "append", "a-1", "X"]).failed(5, "LS0001");
    desk.run(&["--read-only", "events", "append", "a-1", "X"]).failed(2, "--read-only");
    // What was removed is not read beside the owner either.
    let stream = StreamId::new("a-0")?;
    let event = EventData::json(Uuid::now_v7(), EventType::new("$tombstoned")?, "{}");
    owner.events.append(Batch::of(Append::to(stream, ExpectedRevision::Any, vec![event]))).await?;
    events(&desk, &[], 140);
    owner.close().await;
    assert_eq!(number(&desk.digest(), "application"), 140);
    Ok(())
}

async fn beside_a_server() -> CaseResult {
    let desk = folder();
    let token = "a-token-of-some-length";
    desk.write("ledgerstone.toml", format!("[server]\ntoken = \"{token}\"\n"));
    let server = Served::start(&desk, &[]).await;
    for n in 0..3 {
        desk.done(&["events", "append", "a-1", "Counted", &n.to_string()]);
    }
    desk.write("ledgerstone.toml", "");
    desk.run(&["events", "read"]).failed(2, "LS0026");
    events(&desk, &["--read-only"], 3);
    server.stop().await;
    Ok(())
}

/// Returns where the newest segment is durable, as the watermark says, and its name.
fn watermark(folder: &Path) -> (u64, String) {
    let bytes = fs::read(folder.join("log/watermark")).expect("a watermark");
    let number = |slot: &[u8], at: usize| u64::from_le_bytes(slot[at..at + 8].try_into().expect("8 bytes"));
    let newest = bytes.chunks_exact(128).max_by_key(|slot| number(slot, 16)).expect("a slot");
    (number(newest, 56), format!("{:012}.log", number(newest, 48)))
}

async fn up_to_the_watermark() -> CaseResult {
    let desk = folder();
    let owner = owned(&desk).await;
    append(&*owner.events, 20).await;
    let all = events(&desk, &[], 20);
    // As a write that is not synced yet leaves it: a frame that is whole, and a torn one.
    let (end, name) = watermark(&desk.path("data"));
    let segment = OpenOptions::new().read(true).write(true).open(desk.path("data/log").join(name))?;
    let mut frame = vec![0; 200];
    segment.read_exact_at(&mut frame, end - 200)?;
    segment.write_all_at(&frame, end)?;
    assert_eq!(events(&desk, &[], 20), all);
    desk.done(&["backup", "saved"]);
    segment.write_all_at(&[0; 200], end)?;
    append(&*owner.events, 5).await;
    events(&desk, &[], 25);
    owner.close().await;
    desk.done(&["--store", "file:again", "restore", "saved"]);
    assert_eq!(desk.done(&["--store", "file:again", "events", "read", "--json"]), all);
    Ok(())
}

async fn followed() -> CaseResult {
    let desk = folder();
    let owner = owned(&desk).await;
    append(&*owner.events, 3).await;
    // So many that several segments are begun while they are followed.
    let mut tail = desk.command(&["events", "tail", "--json", "--after", "0", "-n", "200"]);
    let mut tail = tail.stdout(Stdio::piped()).spawn()?;
    append(&*owner.events, 197).await;
    let mut printed = String::new();
    tail.stdout.take().expect("a pipe").read_to_string(&mut printed)?;
    assert!(tail.wait()?.success());
    assert_eq!(printed.lines().count(), 200);
    let beside = open_read_only(&desk.store.parse()?, &Resources::default()).await?;
    let refused = Append::to(StreamId::new("a-1")?, ExpectedRevision::Any, Vec::new());
    let refused = beside.events.append(Batch::of(refused)).await.expect_err("it is only read");
    assert_eq!(refused.code().as_str(), "LS0002");
    append(&*owner.events, 10).await;
    for _ in 0..1_000 {
        if beside.events.head().await?.heads.application.0 == 210 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(beside.events.head().await?.heads, owner.events.head().await?.heads);
    beside.close().await;
    owner.close().await;
    Ok(())
}

async fn read_only(mount: Mount) -> CaseResult {
    let place = mount.path().join("data");
    let store = format!("file:{}?segment_bytes=8192", place.display());
    let run = |arguments: &[&str]| {
        let mut command = binary(Path::new("/"));
        command.args(["--store", &store]).args(arguments);
        Ended::of(command.output().expect("it runs"))
    };
    let desk = Desk::new();
    let line = |n: usize| format!("{{\"stream\":\"a-{}\",\"type\":\"Counted\",\"data\":{n}}}\n", n % 7);
    let feed = desk.write("events.ndjson", (0..300).map(line).collect::<String>());
    let feed = feed.to_str().expect("a path");
    assert_eq!(run(&["import", feed, "--batch", "20"]).code, 0);
    let digest = run(&["events", "digest", "--json"]).out;
    let stream = run(&["events", "read", "--stream", "a-3", "--json"]).out;
    // Without some of the indexes too, which cannot be made again there.
    let index = fs::read_dir(place.join("log"))?.map(|file| file.expect("a file").path());
    for index in index.filter(|file| file.extension().is_some_and(|end| end == "index")).take(2) {
        fs::remove_file(index)?;
    }
    assert!(mount.mount(&["-o", "remount,ro"]), "it becomes read-only");
    assert_eq!(run(&["events", "digest", "--json"]).out, digest);
    assert_eq!(run(&["events", "read", "--stream", "a-3", "--json"]).out, stream);
    assert_eq!(run(&["events", "verify"]).code, 0);
    assert_eq!(run(&["export"]).out.lines().count(), 300);
    run(&["events", "append", "a-1", "X", "1"]).failed(7, "LS0002");
    let saved = desk.path("saved");
    let saved = saved.to_str().expect("a path");
    let taken = run(&["backup", saved]);
    assert_eq!(taken.code, 0, "{}", taken.err);
    desk.done(&["--store", "file:again", "restore", saved]);
    assert_eq!(desk.done(&["--store", "file:again", "events", "digest", "--json"]), digest);
    Ok(())
}
