//! A tour of the example: a service on loopback, two nodes that call it, and what happens to them.

mod tour;

use std::io::{self, Write as _};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let told = tour::run().await;
    let mut out = io::stdout().lock();
    match told {
        Ok(lines) if writeln!(out, "{}", lines.join("\n")).is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            // Where the terminal is gone there is nobody to tell.
            let _ = writeln!(io::stderr(), "the tour broke off: {error}");
            ExitCode::FAILURE
        }
    }
}
