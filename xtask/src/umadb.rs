//! `cargo xtask bench umadb`: UmaDB's own client against ledgerstone and against UmaDB's server.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::checkout::{self, Checkout};
use crate::setup::is_installed;
use crate::terminal::{heading, say};

/// The release of UmaDB that is measured; its client's is in the lock of `benches/umadb`.
const RELEASE: &str = "0.7.8";

/// Checks both servers by the same expectations, then measures them; the word `check` first ends it there.
///
/// The rest of `words` goes to the measurement, which tells its options where one is wrong. `--umadb PROGRAM` names
/// a server that is there already; otherwise it is installed into the target folder.
pub(crate) fn run(checkout: &Checkout, words: &[String]) -> Result<()> {
    if !is_installed("protoc") {
        bail!("UmaDB's client is built with `protoc`; install it (Debian: protobuf-compiler)");
    }
    let (only_check, words) = match words.split_first() {
        Some((first, rest)) if first == "check" => (true, rest),
        _ => (false, words),
    };
    heading("the product");
    checkout::run(
        &mut checkout.cargo(&["build", "--release", "--locked", "-p", "ledgerstone-server"]),
        "the build of the binary",
    )?;
    let mut given = words.to_vec();
    if !given.iter().any(|word| word == "--umadb") {
        given.extend(["--umadb".to_owned(), server(checkout)?.display().to_string()]);
    }
    heading("UmaDB's client");
    let target = checkout.target().join("umadb-bench");
    let mut build =
        checkout.cargo(&["build", "--release", "--locked", "--manifest-path", "benches/umadb/Cargo.toml"]);
    checkout::run(build.env("CARGO_TARGET_DIR", &target), "the build of UmaDB's client")?;
    let bench = program(&target.join("release"), "ledgerstone-umadb");
    let ledgerstone = program(&checkout.target().join("release"), "ledgerstone");
    let begin = |verb: &str| {
        let mut command = Command::new(&bench);
        command.arg(verb).arg("--ledgerstone").arg(&ledgerstone).args(&given);
        command
    };
    heading("expectations");
    checkout::run(&mut begin("check"), "the check")?;
    if only_check {
        return Ok(());
    }
    heading("measurement");
    checkout::run(&mut begin("measure"), "the measurement, or one of its bars,")
}

/// Returns the program of UmaDB's server, which is installed if it is not there.
fn server(checkout: &Checkout) -> Result<PathBuf> {
    let root = checkout.target().join(format!("umadb-{RELEASE}"));
    let server = program(&root.join("bin"), "umadb");
    if !server.is_file() {
        heading("UmaDB's server");
        say(format!("installing it into {}", root.display()));
        let mut install = checkout.cargo(&["install", "umadb", "--version", RELEASE, "--locked", "--root"]);
        let install = install.arg(&root).env("CARGO_TARGET_DIR", root.join("target"));
        checkout::run(install, "the installation of UmaDB's server")?;
    }
    Ok(server)
}

fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}
