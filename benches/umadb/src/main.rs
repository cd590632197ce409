//! UmaDB's own client against ledgerstone: `check` holds both servers to the same expectations, `measure` times them.
//!
//! Run it by `cargo xtask bench umadb`, which builds what it needs.

mod check;
mod check_key;
mod events;
mod measure;
mod rows;
mod server;
mod settings;
mod table;
mod tls_front;
mod window;

use std::process::ExitCode;

use anyhow::Result;

use crate::settings::{Settings, Verb};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let settings = Settings::read(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match settings.verb {
            Verb::Check => check::run(&settings).await,
            Verb::Measure => measure::run(&settings).await,
        }
    })
}
