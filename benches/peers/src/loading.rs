//! Loading streams of ten events, one after another.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use tokio::runtime::Builder;

use crate::appending::put;
use crate::fact::{Fact, Facts, stream};
use crate::ledgerstone_store::LedgerstoneStore;
use crate::plain_log::{PlainLog, Sizing};
use crate::settings::Settings;
use crate::window::{Bar, Row, Runner, interleave};

const LOAD: &str = "stream-load";
/// How many events a stream has; they arrive in different rounds, as they would.
const EVENTS_A_STREAM: u64 = 10;

/// Measures loading, if it is wanted.
pub(crate) fn measure(settings: &Settings, folder: &Path, rows: &mut Vec<Row>) -> Result<()> {
    if !settings.wants(LOAD) {
        return Ok(());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let streams = settings.events / EVENTS_A_STREAM;
    let ours = runtime.block_on(LedgerstoneStore::open(&folder.join("streams-ledgerstone"), ""))?;
    let plain = PlainLog::begin(&folder.join("streams-plain"), Sizing::Growing)?;
    put(&runtime, &ours, rounds(streams))?;
    put(&runtime, &plain, rounds(streams))?;
    let load = |read: &dyn Fn(String) -> Result<usize>| {
        let (started, mut facts, mut loads) = (Instant::now(), Facts::fresh(), 0_u64);
        while started.elapsed() < settings.length {
            let found = read(stream(facts.random() % streams))?;
            ensure!(found as u64 == EVENTS_A_STREAM, "a stream has {found} events");
            loads += 1;
        }
        Ok(loads as f64 / started.elapsed().as_secs_f64())
    };
    let measured = {
        let mut ours = || load(&|stream| runtime.block_on(ours.read_stream(stream)));
        let mut theirs = || load(&|stream| plain.read_stream(&stream));
        let runners = &mut [Runner::new("ledgerstone", &mut ours), Runner::new("plain", &mut theirs)];
        interleave(settings, true, runners)?
    };
    let row = Row { name: LOAD.to_owned(), unit: "streams/s", bar: Bar::Ratio(0.6), measured };
    row.print()?;
    rows.push(row);
    runtime.block_on(ours.close());
    plain.close();
    Ok(())
}

/// Makes batches in which every stream gets an event in each round.
pub(crate) fn rounds(streams: u64) -> impl Iterator<Item = Vec<Fact>> {
    let mut facts = Facts::new(1);
    let mut batch =
        move |first: u64| (first..streams.min(first + 100)).map(|number| facts.of_stream(number)).collect();
    (0..EVENTS_A_STREAM).flat_map(move |_| (0..streams).step_by(100)).map(move |first| batch(first))
}
