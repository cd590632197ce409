//! What the command line of the benchmarks asks for.

use std::path::PathBuf;
use std::time::Duration;

use ledgerstone_server::bench::Plan;

/// What the command line asks for.
pub(crate) struct Options {
    pub(crate) plan: Plan,
    pub(crate) events: u64,
    pub(crate) log: Option<PathBuf>,
    pub(crate) only: Option<String>,
    /// The scheme of the store that is measured.
    pub(crate) store: String,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let store = "sqlite".to_owned();
        let mut options = Self { plan: Plan::default(), events: 1_000_000, log: None, only: None, store };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| anyhow::anyhow!("{argument} needs a value"));
            match argument.as_str() {
                // Cargo adds this one.
                "--bench" => {}
                "--windows" => options.plan.windows = value()?.parse()?,
                "--seconds" => options.plan.length = Duration::from_secs_f64(value()?.parse()?),
                "--events" => options.events = value()?.parse()?,
                "--log" => options.log = Some(value()?.into()),
                "--store" => options.store = value()?,
                "--only" => options.only = Some(value()?),
                other => anyhow::bail!(
                    "unknown argument {other}; there are --windows N, --seconds S, --events N, --log FILE, --only NAME, --store SCHEME"
                ),
            }
        }
        Ok(options)
    }
}
