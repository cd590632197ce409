//! The built binary, and the few of its verbs that xtask drives from outside.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::checkout::{self, Checkout};
use crate::store::Store;

/// The binary `ledgerstone` as it was just built.
#[derive(Debug)]
pub(crate) struct Product {
    program: PathBuf,
    /// Words that come before every command's own.
    leading: Vec<String>,
}

impl Product {
    /// Builds the binary with the dev profile.
    pub(crate) fn build(checkout: &Checkout) -> Result<Self> {
        let mut build = checkout.cargo(&["build", "--locked", "-p", "ledgerstone-server"]);
        checkout::run(&mut build, "the build of the binary")?;
        let name = format!("ledgerstone{}", env::consts::EXE_SUFFIX);
        Ok(Self { program: checkout.target().join("debug").join(name), leading: Vec::new() })
    }

    /// Begins a command of the binary on a store, deaf to the settings of this shell.
    pub(crate) fn command(&self, store: &Store, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LEDGERSTONE_"))
        {
            command.env_remove(name);
        }
        command.args(&self.leading).args(words).arg("--store").arg(store.locator());
        command.stdin(Stdio::null());
        command
    }

    /// Runs an import of `file` to its end; `more` are further arguments.
    pub(crate) fn import(&self, store: &Store, file: &Path, more: &[&str]) -> Result<()> {
        let mut command = self.command(store, &["import"]);
        checkout::run(command.arg(file).args(more), "the import")
    }

    /// Exports every event of the store.
    pub(crate) fn export(&self, store: &Store) -> Result<Vec<Value>> {
        let output = self.command(store, &["export"]).output().context("the export could not be run")?;
        if !output.status.success() {
            bail!("the export failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8(output.stdout).context("the export is not UTF-8")?;
        text.lines()
            .map(|line| {
                serde_json::from_str(line).with_context(|| format!("the export wrote no JSON: {line}"))
            })
            .collect()
    }
}

#[cfg(test)]
impl Product {
    /// Puts a shell script in the product's place: `$1` is the verb, `$3` the locator, `$4` a file.
    pub(crate) fn script(script: &str) -> Self {
        Self { program: "sh".into(), leading: ["-c", script, "sh"].map(str::to_owned).to_vec() }
    }
}
