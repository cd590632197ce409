//! Life stories of the log on a simulated disk, from seeds that were never told before.

use anyhow::Result;

use crate::checkout::{self, Checkout};
use crate::crash::now;
use crate::terminal::heading;

/// Tells so many stories.
pub(crate) fn tell(checkout: &Checkout, stories: u64) -> Result<()> {
    heading(format!("{stories} stories of the log on a simulated disk"));
    let mut command = checkout.cargo(&["test", "--release", "--locked", "-p", "ledgerstone-log", "--lib"]);
    command.args(["whatever_the_disk_does", "--", "--nocapture"]);
    command.env("LEDGERSTONE_STORIES", stories.to_string());
    command.env("LEDGERSTONE_FIRST_STORY", now().to_string());
    checkout::run(&mut command, "the stories of the log")
}
