//! `cargo xtask ci`: everything that a change must pass, cheapest first.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::checkout::{self, Checkout};
use crate::feature;
use crate::lock;
use crate::setup::{self, is_installed};
use crate::terminal::{complain, heading, say};
use crate::{test, tidy};

/// Runs every check in turn and stops at the first that fails.
pub(crate) fn run(checkout: &Checkout) -> Result<()> {
    let begun = Instant::now();
    setup::run()?;
    heading("tidy");
    tidy::run(checkout)?;
    heading("clippy");
    clippy(checkout)?;
    heading("documentation");
    documentation(checkout)?;
    book(checkout)?;
    heading("each feature alone");
    features(checkout)?;
    heading("locks");
    lock::check_fuzz(checkout)?;
    heading("dependencies");
    dependencies(checkout)?;
    heading("tests");
    test::run(checkout, &[])?;
    say(format!("ci: all is well, after {} s", begun.elapsed().as_secs()));
    Ok(())
}

fn clippy(checkout: &Checkout) -> Result<()> {
    let mut command = checkout.cargo(&["clippy", "--locked", "--workspace", "--all-targets"]);
    command.args(["--features", feature::TESTED_TOO, "--", "-D", "warnings"]);
    checkout::run(&mut command, "clippy")
}

fn documentation(checkout: &Checkout) -> Result<()> {
    let mut command = checkout.cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
    checkout::run(command.env("RUSTDOCFLAGS", "-D warnings"), "the documentation")
}

fn book(checkout: &Checkout) -> Result<()> {
    if !is_installed("mdbook") {
        complain(
            "WARNING: mdbook is not installed, so the book was NOT built; only its links were checked by tidy.",
        );
        complain("         `cargo install mdbook --locked` brings it.");
        return Ok(());
    }
    let mut command = Command::new("mdbook");
    command
        .arg("build")
        .arg(checkout.root().join("docs"))
        .arg("--dest-dir")
        .arg(checkout.target().join("book"));
    checkout::run(&mut command, "the book")
}

fn features(checkout: &Checkout) -> Result<()> {
    for lone in feature::each_alone(checkout)? {
        let mut command = checkout.cargo(&["check", "--locked", "--quiet", "--no-default-features"]);
        command.args(["-p", &lone.package]);
        let what = match &lone.feature {
            Some(feature) => {
                command.args(["--features", feature]);
                format!("{} with feature {feature} alone", lone.package)
            }
            None => format!("{} without features", lone.package),
        };
        say(&what);
        checkout::run(&mut command, &what)?;
    }
    Ok(())
}

fn dependencies(checkout: &Checkout) -> Result<()> {
    if !is_installed("cargo-deny") {
        complain("WARNING: cargo-deny is not installed, so deny.toml was NOT checked.");
        complain("         `cargo install cargo-deny --locked` brings it.");
        return Ok(());
    }
    let mut command = checkout.cargo(&["deny", "check", "bans", "licenses", "sources"]);
    checkout::run(&mut command, "cargo-deny")
}
