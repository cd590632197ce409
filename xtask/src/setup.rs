//! `cargo xtask setup`: what the tests need of the machine, checked and where possible installed.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::checkout;
use crate::terminal::say;

/// A program that the tests need, and where it comes from.
struct Need {
    program: &'static str,
    why: &'static str,
    packages: &'static [&'static str],
}

const NEEDS: &[Need] = &[
    Need { program: "cc", why: "compiles the bundled SQLite", packages: &["gcc", "libc6-dev"] },
    Need {
        program: "curl",
        why: "is the foreign HTTP client of the tests",
        packages: &["curl", "ca-certificates"],
    },
    Need {
        program: "redis-server",
        why: "is started by the tests of caches and rate limits, each its own",
        packages: &["redis-server"],
    },
    Need { program: "kill", why: "ends and pauses servers in the tests", packages: &["procps"] },
];

/// Checks every need, and installs what is missing where root and apt-get exist.
pub(crate) fn run() -> Result<()> {
    let missing = missing(NEEDS, is_installed);
    if missing.is_empty() {
        say("setup: nothing is missing");
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if !(is_installed("apt-get") && is_root()) {
        bail!("{}", advice(&missing, &packages));
    }
    say(format!("setup: installing {}", packages.join(" ")));
    checkout::run(Command::new("apt-get").args(["update", "--quiet"]), "apt-get update")?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&packages);
    let installed = checkout::run(install.env("DEBIAN_FRONTEND", "noninteractive"), "apt-get install");
    // A package may complain that the machine starts no services. The tests need its program only.
    if self::missing(NEEDS, is_installed).is_empty() {
        Ok(())
    } else {
        installed.and_then(|()| still(&missing))
    }
}

fn still(missing: &[&Need]) -> Result<()> {
    let programs: Vec<&str> = missing.iter().map(|need| need.program).collect();
    bail!("apt-get is content, and yet one of these is not on the path: {}", programs.join(", "))
}

fn missing(needs: &[Need], is_installed: impl Fn(&str) -> bool) -> Vec<&Need> {
    needs.iter().filter(|need| !is_installed(need.program)).collect()
}

fn advice(missing: &[&Need], packages: &[&str]) -> String {
    let programs: Vec<String> =
        missing.iter().map(|need| format!("`{}`, which {}", need.program, need.why)).collect();
    format!(
        "this machine lacks {}; install it (on Debian: `apt-get install {}` as root) and run this again",
        programs.join(" and "),
        packages.join(" ")
    )
}

/// Says whether a program of this name lies on the path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| is_file(&folder.join(program)))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::{NEEDS, advice, missing};

    #[test]
    fn what_is_missing_is_named_with_its_reason_and_its_package() {
        let lacking = missing(NEEDS, |program| program != "curl");
        let advice = advice(&lacking, lacking[0].packages);
        assert!(advice.contains("`curl`, which") && advice.contains("apt-get install curl"), "{advice}");
    }

    #[test]
    fn a_machine_that_has_everything_lacks_nothing() {
        assert!(missing(NEEDS, |_| true).is_empty());
    }
}
