//! The commands, run as people run them: the built binary in a folder of its own.

#![expect(clippy::expect_used, reason = "a panic in a test is its report")]

mod backups;
mod commands;
mod failures;
mod folder_faults;
mod folders;
mod imports;
mod reading_beside;
mod restores;
mod verifying;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ledgerstone_testkit::conformance::Trials;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) fn add(trials: &mut Trials) {
    imports::add(trials);
    restores::add(trials);
    commands::add(trials);
    failures::add(trials);
    folders::add(trials);
    verifying::add(trials);
    backups::add(trials);
    reading_beside::add(trials);
    folder_faults::add(trials);
}

/// A folder with a store, and the binary to work on it.
pub(crate) struct Desk {
    folder: TempDir,
    pub(crate) store: String,
}

/// What a command printed, and how it ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = format!("sqlite:{}", folder.path().join("app.db").display());
        Self { folder, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).expect("written");
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Prepares a command in the folder, with nothing of this process's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary(self.folder.path());
        command.args(arguments).env("LEDGERSTONE__STORE", &self.store);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("it runs"))
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.err);
        ended.out
    }

    /// Runs a command with `--json` and reads its one document, however it ended.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&ended.out)
            .unwrap_or_else(|_| panic!("{arguments:?}: {}{}", ended.out, ended.err))
    }

    /// Reads the log as `events read --json` prints it.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.done(&["events", "read", "--json"])
            .lines()
            .map(|line| serde_json::from_str(line).expect("json"))
            .collect()
    }

    pub(crate) fn digest(&self) -> Value {
        self.json(&["events", "digest"])
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Holds the command to a failure with this exit code and code.
    pub(crate) fn failed(&self, exit: i32, code: &str) {
        assert_eq!(self.code, exit, "{}{}", self.out, self.err);
        assert!(self.err.contains(code), "{}", self.err);
        assert!(self.err.contains("help"), "{}", self.err);
    }
}

/// Prepares the built binary in a folder, with nothing of this process's environment.
pub(crate) fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledgerstone"));
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

/// Returns a number of a document.
pub(crate) fn number(document: &Value, name: &str) -> u64 {
    document.get(name).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {name} in {document}"))
}

/// Returns read, accepted, already there and rejected.
pub(crate) fn account(summary: &Value) -> [u64; 4] {
    let account = ["read", "accepted", "already_there", "rejected"].map(|name| number(summary, name));
    assert_eq!(account[0], account[1] + account[2] + account[3], "{summary}");
    account
}
