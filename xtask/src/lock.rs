//! The locks of packages outside the workspace, which no build of the workspace looks at.

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::terminal::{complain, say};

const FUZZ: &str = "fuzz/Cargo.toml";

/// Fails when the lock of the fuzz targets is no longer what their manifest asks for.
pub(crate) fn check_fuzz(checkout: &Checkout) -> Result<()> {
    let output = checkout
        .cargo(&["metadata", "--format-version", "1", "--locked", "--manifest-path", FUZZ])
        .output()
        .context("cargo metadata could not be run")?;
    let told = String::from_utf8_lossy(&output.stderr);
    match verdict(output.status.success(), &told) {
        Verdict::Current => say("the lock of the fuzz targets is current"),
        Verdict::Stale => bail!(
            "fuzz/Cargo.lock is not what {FUZZ} asks for; `cargo check --manifest-path {FUZZ}` mends it: {}",
            told.trim()
        ),
        Verdict::Unknown => {
            complain("WARNING: a package of the fuzz targets is not here and could not be fetched, so");
            complain(format!("         fuzz/Cargo.lock was NOT checked: {}", told.trim()));
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Current,
    Stale,
    /// Cargo got no further than the network.
    Unknown,
}

fn verdict(content: bool, told: &str) -> Verdict {
    let fetching = ["download", "network", "resolve host", "offline", "registry", "connect"];
    match (content, told) {
        (true, _) => Verdict::Current,
        // Said of a lock alone, before anything is fetched.
        (false, told) if told.contains("--locked") => Verdict::Stale,
        (false, told) if fetching.iter().any(|word| told.contains(word)) => Verdict::Unknown,
        // A manifest that cannot be read is no matter of the network.
        _ => Verdict::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, verdict};

    #[test]
    fn a_lock_that_would_change_is_told_apart_from_a_machine_without_network() {
        let stale = "error: cannot update the lock file fuzz/Cargo.lock because --locked was passed";
        assert_eq!(verdict(false, stale), Verdict::Stale);
        let offline = "error: failed to download `libfuzzer-sys v0.4.10`";
        assert_eq!(verdict(false, offline), Verdict::Unknown);
        assert_eq!(verdict(true, "warning: something"), Verdict::Current);
    }
}
