//! Histories of many callers over the stores of this machine, from seeds that were never tried before.

use anyhow::Result;

use crate::checkout::{self, Checkout};
use crate::crash::now;
use crate::terminal::heading;

/// Lets callers loose so often on each store, and checks what they did.
pub(crate) fn check(checkout: &Checkout, histories: u64) -> Result<()> {
    heading(format!("{histories} histories of many callers over each store"));
    let mut command = checkout.cargo(&["test", "--locked", "-p", "ledgerstone-stores", "--test", "it"]);
    command.args(["--", "histories", "--nocapture"]);
    command.env("LEDGERSTONE_HISTORIES", histories.to_string());
    command.env("LEDGERSTONE_FIRST_HISTORY", now().to_string());
    checkout::run(&mut command, "the histories")
}
