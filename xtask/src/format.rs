//! The format check: rustfmt over every Rust file, whether a `mod` line reaches it or not.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::terminal::complain;

/// Fails when rustfmt would change a file of the checkout, and names each that it would.
pub(crate) fn check(checkout: &Checkout) -> Result<()> {
    let files = checkout.files()?.into_iter().filter(|path| path.ends_with(".rs"));
    let mut command = Command::new("rustfmt");
    command.args(["--check", "--files-with-diff", "--edition", "2024"]).args(files);
    let output = command
        .current_dir(checkout.root())
        .stderr(Stdio::inherit())
        .output()
        .context("rustfmt could not be run; `rustup component add rustfmt` brings it")?;
    let unformatted = named(&String::from_utf8_lossy(&output.stdout), checkout.root());
    for path in &unformatted {
        complain(format!("format: {path}"));
    }
    if !output.status.success() {
        bail!(
            "{} files are not formatted or do not parse; `cargo fmt --all` mends the former",
            unformatted.len()
        );
    }
    Ok(())
}

/// The files that rustfmt named, each once although several `mod` lines may have led to it.
fn named(output: &str, root: &Path) -> BTreeSet<String> {
    let relative = |line: &str| {
        let path = Path::new(line);
        path.strip_prefix(root).unwrap_or(path).display().to_string()
    };
    output.lines().filter(|line| !line.is_empty()).map(relative).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::named;

    #[test]
    fn a_file_that_is_reached_twice_is_named_once() {
        let found = named("/a/src/b.rs\n/a/src/b.rs\n/a/src/c.rs\n", Path::new("/a"));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["src/b.rs", "src/c.rs"]);
    }
}
