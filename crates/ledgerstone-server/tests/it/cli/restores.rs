//! Exports and restores: a log comes back as it was.

use std::process::Stdio;

use futures_util::StreamExt as _;
use ledgerstone::core::{Code, LogIdentity, LogPoint, Position, Selection};
use ledgerstone::engine::Subscription;
use ledgerstone::stores::{Resources, open};
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::Value;

use super::commands::Served;
use super::{Desk, Ended, account, number};

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::a_restored_log_has_the_same_digest", restored);
    trials.add("cli::a_restore_into_another_log_is_refused", refused);
    trials.add("cli::a_restore_of_a_grown_export_adds_what_is_new", continued);
    trials.add("cli::a_killed_restore_opens_for_nobody_and_is_done_again", killed);
    trials.add("cli::an_export_out_of_order_restores_nothing", disordered);
    trials.add("cli::a_damaged_export_restores_nothing", damaged);
    trials.add("cli::a_cut_export_is_refused_and_nothing_is_written", cut);
    trials.add("cli::a_changed_byte_of_an_export_is_refused", changed);
    trials.add("cli::a_filtered_export_is_refused_with_the_way_to_import_it", filtered);
    trials.add("cli::a_restore_takes_what_is_there_of_a_cut_export_when_told_to", incomplete);
    trials.add("cli::heads_do_not_go_back_where_the_newest_events_had_been_removed", heads);
    trials.add("cli::a_restore_begins_a_new_epoch_of_the_same_log", epochs);
    trials.add("cli::an_import_passes_over_the_end_of_an_export", ignored);
    trials.add("cli::an_export_through_a_server_is_whole_where_nothing_is_missing", through_a_server);
    trials.add("cli::an_output_that_is_full_has_one_code", full_output);
}

/// Makes a log with everything that an export must keep: several tenants, removed events, odd payloads.
fn filled() -> Desk {
    let desk = Desk::new();
    for n in 0..4 {
        let data = format!("{{\"n\": {n}.0}}");
        desk.done(&[
            "events",
            "append",
            "a-1",
            "Counted",
            &data,
            "--tag",
            "red",
            "--occurred-at",
            "2011-10-11T13:45:40+02:00",
        ]);
        desk.done(&["events", "append", "b-1", "Counted", "null", "--source", "hand", "--actor", "me"]);
    }
    desk.done(&["--tenant", "acme", "events", "append", "a-1", "Counted", "[1]"]);
    desk.done(&["streams", "truncate", "a-1", "--transient", "--before", "2"]);
    desk.done(&["streams", "delete", "b-1", "--yes"]);
    let batch = r#"{"appends":[{"stream":"c-1","events":[{"type":"x","data_base64":"/w=="}]},{"events":[{"type":"y"}]}]}"#;
    desk.write("batch.json", batch);
    desk.done(&["events", "append", "--batch", "batch.json"]);
    desk
}

async fn restored() -> CaseResult {
    let from = filled();
    from.done(&["export", "--to", "all.ndjson.gz"]);
    let to = Desk::new();
    std::fs::copy(from.path("all.ndjson.gz"), to.path("all.ndjson.gz"))?;
    to.done(&["import", "--restore", "all.ndjson.gz"]);
    let digest = to.digest();
    assert_eq!(digest, from.digest());
    assert_eq!((number(&digest, "application"), number(&digest, "system")), (5, 3));
    // What was removed stays removed, and counting goes on where it stood.
    to.run(&["events", "append", "b-1", "x"]).failed(3, "LS0012");
    assert!(to.done(&["events", "append", "a-1", "x", "--expected", "3"]).contains("revision 4"));
    Ok(())
}

async fn refused() -> CaseResult {
    let from = filled();
    from.write("all.ndjson", from.done(&["export"]));
    let to = Desk::new();
    to.done(&["events", "append", "a-1", "x"]);
    let before = to.digest();
    let file = from.path("all.ndjson");
    to.run(&["import", "--restore", file.to_str().expect("a path")]).failed(3, "LS0029");
    assert_eq!(to.digest(), before);
    Ok(())
}

async fn continued() -> CaseResult {
    let from = filled();
    let whole = from.done(&["export"]);
    let to = Desk::new();
    let half: Vec<&str> = whole.lines().take(4).collect();
    to.write("all.ndjson", half.join("\n"));
    to.done(&["import", "--restore", "all.ndjson", "--incomplete"]);
    to.write("all.ndjson", whole);
    let restored = to.json(&["import", "--restore", "all.ndjson"]);
    assert_eq!(number(&restored, "already_there"), 4);
    assert_eq!(to.digest(), from.digest());
    Ok(())
}

async fn killed() -> CaseResult {
    let from = filled();
    let whole = from.done(&["export"]);
    let to = Desk::new();
    to.write("all.ndjson", &whole);
    for (kept, already_there) in [(0, 0), (4, 4)] {
        let _ = std::fs::remove_file(to.path("app.db"));
        if kept > 0 {
            let half: Vec<&str> = whole.lines().take(kept).collect();
            to.write("half.ndjson", half.join("\n"));
            to.done(&["import", "--restore", "half.ndjson", "--incomplete"]);
            to.done(&["events", "read"]);
        }
        let heads = || -> rusqlite::Result<String> {
            rusqlite::Connection::open(to.path("app.db"))?.query_row(
                "SELECT (SELECT coalesce(max(position), 0) FROM events) || ' ' || (SELECT coalesce(max(position), 0) FROM system_events)",
                [],
                |row| row.get(0),
            )
        };
        let began = if kept > 0 { heads()? } else { "0 0".to_owned() };
        to.done(&["import", "--restore", "all.ndjson"]);
        // As a kill between two commits leaves it: some of the events, and the word that it is not whole.
        let file = rusqlite::Connection::open(to.path("app.db"))?;
        file.execute("INSERT INTO meta (name, value) VALUES ('restoring', ?1)", [began])?;
        file.execute("DELETE FROM events WHERE position = (SELECT max(position) FROM events)", [])?;
        file.execute("DELETE FROM meta WHERE name IN ('head', 'head_system')", [])?;
        drop(file);
        let ended = to.run(&["events", "read"]);
        ended.failed(ended.code, "LS0006");
        assert!(ended.code != 0 && ended.err.contains("was not finished"), "{}", ended.err);
        let restored = to.json(&["import", "--restore", "all.ndjson"]);
        assert_eq!(number(&restored, "already_there"), already_there);
        assert_eq!(to.digest(), from.digest());
    }
    Ok(())
}

async fn disordered() -> CaseResult {
    let desk = Desk::new();
    for n in 0..3 {
        desk.done(&["events", "append", "a-1", "Counted", &n.to_string()]);
    }
    let whole = desk.done(&["export"]);
    let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    let refused = |line: usize, field: &str, value: Value, why: &str| {
        let mut lines = lines.clone();
        lines[line][field] = value;
        let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let to = Desk::new();
        to.write("all.ndjson", text.join("\n"));
        let ended = to.run(&["import", "--restore", "all.ndjson"]);
        ended.failed(2, why);
        assert!(ended.err.contains(&format!("line {}", line + 1)), "{}", ended.err);
        assert!(!to.path("app.db").exists());
    };
    refused(1, "recorded_at", "2001-01-01T00:00:00Z".into(), "was recorded before");
    refused(1, "revision", 0.into(), "does not follow 0");
    refused(2, "revision", 7.into(), "before revision 7 of its stream are missing");
    refused(2, "position", (1_u64 << 63).into(), "is above");
    refused(2, "position", 4_000_000_000_000_000_000_u64.into(), "leaves out more than 4294967296 positions");
    Ok(())
}

async fn damaged() -> CaseResult {
    let from = filled();
    let whole = from.done(&["export"]);
    let to = Desk::new();
    let mut lines: Vec<&str> = whole.lines().collect();
    lines.swap(1, 2);
    to.write("all.ndjson", lines.join("\n"));
    to.run(&["import", "--restore", "all.ndjson"]).failed(2, "does not follow");
    assert!(!to.path("app.db").exists());
    Ok(())
}

/// Makes a log of application events only, and returns its export.
fn counted() -> (Desk, String) {
    let desk = Desk::new();
    for n in 0..4 {
        desk.done(&["events", "append", "a-1", "Counted", &format!("{{\"n\":{n}}}")]);
    }
    let whole = desk.done(&["export"]);
    (desk, whole)
}

/// Restores a file that must be refused, into a store that is not there afterwards either.
fn refuse(name: &str, content: impl AsRef<[u8]>, why: &str) {
    let to = Desk::new();
    to.write(name, content);
    let ended = to.run(&["import", "--restore", name]);
    ended.failed(2, why);
    assert!(ended.err.contains("nothing was written") && ended.err.contains("--incomplete"), "{}", ended.err);
    assert!(!to.path("app.db").exists());
}

/// Returns what the last line of an export says of the log.
fn end_of(export: &str) -> Value {
    let last = export.lines().last().expect("a line");
    serde_json::from_str::<Value>(last).expect("json")["end"].clone()
}

fn log_of(document: &Value) -> LogIdentity {
    document["log"].as_str().expect("a log").parse().expect("a log identity")
}

async fn cut() -> CaseResult {
    let (from, whole) = counted();
    let lines: Vec<&str> = whole.lines().collect();
    let filtered = "the export is incomplete, or it was filtered";
    refuse("all.ndjson", lines[..3].join("\n"), filtered);
    refuse("all.ndjson", "", "the file holds no event");
    refuse("all.ndjson", &whole[..whole.len() - 9], "line 4");
    refuse("all.ndjson", lines[1..].join("\n"), "tells of 4 application events, and there are 3");
    from.done(&["export", "--to", "all.ndjson.gz"]);
    let packed = std::fs::read(from.path("all.ndjson.gz"))?;
    refuse("all.ndjson.gz", &packed[..packed.len() - 9], "is cut off");
    refuse("all.ndjson.gz", &packed[..packed.len() / 2], "is cut off");
    Ok(())
}

async fn changed() -> CaseResult {
    let (_, whole) = counted();
    let change = |from: &str, to: &str, why: &str| {
        assert!(whole.contains(from), "{whole}");
        refuse("all.ndjson", whole.replacen(from, to, 1), why);
    };
    change("{\"n\":1}", "{\"n\":7}", "something was changed");
    change("\"type\":\"Counted\"", "\"type\":\"Dounted\"", "something was changed");
    change("\"application\":{\"events\":4", "\"application\":{\"events\":5", "and there are 4");
    change("\"head\":4", "\"head\":3", "the application head 3, and the newest event stands at 4");
    change("\"head\":4", "\"head\":5", "something was changed");
    let far = "\"head\":4000000000000000000";
    change("\"head\":4", far, "the newest event stands at 4");
    change("\"digest\":\"", "\"digest\":\"0", "something was changed");
    let lines: Vec<&str> = whole.lines().collect();
    let mut early: Value = serde_json::from_str(lines[1])?;
    early["end"] = end_of(&whole);
    let early = [lines[0], &early.to_string(), lines[2]].join("\n");
    refuse("all.ndjson", early, "line 2 says that the log ends there, and more lines follow");
    Ok(())
}

async fn filtered() -> CaseResult {
    let from = filled();
    for options in [
        &["--log", "application"][..],
        &["--type", "Counted"],
        &["--category", "c"],
        &["--after", "2"],
        &["--tenant", "acme"],
    ] {
        let filtered = from.done(&[&["export"], options].concat());
        assert!(end_of(&filtered).is_null(), "{filtered}");
        refuse("some.ndjson", filtered, "a filtered export goes in by ledgerstone import without --restore");
    }
    let to = Desk::new();
    to.write("some.ndjson", from.done(&["export", "--category", "c", "--log", "application"]));
    to.done(&["import", "some.ndjson"]);
    assert_eq!(to.events().len(), 1);
    Ok(())
}

async fn incomplete() -> CaseResult {
    let (from, whole) = counted();
    let cut = whole.lines().take(3).collect::<Vec<_>>().join("\n");
    let to = Desk::new();
    to.write("all.ndjson", &cut[..cut.len() - 9]);
    let told = to.done(&["import", "--restore", "all.ndjson", "--incomplete"]);
    assert!(told.contains("the export is incomplete, or it was filtered"), "{told}");
    assert_eq!(to.events().len(), 2);

    from.done(&["export", "--to", "all.ndjson.gz"]);
    let packed = std::fs::read(from.path("all.ndjson.gz"))?;
    let to = Desk::new();
    to.write("all.ndjson.gz", &packed[..packed.len() - 40]);
    let restored = to.json(&["import", "--restore", "all.ndjson.gz", "--incomplete"]);
    assert!(number(&restored, "application") < 4 && !restored["missing"].is_null(), "{restored}");
    // Only the sum at the end of the packing is missing: every event is there.
    to.write("all.ndjson.gz", &packed[..packed.len() - 4]);
    let restored = to.json(&["import", "--restore", "all.ndjson.gz", "--incomplete"]);
    assert!(number(&restored, "application") == 4 && restored["missing"].is_null(), "{restored}");
    // A whole one is restored as such.
    to.write("all.ndjson", &whole);
    let restored = to.json(&["import", "--restore", "all.ndjson", "--incomplete"]);
    assert!(restored["missing"].is_null(), "{restored}");
    assert_eq!(to.digest(), from.digest());
    // What the last line says is worth nothing where it does not fit.
    let far = whole.replacen("\"head\":4", "\"head\":4000000000000000000", 1);
    let own = Desk::new();
    own.write("all.ndjson", far);
    let restored = own.json(&["import", "--restore", "all.ndjson", "--incomplete"]);
    assert!(
        !restored["missing"].is_null() && log_of(&restored).id.simple().to_string() != end_of(&whole)["log"]
    );
    assert_eq!(number(&own.digest()["heads"], "application"), 4);
    Ok(())
}

async fn heads() -> CaseResult {
    let from = Desk::new();
    for n in 0..3 {
        from.done(&["events", "append", "a-1", "Counted", &n.to_string()]);
    }
    from.done(&["events", "append", "b-1", "Counted", "0"]);
    from.done(&["streams", "delete", "b-1", "--yes"]);
    let whole = from.done(&["export"]);
    assert_eq!(number(&end_of(&whole)["application"], "head"), 4);
    let to = Desk::new();
    to.write("all.ndjson", &whole);
    to.done(&["import", "--restore", "all.ndjson"]);
    assert_eq!(to.digest(), from.digest());
    assert_eq!(number(&to.digest()["heads"], "application"), 4);
    // Selections by time look beyond the newest event.
    assert_eq!(to.done(&["events", "read", "--json", "--recorded-from", "2100-01-01T00:00:00Z"]), "");
    assert!(to.done(&["events", "append", "a-1", "Counted", "3"]).contains("position 5, revision 3"));
    assert_eq!(to.events().len(), 4);
    Ok(())
}

async fn epochs() -> CaseResult {
    let (from, whole) = counted();
    let end = end_of(&whole);
    let old = LogIdentity { id: end["log"].as_str().expect("an id").parse()?, epoch: 1 };
    assert_eq!(number(&end, "epoch"), 1);
    let to = Desk::new();
    to.write("all.ndjson", &whole);
    let restored = to.json(&["import", "--restore", "all.ndjson"]);
    let first = log_of(&restored);
    assert!(first.id == old.id && first.epoch > old.epoch, "{first} after {old}");
    assert_eq!(to.digest(), from.digest());
    // What changes nothing begins nothing; what adds events does.
    let again = to.json(&["import", "--restore", "all.ndjson"]);
    assert_eq!(log_of(&again), first);
    from.done(&["events", "append", "a-1", "Counted", "4"]);
    to.write("all.ndjson", from.done(&["export"]));
    let grown = to.json(&["import", "--restore", "all.ndjson"]);
    let second = log_of(&grown);
    assert!(second.id == old.id && second.epoch > first.epoch, "{second} after {first}");

    let forked: String = rusqlite::Connection::open(to.path("app.db"))?.query_row(
        "SELECT value FROM meta WHERE name = ?1",
        [format!("epoch {} forked from", second.epoch)],
        |row| row.get(0),
    )?;
    assert_eq!(forked, format!("{old} 5 0"));
    let store = open(&to.store.parse()?, &Resources::default()).await?;
    let log = store.events.head().await?.log;
    assert_eq!(log, second);
    for (log, refused) in [(old, true), (first, true), (second, false)] {
        let from = LogPoint { log, position: Position(2) };
        let events = std::sync::Arc::clone(&store.events);
        let frame = Subscription::read_to_head(events, Selection::all(), Some(from)).next().await;
        let code = frame.expect("a frame").err().map(|error| error.code());
        assert_eq!(code, refused.then_some(Code::ForeignPosition), "{from}");
    }
    store.close().await;
    Ok(())
}

async fn ignored() -> CaseResult {
    let (_, whole) = counted();
    assert!(!end_of(&whole).is_null());
    let to = Desk::new();
    to.write("all.ndjson", whole);
    assert_eq!(account(&to.json(&["import", "all.ndjson"])), [4, 4, 0, 0]);
    Ok(())
}

async fn through_a_server() -> CaseResult {
    let (from, whole) = counted();
    let server = Served::start(&from, &[]).await;
    let served = from.done(&["export"]);
    from.done(&["events", "append", "b-1", "Counted", "0"]);
    from.done(&["streams", "delete", "b-1", "--yes"]);
    let gaps = from.run(&["export"]);
    server.stop().await;
    assert_eq!(end_of(&served), end_of(&whole));
    assert!(end_of(&gaps.out).is_null(), "{}", gaps.out);
    assert!(gaps.err.contains("not marked as a whole log"), "{}", gaps.err);
    Ok(())
}

async fn full_output() -> CaseResult {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return Ok(()) };
    let (desk, _) = counted();
    for arguments in [&["events", "read"][..], &["events", "digest"], &["export"], &["export", "--gzip"]] {
        let mut command = desk.command(arguments);
        let child = command.stdout(full.try_clone()?).stderr(Stdio::piped()).spawn()?;
        Ended::of(child.wait_with_output()?).failed(7, "LS0003");
    }
    Ok(())
}
