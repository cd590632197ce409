//! `ledgerstone bench`: what this build does on this machine, in a folder that goes away.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ledgerstone::core::Locator;
use ledgerstone::stores::RebuildWatch;
use serde_json::json;

use super::Session;
use crate::bench::{Plan, batches, concurrent_singles, print_table, read_all, run_interleaved};
use crate::compose::open_own;
use crate::exit::Exit;
use crate::failure::Failure;

/// Measure what this build does on this machine with the store that it has unless told.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// How many windows each workload gets
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = windows)]
    windows: usize,
    /// How long a window is
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    seconds: f64,
}

impl Bench {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let length = Duration::try_from_secs_f64(self.seconds)
            .ok()
            .filter(|length| !length.is_zero() && length.as_secs() <= 3600)
            .ok_or_else(|| Failure::usage("a window takes some time, and an hour at most"))?;
        let folder = tempfile::Builder::new().prefix("ledgerstone-bench-").tempdir();
        let folder = folder.map_err(|error| Failure::io("a temporary folder", &error))?;
        let locator: Locator = format!("file:{}", folder.path().display()).parse()?;
        let opened = open_own(&session.settings.with_store(locator), RebuildWatch::default()).await?;
        let events = || Arc::clone(&opened.backend.events);
        let workloads = vec![concurrent_singles(events(), 64), batches(events(), 1_000), read_all(events())];
        let measured = run_interleaved(Plan { windows: self.windows, length }, workloads).await;
        opened.backend.close().await;
        let measured = measured?;
        if session.output.json {
            for row in &measured {
                session.output.document(&json!({ "workload": row.name, "rates_per_second": row.rates }))?;
            }
        } else {
            print_table(session.output.writer(), &measured)
                .map_err(|error| Failure::io("standard output", &error))?;
        }
        Ok(Exit::Done)
    }
}

fn windows(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=1_000).contains(count));
    count.ok_or_else(|| "give a number from 1 to 1000".to_owned())
}
