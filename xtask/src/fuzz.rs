//! `cargo xtask fuzz`: every fuzz target for a while, from the seeds and from what earlier runs found.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::checkout::{self, Checkout};
use crate::terminal::{heading, say};

/// The targets; the last one needs the whole binary, and is built only if it is asked for by name.
const TARGETS: [&str; 9] = [
    "log_edited",
    "log_file",
    "record",
    "event_json",
    "request_json",
    "select_json",
    "texts",
    "declaration",
    "import",
];
/// The target that needs the whole binary.
const WHOLE: &str = "import";

/// What libFuzzer needs of the compiler: it counts the edges that are taken, and looks at what is compared.
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Runs each target for as many seconds as `words` say (30 unless told), or one of them by its name.
pub(crate) fn run(checkout: &Checkout, words: &[String]) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "the fuzz targets are run on Linux");
    let (seconds, target) = asked(words)?;
    let target_folder = checkout.target().join("fuzz");
    let targets: Vec<&str> = match target {
        Some(target) => vec![target],
        None => TARGETS.into_iter().filter(|target| *target != WHOLE).collect(),
    };
    let host = host()?;
    let mut build = checkout.cargo(&["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    // A target is named, so that only it is instrumented: build scripts and macros run in the compiler.
    build.args(["--target", &host]).env("RUSTFLAGS", INSTRUMENTED).env("CARGO_TARGET_DIR", &target_folder);
    build.args(targets.iter().flat_map(|target| ["--bin", target]));
    if targets.contains(&WHOLE) {
        build.args(["--features", WHOLE]);
    }
    checkout::run(&mut build, "the build of the fuzz targets")?;
    for target in targets {
        heading(target);
        let found = target_folder.join("corpus").join(target);
        let artifacts = target_folder.join("artifacts").join(target);
        fs::create_dir_all(&found)?;
        fs::create_dir_all(&artifacts)?;
        let mut fuzz = Command::new(target_folder.join(&host).join("release").join(target));
        fuzz.arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()));
        // An input is small: what takes long or takes much for it does so for no reason.
        fuzz.args(["-timeout=20", "-rss_limit_mb=1024", "-malloc_limit_mb=128", "-max_len=4096"]);
        fuzz.args(["-print_final_stats=1", "-verbosity=0"]).arg(&found);
        fuzz.args(Some(seeds(checkout, target)).filter(|seeds| seeds.is_dir()));
        checkout::run(&mut fuzz, &format!("{target} (the input lies in {})", artifacts.display()))?;
    }
    say("every target: nothing found");
    Ok(())
}

fn seeds(checkout: &Checkout, target: &str) -> PathBuf {
    checkout.root().join("fuzz/seeds").join(target)
}

/// Reads the arguments: a number of seconds, a target, or both.
fn asked(words: &[String]) -> Result<(u64, Option<&'static str>)> {
    let (mut seconds, mut target) = (30, None);
    for word in words {
        match (word.parse(), TARGETS.iter().find(|target| *target == word)) {
            (Ok(number), _) => seconds = number,
            (_, Some(known)) => target = Some(*known),
            _ => anyhow::bail!("`{word}` is no number of seconds and none of {}", TARGETS.join(", ")),
        }
    }
    Ok((seconds, target))
}

/// Returns the name of this machine's platform.
fn host() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("rustc could not be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it builds for")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{TARGETS, asked};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_time_and_a_target_are_told_apart() {
        assert_eq!(asked(&[]).unwrap(), (30, None));
        assert_eq!(asked(&words(&["record", "5"])).unwrap(), (5, Some("record")));
        assert!(asked(&words(&["recrod"])).is_err());
    }

    #[test]
    fn every_target_has_its_row_in_the_manifest() {
        let manifest = include_str!("../../fuzz/Cargo.toml");
        let rows =
            manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/")?.strip_suffix(".rs\""));
        assert_eq!(rows.collect::<Vec<_>>(), TARGETS);
    }
}
