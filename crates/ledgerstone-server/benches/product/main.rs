//! The product's benchmarks: `cargo xtask bench`, which prints ratios against baselines of the same run.

mod baseline;
mod runs;

use std::time::Duration;

use ledgerstone_server::bench::Plan;

/// What the command line asks for.
struct Options {
    plan: Plan,
    events: u64,
    log: Option<std::path::PathBuf>,
    only: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let options = parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(runs::run(&options))
}

fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options { plan: Plan::default(), events: 1_000_000, log: None, only: None };
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments.next().ok_or_else(|| anyhow::anyhow!("{argument} needs a value"))
        };
        match argument.as_str() {
            // Cargo adds this one.
            "--bench" => {}
            "--windows" => options.plan.windows = value()?.parse()?,
            "--seconds" => options.plan.length = Duration::from_secs_f64(value()?.parse()?),
            "--events" => options.events = value()?.parse()?,
            "--log" => options.log = Some(value()?.into()),
            "--only" => options.only = Some(value()?),
            other => anyhow::bail!(
                "unknown argument {other}; there are --windows N, --seconds S, --events N, --log FILE, --only NAME"
            ),
        }
    }
    Ok(options)
}
