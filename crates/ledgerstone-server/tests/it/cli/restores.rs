//! Exports and restores: a log comes back as it was.

use ledgerstone_testkit::conformance::{CaseResult, Trials};

use super::{Desk, number};

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::a_restored_log_has_the_same_digest", restored);
    trials.add("cli::a_restore_into_another_log_is_refused", refused);
    trials.add("cli::a_restore_of_a_grown_export_adds_what_is_new", continued);
    trials.add("cli::a_killed_restore_opens_for_nobody_and_is_done_again", killed);
    trials.add("cli::an_export_out_of_order_restores_nothing", disordered);
    trials.add("cli::a_damaged_export_restores_nothing", damaged);
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
    to.done(&["import", "--restore", "all.ndjson"]);
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
            to.done(&["import", "--restore", "half.ndjson"]);
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
    let lines: Vec<serde_json::Value> =
        whole.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    let refused = |line: usize, field: &str, value: serde_json::Value, why: &str| {
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
