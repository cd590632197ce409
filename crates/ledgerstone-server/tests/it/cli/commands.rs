//! Commands: the grammar, the two faces of output, and what goes through a server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::{Value, json};

use super::{Desk, number};

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::events_are_appended_read_and_shown", events);
    trials.add("cli::streams_and_types_are_counted", counted);
    trials.add("cli::a_read_model_is_declared_queried_and_taken_away", read_models);
    trials.add("cli::a_verb_goes_through_the_server_that_owns_the_store", served);
    trials.add("cli::a_follower_sees_what_is_appended_elsewhere", followed);
    trials.add("cli::the_demo_leaves_a_store_to_look_at", demo);
    trials.add("cli::a_pipe_that_is_closed_ends_a_command_quietly", closed_pipe);
    trials.add("cli::codes_are_explained_and_shells_completed", explained);
    trials.add("cli::the_doctor_changes_nothing", doctor);
    trials.add("cli::a_store_is_one_file_again_once_a_command_has_ended", one_file);
    trials.add("cli::streams_are_listed_alike_from_the_log_and_from_the_read_model", listed);
}

/// A server of a desk's store, ended with the test.
pub(super) struct Served(Option<Child>);

impl Served {
    pub(super) async fn start(desk: &Desk, arguments: &[&str]) -> Self {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "--json"], arguments].concat();
        let child = desk.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("it runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert!(line.contains("\"address\""), "{line}");
        Self(Some(child))
    }

    /// Stops it as an operator does, and waits until it has ended well.
    pub(super) async fn stop(mut self) {
        let Some(mut child) = self.0.take() else { return };
        let pid = child.id().to_string();
        let told = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.expect("it runs").success());
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().expect("its status") {
                assert!(status.success(), "{status}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = child.kill();
        panic!("the server did not stop");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

async fn events() -> CaseResult {
    let desk = Desk::new();
    let first = desk.done(&[
        "events",
        "append",
        "account-1",
        "Opened",
        r#"{"owner":"Ada"}"#,
        "--expected",
        "no_stream",
    ]);
    assert_eq!(first, "position 1, revision 0\n");
    desk.run(&["events", "append", "account-1", "Opened", "{}", "--expected", "no_stream"])
        .failed(3, "LS0009");
    desk.run(&["events", "append", "account-1", "Opened", "{"]).failed(2, "LS0015");
    for data in [r#""\ud800""#, "1e999999", &["[", "]"].map(|bracket| bracket.repeat(200)).concat()] {
        desk.run(&["events", "append", "account-1", "Opened", data]).failed(2, "LS0015");
    }
    desk.run(&["events", "append", "$a", "Opened", "{}"]).failed(2, "LS0015");
    let appended = desk.json(&["events", "append", "account-1", "Closed", "{}", "--tag", "red"]);
    assert!(appended.get("last").is_some(), "{appended}");
    let events = desk.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["data"]["owner"], "Ada");
    for (arguments, count) in [
        (&["--tag", "red"][..], 1),
        (&["--stream", "account-1", "--from-revision", "1"], 1),
        (&["--category", "account"], 2),
        (&["--type", "Opened", "--type", "Closed"], 2),
        (&["--after", "1"], 1),
        (&["--recorded-to", "2000-01-01T00:00:00Z"], 0),
        (&["--backwards", "-n", "1"], 1),
        (&["--system"], 0),
    ] {
        let lines = desk.done(&[&["events", "read"], arguments].concat());
        assert_eq!(lines.lines().count(), count, "{arguments:?}: {lines}");
    }
    let shown = desk.json(&["events", "show", "account-1@1"]);
    assert_eq!((&shown["type"], &shown["position"]), (&Value::from("Closed"), &Value::from(2)));
    desk.run(&["events", "show", "9"]).failed(4, "LS0033");
    desk.run(&["events", "read", "--recorded-to", "yesterday"]).failed(2, "LS0015");
    Ok(())
}

async fn counted() -> CaseResult {
    let desk = Desk::new();
    for (stream, kind) in [("a-1", "X"), ("a-2", "X"), ("b-1", "Y"), ("a-1", "X")] {
        desk.done(&["events", "append", stream, kind, "{}"]);
    }
    let types = desk.done(&["events", "types"]);
    assert!(types.lines().nth(1).is_some_and(|line| line.trim_start().starts_with("3  X")), "{types}");
    let streams = desk.done(&["streams", "list", "--category", "a", "--json"]);
    assert_eq!(streams.lines().count(), 2);
    let shown = desk.json(&["streams", "show", "a-1"]);
    assert_eq!((number(&shown, "events"), number(&shown, "revision")), (2, 1));
    desk.run(&["streams", "show", "c-1"]).failed(4, "LS0033");
    desk.run(&["streams", "delete", "a-1"]).failed(2, "--yes");
    desk.run(&["streams", "truncate", "a-1", "--before", "1"]).failed(3, "LS0034");
    desk.run(&["streams", "retain", "a-1"]).failed(2, "--max-count");
    desk.run(&["streams", "retain", "a-1", "--max-age", "30"]).failed(2, "12h");
    desk.run(&["streams", "retain", "a-1", "--max-count", "1"]).failed(3, "LS0034");
    desk.done(&["streams", "retain", "a-1", "--transient", "--max-count", "1", "--max-age", "30d"]);
    let shown = desk.json(&["streams", "show", "a-1"]);
    assert_eq!((number(&shown, "events"), number(&shown, "max_age_seconds")), (1, 2_592_000));
    desk.done(&["streams", "retain", "a-1", "--everything"]);
    assert_eq!(number(&desk.json(&["streams", "show", "a-1"]), "truncated_before"), 1);
    desk.done(&["events", "verify"]);
    desk.done(&["streams", "delete", "a-1", "--yes"]);
    assert_eq!(desk.json(&["streams", "show", "a-1"])["tombstoned"], true);
    Ok(())
}

const DECLARATION: &str = r#"
[read_model]
name = "counters"
key = "{stream}"

[fields]
n = { kind = "integer", indexed = true }
events = "integer"

[[on]]
types = ["Counted"]
set = { n = "/n" }
increment = { events = 1 }
"#;

async fn read_models() -> CaseResult {
    let desk = Desk::new();
    for n in 0..6 {
        let stream = format!("c-{}", n % 3);
        desk.done(&["events", "append", &stream, "Counted", &format!("{{\"n\":{n}}}")]);
    }
    assert!(desk.done(&["subscriptions", "list"]).contains("unfed"), "nothing has reached the built-in ones");
    desk.write("counters.toml", DECLARATION);
    let checked = desk.done(&["read-models", "check", "counters.toml"]);
    assert!(checked.starts_with("counters: no event would be parked"), "{checked}");
    assert!(checked.contains("FIELD   KIND     SET") && !checked.contains("{\"kind\""), "{checked}");
    assert!(!desk.done(&["read-models", "list"]).contains("counters"), "a check declares nothing");
    let declared = desk.json(&["read-models", "declare", "counters.toml"]);
    assert_eq!((number(&declared, "lag"), number(&declared, "parked")), (0, 0));
    assert_eq!(desk.done(&["read-models", "query", "counters", "--where", "n=4", "--count"]), "1\n");
    let page = desk.done(&["read-models", "query", "counters", "--sort=-n", "--size", "2", "--json"]);
    let lines: Vec<Value> = page.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!((&lines[0]["key"], &lines[1]["key"]), (&Value::from("c-2"), &Value::from("c-1")));
    let cursor = lines[2]["next"].as_str().expect("a cursor");
    let rest = desk.done(&[
        "read-models",
        "query",
        "counters",
        "--sort=-n",
        "--size",
        "2",
        "--json",
        "--cursor",
        cursor,
    ]);
    assert!(rest.contains("c-0"), "{rest}");
    desk.run(&["read-models", "query", "counters", "--cursor", cursor]).failed(2, "LS0016");
    desk.run(&["read-models", "query", "counters", "--where", "m=4"]).failed(2, "there is no field \"m\"");
    let searched = desk.run(&["read-models", "query", "counters", "--search", "four"]);
    searched.failed(2, "counters has no searchable field");
    assert!(searched.err.contains("searchable = true"), "{}", searched.err);
    let shown = desk.done(&["read-models", "show", "counters"]);
    assert!(shown.contains("n       integer  yes      no"), "{shown}");
    desk.run(&["read-models", "query", "counter"]).failed(4, "LS0018");
    desk.done(&["subscriptions", "pause", "counters"]);
    assert!(desk.done(&["subscriptions", "list"]).contains("paused"));
    desk.done(&["subscriptions", "resume", "counters"]);
    desk.done(&["read-models", "rebuild", "counters"]);
    desk.write("wrong.toml", DECLARATION.replace("increment", "incremnt"));
    desk.run(&["read-models", "declare", "wrong.toml"]).failed(2, "LS0020");
    desk.done(&["read-models", "undeclare", "counters"]);
    desk.run(&["read-models", "show", "counters"]).failed(4, "LS0018");
    Ok(())
}

async fn served() -> CaseResult {
    let desk = Desk::new();
    let token = "a-token-of-some-length";
    desk.write("ledgerstone.toml", format!("[server]\ntoken = \"{token}\"\n"));
    let server = Served::start(&desk, &[]).await;
    desk.done(&["events", "append", "c-1", "Counted", r#"{"n":7}"#]);
    desk.write("counters.toml", DECLARATION);
    let declared = desk.json(&["read-models", "declare", "counters.toml"]);
    assert_eq!((&declared["state"], &declared["lag"]), (&json!("live"), &json!(0)), "{declared}");
    let count = ["read-models", "query", "counters", "--where", "n=7", "--count"];
    let ended = desk.run(&count);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("1\n", ""));
    desk.done(&["subscriptions", "pause", "counters"]);
    desk.run(&["read-models", "rebuild", "counters"]).failed(2, "resume it first");
    desk.done(&["events", "append", "c-2", "Counted", r#"{"n":7}"#]);
    let ended = desk.run(&count);
    assert_eq!((ended.out.as_str(), ended.err.as_str()), ("1\n", "not up to date: 1 event behind\n"));
    desk.done(&["subscriptions", "resume", "counters"]);
    assert!(desk.done(&["read-models", "parked", "counters"]).contains("KEY"));
    let rebuilt = desk.json(&["read-models", "rebuild", "counters"]);
    assert_eq!(rebuilt, json!({"position": 2, "head": 2, "parked": 0}));
    desk.run(&["read-models", "query", "counter"]).failed(4, "LS0018");
    desk.run(&["--token", "another-token-of-length", "events", "read"]).failed(2, "LS0026");
    desk.run(&["import", "--restore", "counters.toml"]).failed(2, "LS0015");
    server.stop().await;
    Ok(())
}

async fn followed() -> CaseResult {
    let desk = Desk::new();
    let server = Served::start(&desk, &[]).await;
    let mut tail = desk.command(&["events", "tail", "--json", "-n", "2"]).stdout(Stdio::piped()).spawn()?;
    // It follows from where the log stands once it has connected.
    tokio::time::sleep(Duration::from_millis(600)).await;
    desk.done(&["events", "append", "a-1", "X", "1"]);
    desk.done(&["events", "append", "a-1", "Y", "2"]);
    let mut printed = String::new();
    tail.stdout.take().expect("a pipe").read_to_string(&mut printed)?;
    assert!(tail.wait()?.success());
    assert_eq!(printed.lines().count(), 2, "{printed}");
    server.stop().await;
    Ok(())
}

async fn demo() -> CaseResult {
    let desk = Desk::new();
    let seen = desk.json(&["demo", "--folder", "shown"]);
    let store = seen["store"].as_str().expect("a store");
    assert!(desk.done(&["--store", store, "streams", "list", "-n", "5"]).contains("client-"));
    // Its rules are code that the other commands do not have; what it filled answers all the same.
    let found = desk.done(&["--store", store, "read-models", "query", "clients", "--count"]);
    let found: u64 = found.trim().parse().expect("a number");
    assert!(found >= number(&seen, "clients"), "the deleted ones are counted too: {found}");
    Ok(())
}

async fn closed_pipe() -> CaseResult {
    let desk = Desk::new();
    let rows: String =
        (0..3_000).map(|n| format!("{{\"stream\":\"a\",\"type\":\"x\",\"data\":{n}}}\n")).collect();
    desk.write("feed.ndjson", rows);
    desk.done(&["import", "feed.ndjson"]);
    let mut child = desk.command(&["export"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut first = [0; 16];
    child.stdout.take().expect("a pipe").read_exact(&mut first)?;
    let ended = child.wait_with_output()?;
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    Ok(())
}

async fn explained() -> CaseResult {
    let desk = Desk::new();
    assert!(desk.done(&["explain", "LS0001"]).starts_with("# LS0001: "));
    assert!(desk.done(&["explain"]).lines().count() > 30);
    assert!(desk.done(&["explain", "--json"]).lines().all(|line| line.starts_with("{\"code\":\"LS")));
    desk.run(&["explain", "LS9999"]).failed(4, "LS0033");
    assert!(desk.done(&["completions", "bash"]).contains("ledgerstone"));
    assert!(desk.done(&["--help"]).contains("Exit codes"));
    Ok(())
}

async fn one_file() -> CaseResult {
    let desk = Desk::new();
    desk.done(&["events", "append", "a-1", "X", "1"]);
    desk.write("counters.toml", DECLARATION);
    for arguments in [
        &["events", "read"][..],
        &["events", "show", "9"],
        &["events", "types"],
        &["streams", "list"],
        &["streams", "show", "a-1"],
        &["streams", "truncate", "a-1", "--before", "9"],
        &["read-models", "declare", "counters.toml"],
        &["read-models", "query", "counters", "--where", "m=1"],
        &["export"],
    ] {
        desk.run(arguments);
        for left in ["app.db-wal", "app.db-shm"] {
            assert!(!desk.path(left).exists(), "{arguments:?} leaves {left}");
        }
        assert_eq!(desk.read("app.db.lock"), "", "{arguments:?} leaves the lock to nobody");
    }
    Ok(())
}

async fn listed() -> CaseResult {
    let desk = Desk::new();
    let row = |n: u32| {
        let (stream, day) = (n * 7 % 83, 1 + n * 11 % 28);
        let category = ["a-", "b-", ""][(stream % 3) as usize];
        format!(
            "{{\"stream\":\"{category}{stream}\",\"type\":\"T{}\",\"occurred_at\":\"2011-10-{day:02}T13:45:40+0{}:00\"}}\n",
            n % 5,
            n % 4
        )
    };
    // More than what the read model is brought up by first.
    desk.write("feed.ndjson", (0..20_500).map(row).collect::<String>());
    desk.done(&["import", "feed.ndjson"]);
    let lists = || {
        let choices: [&[&str]; 4] = [&[], &["--category", "a"], &["--prefix", "1"], &["-n", "7"]];
        choices.map(|choice| desk.done(&[&["streams", "list", "--json"], choice].concat()))
    };
    let from_the_log = lists();
    assert_eq!(from_the_log[0].lines().count(), 83);
    assert_eq!(desk.done(&["read-models", "query", "$streams", "--count"]), "83\n");
    assert_eq!(lists(), from_the_log);
    Ok(())
}

async fn doctor() -> CaseResult {
    let desk = Desk::new();
    assert!(desk.done(&["doctor"]).contains("all is well"));
    assert!(!desk.path("app.db").exists(), "the doctor makes no store");
    desk.done(&["events", "append", "a-1", "X", "1"]);
    let before = desk.digest();
    assert_eq!(number(&desk.json(&["doctor"]), "problems"), 0);
    assert_eq!(desk.digest(), before);
    desk.write("ledgerstone.toml", "[server]\nlisten = \"0.0.0.0:7400\"\n");
    let ended = desk.run(&["doctor"]);
    assert_eq!(ended.code, 6, "{}", ended.out);
    assert!(ended.out.contains("PROBLEM") && ended.out.contains("ledgerstone.toml line 2"), "{}", ended.out);
    Ok(())
}
