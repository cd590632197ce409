//! Bad input and bad surroundings: a clear error, an exit code, and nothing half done.

use std::path::Path;
use std::process::Command;

use ledgerstone::stores::{Resources, open};
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use rusqlite::Connection;

use super::{Desk, Ended, binary};

pub(super) fn add(trials: &mut Trials) {
    trials.add("cli::unknown_keys_name_the_nearest_with_their_place", keys);
    trials.add("cli::a_store_in_use_says_by_which_process", owned);
    trials.add("cli::a_newer_or_foreign_file_is_left_alone", foreign);
    trials.add("cli::a_public_address_without_a_token_is_refused_at_start", public);
    trials.add("cli::nothing_is_made_by_reading", nothing_made);
    trials.add("cli::wrong_arguments_are_told_without_the_words_of_a_parser", arguments);
    trials.add("cli::errors_are_problem_documents_for_scripts", problems);
    // Only where this process may mount file systems.
    if let Some(mount) = Mount::tmpfs("size=1m") {
        trials.add("cli::a_full_disk_loses_nothing", move || full(mount));
    }
    if let Some(mount) = Mount::tmpfs("size=8m") {
        trials.add("cli::a_read_only_folder_is_told", move || read_only(mount));
    }
}

async fn keys() -> CaseResult {
    let desk = Desk::new();
    desk.write("ledgerstone.toml", "[server]\nlissten = \"127.0.0.1:1\"\n");
    let ended = desk.run(&["events", "read"]);
    ended.failed(
        2,
        "error[LS0008]: ./ledgerstone.toml line 2: unknown key server.lissten; did you mean server.listen?",
    );
    desk.write("ledgerstone.toml", "[log]\nformat = \"yaml\"\n");
    desk.run(&["events", "read"]).failed(2, "log.format cannot be \"yaml\"; it must be text or json");
    desk.write("ledgerstone.toml", "");
    let ended = Ended::of(desk.command(&["events", "read"]).env("LEDGERSTONE__SOTRE", "memory:").output()?);
    ended.failed(2, "did you mean LEDGERSTONE__STORE?");
    desk.run(&["--store", "sqlit:app.db", "events", "read"]).failed(2, "LS0007");
    desk.run(&["--config", "none.toml", "events", "read"]).failed(2, "none.toml");
    Ok(())
}

async fn owned() -> CaseResult {
    let desk = Desk::new();
    let held = open(&desk.store.parse()?, &Resources::default()).await?;
    let ended = desk.run(&["events", "append", "a-1", "X", "1"]);
    ended.failed(5, "LS0001");
    assert!(ended.err.contains(&std::process::id().to_string()), "{}", ended.err);
    let doctor = desk.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    let about = format!("process {}, which is no server", std::process::id());
    assert!(doctor.out.contains(&about), "{}", doctor.out);
    held.close().await;
    desk.done(&["events", "append", "a-1", "X", "1"]);
    Ok(())
}

async fn foreign() -> CaseResult {
    let desk = Desk::new();
    desk.done(&["events", "append", "a-1", "X", "1"]);
    let database = Connection::open(desk.path("app.db"))?;
    database.pragma_update(None, "user_version", 999)?;
    database.close().map_err(|(_, error)| error)?;
    desk.run(&["events", "read"]).failed(7, "LS0004");

    let text = desk.write("text.db", "this is no database, but it is long enough to be looked at".repeat(20));
    let before = std::fs::read(&text)?;
    desk.run(&["--store", &format!("sqlite:{}", text.display()), "events", "read"]).failed(7, "LS0005");
    assert_eq!(std::fs::read(&text)?, before);

    std::fs::create_dir_all(desk.path("cluster/log"))?;
    desk.write("cluster/log/postgres.log", "of somebody else");
    let append = |store: &str| desk.run(&["--store", store, "events", "append", "a-1", "X", "1"]);
    append("file:cluster").failed(7, "LS0005");
    assert!(!desk.path("cluster/documents.db").exists());
    append("file://cluster").failed(2, "write file:cluster for a folder here");
    append("file:twice?presized=no&presized=yes").failed(2, "presized stands twice");
    Ok(())
}

async fn public() -> CaseResult {
    let desk = Desk::new();
    desk.run(&["serve", "--listen", "0.0.0.0:0"]).failed(2, "LS0025");
    desk.run(&["serve", "--listen", "127.0.0.1:0", "--umadb", "0.0.0.0:0"]).failed(2, "LS0025");
    desk.run(&["serve", "--umadb", "nowhere"]).failed(2, "flag --umadb: protocols.umadb.listen cannot be");
    let ended = desk.run(&["serve", "--listen", "nowhere"]);
    ended.failed(2, "flag --listen: server.listen cannot be \"nowhere\"");
    Ok(())
}

async fn nothing_made() -> CaseResult {
    let desk = Desk::new();
    for arguments in [
        &["events", "read"][..],
        &["streams", "list"],
        &["export"],
        &["read-models", "list"],
        &["import", "none.csv", "--map", "stream=a", "--map", "type=b"],
    ] {
        desk.run(arguments).failed(4, "LS0033");
    }
    desk.write("feed.csv", "a,b\n1,2\n");
    desk.run(&["import", "feed.csv", "--map", "stream=x"]).failed(2, "there is no column");
    let made: Vec<_> =
        std::fs::read_dir(desk.path("."))?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    assert_eq!(made, ["feed.csv"]);
    Ok(())
}

async fn arguments() -> CaseResult {
    let desk = Desk::new();
    desk.write("array.json", "[]");
    desk.write("batch.json", "{\"appends\":{}}");
    for (arguments, told) in [
        (&["events", "read", "--after", "x"][..], "it is not a whole number"),
        (&["events", "append", "a", "X", "1", "--id", "7"], "write it like 018f"),
        (
            &["events", "append", "a", "X", "{\"n\":"],
            "the data is not JSON: it ends inside a value at column 5",
        ),
        (&["events", "append", "--batch", "array.json"], "is an array, and an object is needed"),
        (&["events", "append", "--batch", "batch.json"], "it is an object, and an array is needed"),
        (&["import", "."], ". is a folder"),
        (&["events", "read", "--limit", "-1"], "it is not a whole number"),
        (&["streams", "retain", "a", "--max-count", "0"], "the least is 1"),
    ] {
        for json in [&[][..], &["--json"]] {
            let ended = desk.run(&[arguments, json].concat());
            assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
            let text = ended.err.replace("\\\"", "\"");
            assert!(text.contains(told), "{arguments:?}: {}", ended.err);
            assert!(!["EOF", "invalid digit", "expected "].iter().any(|word| text.contains(word)), "{text}");
        }
    }
    for arguments in [&["events", "append", "--batch", "none"][..], &["import", "none"]] {
        desk.run(arguments).failed(4, "check the path");
    }
    Ok(())
}

async fn problems() -> CaseResult {
    let desk = Desk::new();
    for (arguments, code) in [
        (&["events", "read", "--json"][..], "LS0033"),
        (&["evnts", "--json"], "LS0015"),
        (&["--store", "x", "events", "read", "--json"], "LS0008"),
    ] {
        let ended = desk.run(arguments);
        let problem: serde_json::Value = serde_json::from_str(&ended.err)?;
        assert_eq!(problem["code"], code, "{}", ended.err);
        assert!(problem["help"].is_string() && ended.out.is_empty());
    }
    Ok(())
}

/// A file system of its own, unmounted in the end.
pub(super) struct Mount(tempfile::TempDir);

impl Mount {
    pub(super) fn tmpfs(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let mount = Self(folder);
        mount.mount(&["-t", "tmpfs", "-o", options, "tmpfs"]).then_some(mount)
    }

    pub(super) fn mount(&self, arguments: &[&str]) -> bool {
        Command::new("mount")
            .args(arguments)
            .arg(self.path())
            .output()
            .is_ok_and(|done| done.status.success())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

async fn full(mount: Mount) -> CaseResult {
    let desk = Desk::new();
    let note = "x".repeat(400);
    let rows: String = (0..4_000)
        .map(|n| format!("{{\"stream\":\"a-{n}\",\"type\":\"x\",\"data\":\"{note}\"}}\n"))
        .collect();
    let feed = desk.write("feed.ndjson", rows);
    let store = format!("sqlite:{}", mount.path().join("app.db").display());
    let import = |batch: &str| {
        let mut command = binary(mount.path());
        command.args(["--store", &store, "import", "--batch", batch]).arg(&feed);
        command
    };
    let ended = Ended::of(import("100").output()?);
    ended.failed(7, "LS0003");
    let mut list = binary(mount.path());
    let listed = Ended::of(list.args(["--store", &store, "streams", "list", "--json"]).output()?);
    assert!(listed.code == 0 && listed.out.contains("\"events\""), "{}", listed.err);
    // With room again, the same command goes on.
    let grown = mount.mount(&["-o", "remount,size=64m"]);
    assert!(grown, "the file system grows");
    let summary: serde_json::Value =
        serde_json::from_str(&Ended::of(import("100").arg("--json").output()?).out)?;
    let [read, accepted, already_there, rejected] = super::account(&summary);
    assert_eq!((read, rejected), (4_000, 0));
    assert!(already_there > 0 && accepted > 0, "{summary}");
    let mut digest = binary(mount.path());
    let digest = Ended::of(digest.args(["--store", &store, "events", "digest", "--json"]).output()?);
    assert!(digest.out.contains("\"application\":4000"), "{}", digest.out);
    Ok(())
}

async fn read_only(mount: Mount) -> CaseResult {
    let store = format!("sqlite:{}", mount.path().join("app.db").display());
    let append = || {
        let mut command = binary(Path::new("/"));
        command.args(["--store", &store, "events", "append", "a-1", "X", "1"]);
        command
    };
    assert_eq!(Ended::of(append().output()?).code, 0);
    assert!(mount.mount(&["-o", "remount,ro"]), "it becomes read-only");
    Ended::of(append().output()?).failed(7, "LS0002");
    let mut read = binary(Path::new("/"));
    let read = Ended::of(read.args(["--store", &store, "events", "read"]).output()?);
    assert!(read.code == 0 && read.out.contains("a-1@0"), "{}{}", read.out, read.err);
    let doctor = Ended::of(binary(Path::new("/")).args(["--store", &store, "doctor"]).output()?);
    assert_eq!(doctor.code, 6, "{}", doctor.out);
    Ok(())
}
