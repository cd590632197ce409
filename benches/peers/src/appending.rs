//! Appending: single events from many tasks, and batches, with conditions that never match and without.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::fact::{Fact, Facts};
use crate::ledgerstone_store::LedgerstoneStore;
use crate::plain_log::{PlainLog, Sizing};
use crate::settings::Settings;
use crate::tephra_store::TephraStore;
use crate::window::{Bar, Rates, Row, Runner, interleave};

/// Who appends what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) tasks: u64,
    pub(crate) batch: u64,
    /// On a condition that never matches; a batch has one tag then.
    pub(crate) guarded: bool,
    /// The bars against the plain log and against tephra.
    plain: Option<f64>,
    tephra: Option<f64>,
}

/// Our own store, whose segments grow with each commit rather than having their size before.
const GROWN: &str = "the same with growing segments";

const LOADS: [Load; 6] = [
    load("singles-64", (64, 1, true), Some(0.7), Some(1.0)),
    load("singles-256", (256, 1, true), Some(0.6), Some(1.1)),
    load("batches-1000", (1, 1000, false), Some(0.6), None),
    load("batches-64", (64, 64, false), None, Some(1.2)),
    load("batches-512", (64, 512, false), None, Some(1.2)),
    load("guarded-64", (64, 64, true), None, Some(0.9)),
];

const fn load(
    name: &'static str,
    (tasks, batch, guarded): (u64, u64, bool),
    plain: Option<f64>,
    tephra: Option<f64>,
) -> Load {
    Load { name, tasks, batch, guarded, plain, tephra }
}

/// Measures every row of appends that is wanted.
pub(crate) fn measure(settings: &Settings, folder: &Path, rows: &mut Vec<Row>) -> Result<()> {
    if !settings.wants_any(&LOADS.map(|load| load.name)) {
        return Ok(());
    }
    // One thread for whoever appends, as the writer has one: this leaves a machine of two cores to both.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ours = runtime.block_on(LedgerstoneStore::open(&folder.join("ledgerstone"), ""))?;
    let grown = runtime.block_on(LedgerstoneStore::open(&folder.join("unsized"), "?presized=no"))?;
    let tephra = TephraStore::open(&folder.join("tephra"))?;
    let growing = PlainLog::begin(&folder.join("growing"), Sizing::Growing)?;
    let filled = PlainLog::begin(&folder.join("filled"), Sizing::Filled)?;
    if settings.runs("ledgerstone") {
        fill(&runtime, &ours, settings.events)?;
    }
    if settings.runs(GROWN) {
        fill(&runtime, &grown, settings.events)?;
    }
    if settings.runs("tephra") {
        fill(&runtime, &tephra, settings.events)?;
    }
    if settings.runs("plain, growing") {
        fill(&runtime, &growing, settings.events)?;
    }
    if settings.runs("plain, filled") {
        fill(&runtime, &filled, settings.events)?;
    }
    for load in LOADS.into_iter().filter(|load| settings.wants(load.name)) {
        let length = settings.length;
        let mut runners = vec![Runner::new("ledgerstone", || window(&runtime, &ours, load, length))];
        if load.plain.is_some() {
            runners.push(Runner::new(GROWN, || window(&runtime, &grown, load, length)));
            runners.push(Runner::new("plain, growing", || window(&runtime, &growing, load, length)));
            runners.push(Runner::new("plain, filled", || window(&runtime, &filled, load, length)));
        }
        if load.tephra.is_some() {
            runners.push(Runner::new("tephra", || window(&runtime, &tephra, load, length)));
        }
        let measured = interleave(settings, true, &mut runners)?;
        let told = load.plain.map(|_| Bar::Told);
        let bars = [(load.plain.map(Bar::Ratio), "plain"), (load.tephra.map(Bar::Ratio), "tephra")];
        for (bar, against) in bars.into_iter().chain([(told, GROWN)]) {
            let Some(bar) = bar else { continue };
            let of = |rates: &&Rates| rates.name == "ledgerstone" || rates.name.starts_with(against);
            let row = Row {
                name: format!("{} against {against}", load.name),
                unit: "events/s",
                bar,
                measured: measured.iter().filter(of).cloned().collect(),
            };
            row.print()?;
            rows.push(row);
        }
    }
    runtime.block_on(ours.close());
    runtime.block_on(grown.close());
    tephra.close();
    growing.close();
    filled.close();
    Ok(())
}

/// Puts so many events into a log, in batches of a thousand.
pub(crate) fn fill(runtime: &Runtime, engine: &impl Engine, events: u64) -> Result<()> {
    let mut facts = Facts::fresh();
    let batches = (0..events.div_ceil(1000)).map(move |_| (0..1000).map(|_| facts.single()).collect());
    put(runtime, engine, batches)
}

/// Appends batches, eight at a time.
pub(crate) fn put(
    runtime: &Runtime,
    engine: &impl Engine,
    batches: impl Iterator<Item = Vec<Fact>>,
) -> Result<()> {
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for batch in batches {
            if tasks.len() >= 8
                && let Some(done) = tasks.join_next().await
            {
                done??;
            }
            let engine = engine.clone();
            tasks.spawn(async move { engine.append(batch, false).await });
            // The others go on while the next batch is made.
            tokio::task::yield_now().await;
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    })
}

/// Lets every task append until the time is up; returns events a second.
fn window<E: Engine>(runtime: &Runtime, engine: &E, load: Load, length: Duration) -> Result<f64> {
    runtime.block_on(async {
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..load.tasks {
            tasks.spawn(append(engine.clone(), load, started + length));
        }
        let mut appended = 0;
        while let Some(done) = tasks.join_next().await {
            appended += done??;
        }
        Ok(appended as f64 / started.elapsed().as_secs_f64())
    })
}

async fn append(engine: impl Engine, load: Load, until: Instant) -> Result<u64> {
    let mut facts = Facts::fresh();
    let mut appended = 0;
    while Instant::now() < until {
        let batch: Vec<_> = if load.guarded {
            let tag = facts.tag();
            (0..load.batch).map(|_| facts.tagged(tag.clone())).collect()
        } else {
            (0..load.batch).map(|_| facts.single()).collect()
        };
        engine.append(batch, load.guarded).await?;
        appended += load.batch;
    }
    Ok(appended)
}
