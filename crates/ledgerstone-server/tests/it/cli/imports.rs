//! Imports: every row once, whatever happens in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::Value;

use super::{Desk, Ended, account};

const MAP: [&str; 6] = ["--map", "stream=case:id", "--map", "type=what is done", "--map", "time=at"];

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::a_killed_import_is_continued_by_the_same_command", killed);
    trials.add("cli::bad_rows_are_told_by_line_and_the_others_are_imported", bad_rows);
    trials.add("cli::equal_rows_are_different_events_and_a_grown_file_adds_what_is_new", grown);
    trials.add("cli::a_last_line_that_was_unfinished_is_imported_once_it_is_whole", unfinished);
    trials.add("cli::a_row_whose_quote_was_open_at_the_end_is_imported_once_it_is_whole", unclosed);
    trials.add("cli::lines_may_end_in_either_way_and_the_mark_stays_exact", line_ends);
    trials.add("cli::a_file_that_changed_at_its_beginning_doubles_nothing", changed);
    trials.add("cli::rows_rejected_for_their_times_are_imported_once_a_zone_is_named", zoned);
    trials.add("cli::ids_of_rows_are_kept_and_never_used_twice", own_ids);
    trials.add("cli::mixed_rows_with_and_without_ids_survive_a_kill_before_the_mark", mixed);
    trials.add("cli::a_rejects_file_never_replaces_the_input_or_anything_else", rejects_elsewhere);
    trials.add("cli::an_import_begins_where_other_marks_came_and_went", among_marks);
    trials.add("cli::gzip_and_standard_input_are_the_same_rows", packed);
    trials.add("cli::a_strict_import_stops_at_the_first_bad_row", strict);
    trials.add("cli::an_import_through_a_server_is_the_same", served);
    trials.add("cli::the_same_bytes_by_the_same_rules_are_not_looked_at_row_by_row", same_bytes);
    trials.add("cli::what_a_mark_says_of_a_file_ends_with_its_store_and_its_rules", other_rules);
    trials.add("cli::damaged_and_missing_input_is_told_with_its_place", damaged);
    trials.add("cli::wrong_options_of_an_import_say_what_is_right", wrong_options);
    trials.add("cli::local_times_that_came_twice_or_never_are_decided", clocks_turned);
}

async fn among_marks() -> CaseResult {
    let desk = Desk::new();
    desk.write("made.json", r#"{"marks":[{"swap":{"name":"lease","version":0,"value":"aGk="}}]}"#);
    desk.write("gone.json", r#"{"marks":[{"swap":{"name":"lease","version":1}}]}"#);
    desk.done(&["events", "append", "--batch", "made.json"]);
    desk.done(&["events", "append", "--batch", "gone.json"]);
    desk.write("feed.csv", csv(&rows(0..5_000)));
    let import = [&["import", "feed.csv"][..], &MAP].concat();
    assert_eq!(account(&desk.json(&import)), [5_000, 5_000, 0, 0]);
    assert_eq!(account(&desk.json(&import)), [5_000, 0, 5_000, 0]);
    Ok(())
}

/// Makes rows of several streams, unsorted by time, some of them equal.
fn rows(range: std::ops::Range<u64>) -> String {
    range.fold(String::new(), |mut rows, n| {
        let (stream, day) = (n * 7 % 83, 1 + n * 11 % 28);
        // Every tenth row is as the one before.
        let n = if n % 10 == 9 { n - 1 } else { n };
        let _ = writeln!(rows, "case {stream},\"Step, {}\",2011-10-{day:02} 13:45:40.5+02:00,{n}", n % 5);
        rows
    })
}

fn csv(rows: &str) -> String {
    format!("case:id,what is done,at,org:n\n{rows}")
}

fn import(desk: &Desk, file: &str, more: &[&str]) -> Value {
    desk.json(&[&["import", file], &MAP[..], more].concat())
}

/// Returns each stream's rows in the order of the log.
fn by_stream(events: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events {
        let stream = event["stream"].as_str().expect("a stream").to_owned();
        streams
            .entry(stream)
            .or_default()
            .push(event["data"]["org:n"].as_str().expect("a number").to_owned());
    }
    streams
}

/// Returns each stream's rows in the order of the file.
fn expected(rows: &str) -> BTreeMap<String, Vec<String>> {
    let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.lines() {
        let stream = row.split(',').next().expect("a stream").to_owned();
        streams.entry(stream).or_default().push(row.rsplit(',').next().expect("a number").to_owned());
    }
    streams
}

async fn killed() -> CaseResult {
    let desk = Desk::new();
    let rows = rows(0..6_000);
    desk.write("log.csv", csv(&rows));
    let arguments = [&["import", "log.csv", "--batch", "40", "--json"], &MAP[..]].concat();
    let mut finished = false;
    for millis in [150, 250, 350, 450] {
        let mut child = desk.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        child.kill()?;
        finished |= child.wait()?.success();
    }
    let [read, accepted, already_there, rejected] = account(&import(&desk, "log.csv", &["--batch", "40"]));
    assert_eq!((read, rejected), (6_000, 0));
    assert!(finished || already_there > 0, "{accepted} were left to the last run");
    let events = desk.events();
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!((events.len(), ids.len()), (6_000, 6_000));
    assert_eq!(by_stream(&events), expected(&rows), "the order of the file within each stream");
    assert_eq!(account(&import(&desk, "log.csv", &[])), [6_000, 0, 6_000, 0]);
    Ok(())
}

async fn bad_rows() -> CaseResult {
    let desk = Desk::new();
    let lines: [&[u8]; 9] = [
        br#"{"stream":"a-1","type":"x","data":{"n":1}}"#,
        br#"{"strem":"a-1","type":"x"}"#,
        br#"{"stream":"$a","type":"x"}"#,
        b"not json",
        b"\xff\xfe",
        br#"{"stream":"a-1","type":"$x"}"#,
        br#"{"stream":"a-1","type":"x","occurred_at":"2011-10-11 13:45:40"}"#,
        br#"{"stream":"a-1","type":"x","data":{"n":2}}"#,
        br#"{"stream":"a-1"}"#,
    ];
    desk.write("feed.ndjson", lines.join(&b'\n'));
    let ended = desk.run(&["import", "feed.ndjson"]);
    ended.failed(6, "error[LS0024]: 7 of 9 rows were rejected");
    let rejects: Vec<Value> = desk
        .read("feed.ndjson.rejects.ndjson")
        .lines()
        .map(|line| serde_json::from_str(line).expect("json"))
        .collect();
    let told: Vec<_> = rejects.iter().map(|reject| reject["line"].as_u64().expect("a line")).collect();
    assert_eq!(told, [2, 3, 4, 5, 6, 7, 9]);
    assert!(rejects[0]["reason"].as_str().is_some_and(|reason| reason.contains("did you mean \"stream\"?")));
    assert_eq!(rejects[2]["row"], "not json");
    assert_eq!(rejects[3]["row_base64"], "//4=");
    assert_eq!(desk.events().len(), 2);
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [9, 0, 2, 7]);

    let mended = desk.read("feed.ndjson.rejects.ndjson");
    assert!(!mended.is_empty());
    desk.write("feed.ndjson", [lines[0], lines[7]].join(&b'\n'));
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [2, 0, 2, 0]);
    assert!(!desk.path("feed.ndjson.rejects.ndjson").exists(), "rejects of an earlier run are gone");
    Ok(())
}

async fn grown() -> CaseResult {
    let desk = Desk::new();
    let first = rows(0..500);
    desk.write("log.csv", csv(&first));
    assert_eq!(account(&import(&desk, "log.csv", &[])), [500, 500, 0, 0]);
    let ended = desk.run(&[&["import", "log.csv"], &MAP[..]].concat());
    assert!(ended.out.contains("nothing new"), "{}", ended.out);
    let all = rows(0..700);
    desk.write("log.csv", csv(&all));
    assert_eq!(account(&import(&desk, "log.csv", &[])), [700, 200, 500, 0]);
    assert_eq!(by_stream(&desk.events()), expected(&all));
    Ok(())
}

async fn changed() -> CaseResult {
    let desk = Desk::new();
    desk.write("log.csv", csv(&rows(0..300)));
    import(&desk, "log.csv", &[]);
    // A row before all others, a column more, and other line ends.
    let inserted = format!("case 1,Begin,2011-01-01 00:00:00Z,first\n{}", rows(0..320));
    let mut widened = String::from("new,case:id,what is done,at,org:n\r\n");
    inserted.lines().for_each(|row| widened.push_str(&format!(",{row}\r\n")));
    desk.write("log.csv", widened);
    assert_eq!(account(&import(&desk, "log.csv", &[])), [321, 21, 300, 0]);
    assert_eq!(account(&import(&desk, "log.csv", &[])), [321, 0, 321, 0]);
    // The beginning comes back, and then a part of it is gone.
    desk.write("log.csv", csv(&rows(0..300)));
    assert_eq!(account(&import(&desk, "log.csv", &[])), [300, 0, 300, 0]);
    desk.write("log.csv", csv(&rows(0..330)));
    assert_eq!(account(&import(&desk, "log.csv", &[])), [330, 10, 320, 0]);
    assert_eq!(desk.events().len(), 331);
    Ok(())
}

async fn zoned() -> CaseResult {
    let desk = Desk::new();
    let rows = "a,X,2011-10-11 13:45:40,1\na,X,2011-10-11 13:45:40Z,2\n";
    desk.write("log.csv", csv(rows));
    assert_eq!(account(&import(&desk, "log.csv", &[])), [2, 1, 0, 1]);
    let summary = import(&desk, "log.csv", &["--zone", "Europe/Amsterdam"]);
    assert_eq!(account(&summary), [2, 1, 1, 0]);
    assert_eq!(summary["rules_changed"], true);
    assert_eq!(desk.events()[1]["occurred_at"], "2011-10-11T13:45:40.000000+02:00");
    desk.run(&[&["import", "log.csv", "--zone", "Mars/Olympus"], &MAP[..]].concat()).failed(2, "LS0015");
    Ok(())
}

async fn own_ids() -> CaseResult {
    let desk = Desk::new();
    let id = |n: u32| format!("018f4e7a-0000-7000-8000-{n:012}");
    desk.done(&["events", "append", "a-1", "Elsewhere", "{}", "--id", &id(1)]);
    let row = |n: u32, data: u32| format!(r#"{{"stream":"a-2","type":"x","id":"{}","data":{data}}}"#, id(n));
    let feed = [row(1, 0), row(2, 0), row(3, 0), row(3, 0), row(3, 1)].join("\n");
    desk.write("feed.ndjson", &feed);
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [5, 2, 1, 2]);
    let rejects = desk.read("feed.ndjson.rejects.ndjson");
    assert!(rejects.contains("was recorded before"), "{rejects}");
    desk.write("feed.ndjson", format!("{feed}\n{}", row(4, 0)));
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [6, 1, 3, 2]);
    assert_eq!(desk.events().len(), 4);

    let named = "id,what\ntask-1,A\ntask-2,B\ntask-1,A\n";
    desk.write("tasks.csv", named);
    let arguments = ["import", "tasks.csv", "--map", "stream=what", "--map", "type=what", "--map", "id=id"];
    // A column can be mapped twice: the id of a row need not be a UUID.
    assert_eq!(account(&desk.json(&arguments)), [3, 2, 1, 0]);
    assert_eq!(account(&desk.json(&arguments)), [3, 0, 3, 0]);
    Ok(())
}

async fn mixed() -> CaseResult {
    let desk = Desk::new();
    let row = |n: u32| {
        let id = format!(r#""id":"018f4e7a-0000-7000-8000-{n:012}","#);
        let id = if n.is_multiple_of(2) { id } else { String::new() };
        format!(r#"{{{id}"stream":"a-{}","type":"x","data":{n}}}"#, n % 3)
    };
    let feed = |rows: u32| (0..rows).fold(String::new(), |feed, n| feed + &row(n) + "\n");
    desk.write("feed.ndjson", feed(4));
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [4, 4, 0, 0]);
    let path = desk.path("app.db");
    let mark = || -> rusqlite::Result<(i64, i64, Vec<u8>)> {
        rusqlite::Connection::open(&path)?.query_row("SELECT version, number, value FROM marks", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
    };
    let before = mark()?;
    // An odd row comes first, so that it is taken before any own id asks what the store holds.
    desk.write("feed.ndjson", feed(4) + &row(5) + "\n" + &row(4) + "\n" + &row(7) + "\n");
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [7, 3, 4, 0]);
    assert_ne!(mark()?, before);
    // As a kill between the events and the mark leaves it: the events are there, the mark stands before them.
    rusqlite::Connection::open(&path)?.execute(
        "UPDATE marks SET version = ?1, number = ?2, value = ?3",
        rusqlite::params![before.0, before.1, before.2],
    )?;
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [7, 0, 7, 0]);
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [7, 0, 7, 0]);
    assert_eq!(desk.events().len(), 7);
    Ok(())
}

async fn rejects_elsewhere() -> CaseResult {
    let desk = Desk::new();
    let feed = "{\"stream\":\"a-1\",\"type\":\"x\"}\n";
    desk.write("feed.ndjson", feed);
    desk.write("notes.txt", "mine\n");
    for taken in ["feed.ndjson", "./feed.ndjson", "notes.txt", "."] {
        desk.run(&["import", "feed.ndjson", "--rejects", taken])
            .failed(2, "name another file with --rejects");
    }
    assert!(!desk.path("app.db").exists());
    assert_eq!((desk.read("feed.ndjson").as_str(), desk.read("notes.txt").as_str()), (feed, "mine\n"));
    desk.write("empty", "");
    desk.write("feed.ndjson", format!("{feed}not json\n"));
    desk.run(&["import", "feed.ndjson", "--rejects", "empty"]).failed(6, "LS0024");
    assert_eq!(desk.read("empty").lines().count(), 1);
    desk.write("feed.ndjson", feed);
    desk.done(&["import", "feed.ndjson", "--rejects", "empty"]);
    assert!(!desk.path("empty").exists(), "rejects of an earlier run are gone");
    Ok(())
}

async fn packed() -> CaseResult {
    let desk = Desk::new();
    let text = csv(&rows(0..200));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes())?;
    desk.write("log.csv.gz", packed.finish()?);
    assert_eq!(account(&import(&desk, "log.csv.gz", &["--source", "log"])), [200, 200, 0, 0]);

    let arguments = [&["import", "-", "--source", "log", "--json"], &MAP[..]].concat();
    let mut child = desk.command(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().expect("a pipe").write_all(text.as_bytes())?;
    let ended = Ended::of(child.wait_with_output()?);
    assert_eq!(account(&serde_json::from_str(&ended.out)?), [200, 0, 200, 0]);
    desk.run(&["import", "-"]).failed(2, "name the source with --source");
    // A pipe that is named like a file is read once too.
    let arguments =
        [&["import", "/dev/stdin", "--format", "csv", "--source", "log", "--json"], &MAP[..]].concat();
    let rejects = [&arguments[..], &["--rejects", "rejects.ndjson"]].concat();
    for more in [0, 2] {
        let mut child = desk.command(&rejects).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let text = text.clone() + &rows(0..more);
        child.stdin.take().expect("a pipe").write_all(text.as_bytes())?;
        let ended = Ended::of(child.wait_with_output()?);
        assert_eq!(account(&serde_json::from_str(&ended.out)?), [200 + more, more, 200, 0]);
    }
    Ok(())
}

async fn strict() -> CaseResult {
    let desk = Desk::new();
    desk.write(
        "log.csv",
        csv("a,X,2011-10-11 13:45:40Z,1\na,,2011-10-11 13:45:40Z,2\na,X,2011-10-11 13:45:40Z,3\n"),
    );
    let strict = [&["import", "log.csv", "--strict", "--batch", "1"], &MAP[..]].concat();
    let ended = desk.run(&strict);
    ended.failed(6, "error[LS0024]: line 3: type is missing");
    let lines: Vec<_> = ended.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert!(lines.contains(&vec!["read", "2", "rows"]), "{}", ended.out);
    assert!(lines.contains(&vec!["accepted", "1", "events"]), "{}", ended.out);
    assert_eq!(account(&desk.json(&strict)), [2, 0, 1, 1], "the row before it is there");
    assert!(!desk.path("log.csv.rejects.ndjson").exists());
    let bad_map = ["import", "log.csv", "--map", "stream=case", "--map", "type=at"];
    desk.run(&bad_map).failed(2, "\"case:id\"?");
    Ok(())
}

async fn served() -> CaseResult {
    let desk = Desk::new();
    let server = super::commands::Served::start(&desk, &[]).await;
    let rows = rows(0..400);
    desk.write("log.csv", csv(&rows));
    assert_eq!(account(&import(&desk, "log.csv", &["--batch", "64"])), [400, 400, 0, 0]);
    assert_eq!(account(&import(&desk, "log.csv", &["--batch", "64"])), [400, 0, 400, 0]);
    assert_eq!(by_stream(&desk.events()), expected(&rows));
    let told = desk.run(&["events", "types", "--verbose"]);
    assert!(told.err.contains("going through http://127.0.0.1:"), "{}", told.err);
    server.stop().await;
    assert_eq!(account(&import(&desk, "log.csv", &[])), [400, 0, 400, 0]);
    Ok(())
}

async fn unfinished() -> CaseResult {
    let desk = Desk::new();
    let whole = "{\"stream\":\"g-1\",\"type\":\"T\",\"data\":{\"n\":1}}\n";
    let last = "{\"stream\":\"g-1\",\"type\":\"T\",\"data\":{\"n\":2}}";
    desk.write("log.ndjson", format!("{whole}{}", &last[..30]));
    let ended = desk.run(&["import", "log.ndjson"]);
    assert_eq!(ended.code, 6, "the last line is a bad row yet: {}", ended.err);
    desk.write("log.ndjson", format!("{whole}{last}\n"));
    assert_eq!(account(&desk.json(&["import", "log.ndjson"])), [2, 1, 1, 0]);
    assert_eq!(account(&desk.json(&["import", "log.ndjson"])), [2, 0, 2, 0]);
    assert_eq!(desk.events().len(), 2);
    Ok(())
}

/// Changes what the mark of the only import says of the number of streams, which nothing else reads.
fn tell_streams(desk: &Desk, from: u64, to: u64) -> CaseResult {
    let (from, to) = (format!("\"finished_streams\":{from}}}"), format!("\"finished_streams\":{to}}}"));
    let database = rusqlite::Connection::open(desk.path("app.db"))?;
    let value: Vec<u8> = database.query_row("SELECT value FROM marks", [], |row| row.get(0))?;
    let changed = String::from_utf8(value)?.replace(&from, &to);
    assert!(changed.contains(&to), "{changed}");
    database.execute("UPDATE marks SET value = ?1", [changed.into_bytes()])?;
    Ok(())
}

async fn line_ends() -> CaseResult {
    for text in [csv(&rows(0..500)), csv(&rows(0..500)).replace('\n', "\r\n")] {
        let desk = Desk::new();
        desk.write("log.csv", text);
        assert_eq!(account(&import(&desk, "log.csv", &["--batch", "100"])), [500, 500, 0, 0]);
        let database = rusqlite::Connection::open(desk.path("app.db"))?;
        let value: Vec<u8> = database.query_row("SELECT value FROM marks", [], |row| row.get(0))?;
        let progress: Value = serde_json::from_slice(&value)?;
        assert_eq!((&progress["rows"], &progress["exact"]), (&Value::from(500), &Value::from(true)));
    }
    Ok(())
}

async fn unclosed() -> CaseResult {
    let desk = Desk::new();
    let begun =
        csv("a,X,2011-10-11 13:45:40Z,1\nb,X,2011-10-11 13:45:40Z,\"two\nc,X,2011-10-11 13:45:40Z,3\n");
    desk.write("log.csv", &begun);
    assert_eq!(account(&import(&desk, "log.csv", &[])), [3, 2, 0, 1]);
    assert_eq!(account(&import(&desk, "log.csv", &[])), [3, 0, 2, 1]);
    let whole = format!("{begun}end\"\nd,X,2011-10-11 13:45:40Z,4\n");
    desk.write("log.csv", whole);
    // What stood in the open quote was a line of its own, and is a part of the row now.
    assert_eq!(account(&import(&desk, "log.csv", &[])), [3, 2, 1, 0]);
    let streams: Vec<_> = desk.events().iter().map(|event| event["stream"].to_string()).collect();
    assert_eq!(streams, ["\"a\"", "\"c\"", "\"b\"", "\"d\""]);
    Ok(())
}

async fn same_bytes() -> CaseResult {
    let desk = Desk::new();
    let text = csv(&rows(0..500));
    // Without a last line end too.
    for (name, text) in [("log.csv", text.as_str()), ("open.csv", text.trim_end())] {
        let desk = Desk::new();
        desk.write(name, text);
        assert_eq!(account(&import(&desk, name, &[])), [500, 500, 0, 0]);
        tell_streams(&desk, 83, 4_242)?;
        let again = import(&desk, name, &[]);
        assert_eq!((account(&again), &again["streams"]), ([500, 0, 500, 0], &Value::from(4_242)));
        // The same rows behind them are new ones, and so is every row of a run that ends early.
        desk.write(name, format!("{}\n{}", text.trim_end(), rows(0..3)));
        let grown = import(&desk, name, &[]);
        assert_eq!((account(&grown), &grown["streams"]), ([503, 3, 500, 0], &Value::from(83)));
        desk.write(name, text);
        assert_eq!(account(&import(&desk, name, &[])), [500, 0, 500, 0]);
        assert_eq!(desk.events().len(), 503);
    }
    // A file with a bad row is read again, for the rejects speak of the last run.
    desk.write("feed.ndjson", "{\"stream\":\"a\",\"type\":\"x\"}\nbad\n");
    for accepted in [1, 0] {
        assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [2, accepted, 1 - accepted, 1]);
        assert!(desk.path("feed.ndjson.rejects.ndjson").exists());
    }
    Ok(())
}

async fn other_rules() -> CaseResult {
    let desk = Desk::new();
    desk.write("log.csv", csv(&rows(0..200)));
    assert_eq!(account(&import(&desk, "log.csv", &["--source", "log"])), [200, 200, 0, 0]);
    tell_streams(&desk, 83, 4_242)?;
    for other in
        [&["--types", "org:n=integer"][..], &["--zone", "Europe/Amsterdam"], &["--map", "tags=org:n"]]
    {
        let summary = import(&desk, "log.csv", &[&["--source", "log"], other].concat());
        assert_eq!(
            (account(&summary), &summary["streams"]),
            ([200, 0, 200, 0], &Value::from(83)),
            "{other:?}"
        );
        assert_eq!(summary["rules_changed"], true, "{other:?}");
    }
    // Another source, another tenant and another store know nothing of it.
    assert_eq!(account(&import(&desk, "log.csv", &[])), [200, 200, 0, 0]);
    assert_eq!(
        account(&import(&desk, "log.csv", &["--source", "log", "--tenant", "acme"])),
        [200, 200, 0, 0]
    );
    desk.done(&["export", "--to", "all.ndjson"]);
    for file in ["app.db", "app.db.lock"] {
        std::fs::remove_file(desk.path(file))?;
    }
    desk.done(&["import", "--restore", "all.ndjson"]);
    assert_eq!(account(&import(&desk, "log.csv", &["--source", "log"])), [200, 0, 200, 0]);
    std::fs::remove_file(desk.path("app.db"))?;
    assert_eq!(account(&import(&desk, "log.csv", &["--source", "log"])), [200, 200, 0, 0]);
    Ok(())
}

async fn damaged() -> CaseResult {
    let desk = Desk::new();
    let text = csv(&rows(0..20_000));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes())?;
    let packed = packed.finish()?;
    let run = || desk.run(&[&["import", "log.csv.gz"], &MAP[..]].concat());
    desk.write("log.csv.gz", &packed[..packed.len() / 2]);
    let cut = run();
    cut.failed(2, "error[LS0015]: the gzip file is cut off in line ");
    assert!(cut.err.contains("unpacked bytes"), "{}", cut.err);
    let mut broken = packed.clone();
    let last = broken.len() - 5;
    broken[last] ^= 0xff;
    desk.write("log.csv.gz", broken);
    run().failed(2, "error[LS0015]: the gzip file is damaged in line 20002");
    desk.write("log.csv.gz", &text);
    run().failed(2, "take the ending .gz off");
    desk.write("log.csv.gz", "a");
    run().failed(2, "take the ending .gz off");
    desk.write("log.csv.gz", packed);
    assert_eq!(run().code, 0);
    assert_eq!(by_stream(&desk.events()), expected(&rows(0..20_000)));
    let missing = desk.run(&[&["import", "none.csv"], &MAP[..]].concat());
    missing.failed(4, "there is no file none.csv");
    assert!(missing.err.contains("current folder"), "{}", missing.err);
    Ok(())
}

async fn wrong_options() -> CaseResult {
    let desk = Desk::new();
    desk.write("log.csv", csv(&rows(0..3)).replace(',', ";"));
    let told = |arguments: &[&str]| desk.run(&[&["import", "log.csv"], &MAP[..], arguments].concat());
    told(&[]).failed(2, "try --delimiter ';'");
    for batch in ["0", "10001", "many"] {
        let ended = told(&["--batch", batch]);
        assert_eq!(ended.code, 2);
        assert!(ended.err.contains("a number of rows from 1 to 10000"), "{}", ended.err);
    }
    told(&["--zone", "Europe/Amsterdm"]).failed(2, "did you mean Europe/Amsterdam?");
    assert_eq!(told(&["--delimiter", ";"]).code, 0);
    desk.write("tabs.csv", csv("a,X,2011-10-11 13:45:40Z,1\n").replace(',', "\t"));
    assert_eq!(desk.run(&[&["import", "tabs.csv", "--delimiter", "tab"], &MAP[..]].concat()).code, 0);
    desk.write("feed.ndjson", "{\"stream\":\"a\",\"type\":\"x\"}\n[\"a\",\"x\"]\n[{\"stream\":\"a\"}]\n");
    assert_eq!(account(&desk.json(&["import", "feed.ndjson"])), [3, 1, 0, 2]);
    let rejects = desk.read("feed.ndjson.rejects.ndjson");
    assert!(rejects.contains("{\"line\":2,\"reason\":\"the row is an array"), "{rejects}");
    Ok(())
}

async fn clocks_turned() -> CaseResult {
    let desk = Desk::new();
    let rows =
        "a,X,2023-03-26 02:30:00,gap\na,X,2023-10-29 02:30:00,fold\na,X,2023-10-29 02:30:00+01:00,later\n";
    desk.write("log.csv", csv(rows));
    let summary = import(&desk, "log.csv", &["--zone", "Europe/Amsterdam"]);
    assert_eq!(account(&summary), [3, 2, 0, 1]);
    let rejects = desk.read("log.csv.rejects.ndjson");
    assert!(rejects.contains("\"line\":2") && rejects.contains("it never was"), "{rejects}");
    let times: Vec<_> = desk.events().iter().map(|event| event["occurred_at"].clone()).collect();
    assert_eq!(times, ["2023-10-29T02:30:00.000000+02:00", "2023-10-29T02:30:00.000000+01:00"]);
    desk.write("feed.ndjson", "{\"stream\":\"a\",\"type\":\"x\",\"occurred_at\":\"2023-03-26T02:30:00\"}\n");
    desk.run(&["import", "feed.ndjson", "--zone", "Europe/Amsterdam"]).failed(6, "LS0024");
    assert!(desk.read("feed.ndjson.rejects.ndjson").contains("it never was"));
    Ok(())
}
