//! `cargo xtask test`: every test of the workspace, then one line of totals.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::feature;
use crate::setup;
use crate::tally::Tally;
use crate::terminal::{heading, say};

/// Runs the tests that `arguments` name, or the whole workspace's, and fails when one fails.
///
/// A skipped test fails the run as well where `CI=true`.
pub(crate) fn run(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    setup::run()?;
    let mut command = checkout.cargo(&["test", "--locked", "--no-fail-fast"]);
    if arguments.is_empty() {
        command.args(["--workspace", "--features", feature::TESTED_TOO]);
    } else {
        command.args(arguments);
    }
    if env::var_os("PROPTEST_CASES").is_none() {
        command.env("PROPTEST_CASES", "64");
    }
    say(format!("building into {}", checkout.target().display()));
    let (tally, status) = watch(&mut command, |line| say(line))?;
    heading("closing lines");
    tally.closing_lines.iter().for_each(say);
    say(&tally);
    verdict(&tally, status.success(), is_ci(env::var("CI").ok().as_deref()))
}

/// Runs a command, passing its standard output on line by line while counting it.
fn watch(command: &mut Command, mut pass_on: impl FnMut(&str)) -> Result<(Tally, ExitStatus)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo test could not be started")?;
    let output = child.stdout.take().context("cargo test has no standard output")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("the output of cargo test could not be read")?;
        let line = String::from_utf8_lossy(&line);
        tally.take(&line);
        pass_on(&line);
    }
    let status = child.wait().context("cargo test could not be waited for")?;
    Ok((tally, status))
}

fn verdict(tally: &Tally, cargo_is_content: bool, ci: bool) -> Result<()> {
    if tally.failed > 0 {
        bail!("{} failed; their output stands above", count(tally.failed, "test"));
    }
    if !cargo_is_content {
        bail!("cargo test failed without a failed test: a build error, or an executable that crashed");
    }
    if ci && tally.skipped > 0 {
        bail!("{} skipped, which CI=true does not allow", count(tally.skipped, "test"));
    }
    if tally.closing_lines.is_empty() {
        bail!("no test executable was run");
    }
    Ok(())
}

fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn is_ci(variable: Option<&str>) -> bool {
    !matches!(variable, None | Some("" | "0" | "false"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{is_ci, verdict, watch};
    use crate::tally::Tally;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally { passed, failed, skipped, closing_lines: vec![String::new()] }
    }

    #[test]
    fn output_is_counted_while_it_streams_and_the_exit_status_kept() {
        let script = "echo 'test result: ok. 3 passed; 0 failed; 1 ignored'; exit 3";
        let mut passed_on = Vec::new();
        let mut command = Command::new("sh");
        let (tally, status) =
            watch(command.args(["-c", script]), |line| passed_on.push(line.to_owned())).unwrap();
        assert_eq!(passed_on.len(), 1);
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 1 skipped");
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_skipped_test_fails_only_under_ci() {
        assert!(verdict(&tally(1, 0, 1), true, false).is_ok());
        assert!(verdict(&tally(1, 0, 1), true, true).is_err());
    }

    #[test]
    fn a_failed_test_or_a_crash_fails_the_run() {
        assert!(verdict(&tally(1, 1, 0), false, false).is_err());
        assert!(verdict(&tally(1, 0, 0), false, false).is_err());
        assert!(verdict(&Tally::default(), true, false).is_err());
        assert!(verdict(&tally(1, 0, 0), true, true).is_ok());
    }

    #[test]
    fn ci_is_on_only_where_the_variable_says_so() {
        assert!(is_ci(Some("true")) && is_ci(Some("1")));
        assert!(!is_ci(None) && !is_ci(Some("false")) && !is_ci(Some("")));
    }
}
