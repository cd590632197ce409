//! `cargo xtask bench`: the product's benchmark, those of its parts, and the one against its peers.
//!
//! All are built as the product is released.

use anyhow::Result;

use crate::checkout::{self, Checkout};

/// The word that asks for the peers.
const PEERS: &str = "peers";

/// A part of the house with a benchmark of its own, against the bare crates or the server that it is held to.
struct Part {
    name: &'static str,
    package: &'static str,
    bench: &'static str,
}

const PARTS: &[Part] = &[
    Part { name: "resilience", package: "ledgerstone-resilience", bench: "policy" },
    Part { name: "limits", package: "ledgerstone-resilience", bench: "rate_limit" },
    Part { name: "cache", package: "ledgerstone-cache", bench: "cache" },
    Part { name: "http-client", package: "ledgerstone-http", bench: "client" },
    Part { name: "gateway", package: "ledgerstone-http", bench: "gateway" },
];

/// Runs the benchmark that the first word names, or else the product's, and hands it the rest.
pub(crate) fn run(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    let product = Part { name: "product", package: "ledgerstone-server", bench: "product" };
    let (part, rest) = match arguments.split_first() {
        Some((first, rest)) if first == PEERS => return peers(checkout, rest),
        Some((first, rest)) => match PARTS.iter().find(|part| part.name == first) {
            Some(part) => (part, rest),
            None => (&product, arguments),
        },
        None => (&product, arguments),
    };
    let mut command = checkout.cargo(&["bench", "--locked", "-p", part.package, "--bench", part.bench, "--"]);
    checkout::run(command.args(rest), "the benchmark")
}

/// Measures the peers: a package outside the workspace, with a lock and a folder for its builds of its own.
fn peers(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    let manifest = "benches/peers/Cargo.toml";
    let mut command = checkout.cargo(&["run", "--release", "--locked", "--manifest-path", manifest, "--"]);
    command.env("CARGO_TARGET_DIR", checkout.target().join(PEERS));
    checkout::run(command.args(arguments), "the benchmark of the peers")
}
