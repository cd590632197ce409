//! `cargo xtask bench`: the product's benchmark, and the one against its peers, built as the product is released.

use anyhow::Result;

use crate::checkout::{self, Checkout};

/// The word that asks for the peers.
const PEERS: &str = "peers";

/// Runs the benchmark, handing it `arguments`.
pub(crate) fn run(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    if let Some((PEERS, rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return peers(checkout, rest);
    }
    let mut command =
        checkout.cargo(&["bench", "--locked", "-p", "ledgerstone-server", "--bench", "product", "--"]);
    checkout::run(command.args(arguments), "the benchmark")
}

/// Measures the peers: a package outside the workspace, with a lock and a folder for its builds of its own.
fn peers(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    let manifest = "benches/peers/Cargo.toml";
    let mut command = checkout.cargo(&["run", "--release", "--locked", "--manifest-path", manifest, "--"]);
    command.env("CARGO_TARGET_DIR", checkout.target().join(PEERS));
    checkout::run(command.args(arguments), "the benchmark of the peers")
}
