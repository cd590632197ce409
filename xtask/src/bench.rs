//! `cargo xtask bench`: the product's benchmark, built with the bench profile.

use anyhow::Result;

use crate::checkout::{self, Checkout};

/// Runs the benchmark, handing it `arguments`.
pub(crate) fn run(checkout: &Checkout, arguments: &[String]) -> Result<()> {
    let mut command =
        checkout.cargo(&["bench", "--locked", "-p", "ledgerstone-server", "--bench", "product", "--"]);
    checkout::run(command.args(arguments), "the benchmark")
}
