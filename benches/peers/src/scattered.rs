//! A large log in which ten events of each tag are scattered: reading them, reading all, opening.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::runtime::{Builder, Runtime};

use crate::appending::put;
use crate::fact::{Facts, scattered_tag};
use crate::ledgerstone_store::LedgerstoneStore;
use crate::page_cache::{drop_cached, warm};
use crate::settings::Settings;
use crate::tephra_store::TephraStore;
use crate::window::{Bar, Row, Runner, interleave};

/// How many events a tag has.
const EVENTS_A_TAG: u64 = 10;
/// How much larger the log is than the one for appends.
const LARGER: u64 = 8;
/// How long reading is cold, at most: then what is read often is in memory.
const COLD: Duration = Duration::from_millis(300);

const READS: [(&str, u64, bool, f64); 4] = [
    ("tag-warm-1", 1, false, 1.5),
    ("tag-warm-16", 16, false, 1.5),
    ("tag-cold-1", 1, true, 3.0),
    ("tag-cold-16", 16, true, 1.3),
];
const READ_ALL: &str = "read-all";
const OPEN: &str = "open-clean";

/// Measures every row of the large log that is wanted.
pub(crate) fn measure(settings: &Settings, folder: &Path, rows: &mut Vec<Row>) -> Result<()> {
    let names: Vec<_> = READS.iter().map(|read| read.0).chain([READ_ALL, OPEN]).collect();
    if !settings.wants_any(&names) {
        return Ok(());
    }
    let large = Large::load(settings, folder)?;
    for (name, readers, cold, bar) in READS.into_iter().filter(|read| settings.wants(read.0)) {
        let mut ours = || large.ledgerstone_reads(readers, cold, settings.length);
        let mut theirs = || large.tephra_reads(readers, cold, settings.length);
        let runners = &mut [Runner::new("ledgerstone", &mut ours), Runner::new("tephra", &mut theirs)];
        let measured = interleave(settings, !cold, runners)?;
        let row = Row { name: name.to_owned(), unit: "reads/s", bar: Bar::Ratio(bar), measured };
        row.print()?;
        rows.push(row);
    }
    if settings.wants(READ_ALL) {
        let mut ours = || large.ledgerstone_reads_all();
        let mut theirs = || large.tephra_reads_all();
        let runners = &mut [Runner::new("ledgerstone", &mut ours), Runner::new("tephra", &mut theirs)];
        let measured = interleave(settings, true, runners)?;
        let row = Row { name: READ_ALL.to_owned(), unit: "events/s", bar: Bar::Ratio(1.0), measured };
        row.print()?;
        rows.push(row);
    }
    if settings.wants(OPEN) {
        let mut ours = || large.ledgerstone_opens();
        let mut theirs = || large.tephra_opens();
        let runners = &mut [Runner::new("ledgerstone", &mut ours), Runner::new("tephra", &mut theirs)];
        let measured = interleave(settings, true, runners)?;
        let row = Row { name: OPEN.to_owned(), unit: "openings/s", bar: Bar::Ratio(4.0), measured };
        row.print()?;
        rows.push(row);
    }
    Ok(())
}

/// The large log, in both stores.
struct Large {
    ours: std::path::PathBuf,
    theirs: std::path::PathBuf,
    tags: u64,
    single: Runtime,
    many: Runtime,
}

impl Large {
    fn load(settings: &Settings, folder: &Path) -> Result<Self> {
        let events = settings.events * LARGER;
        let single = Builder::new_current_thread().enable_all().build()?;
        let many = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (ours, theirs) = (folder.join("large-ledgerstone"), folder.join("large-tephra"));
        let large = Self { ours, theirs, tags: events / EVENTS_A_TAG, single, many };
        if !large.ours.exists() {
            let store = large.single.block_on(LedgerstoneStore::open(&large.ours, ""))?;
            put(&large.single, &store, large.batches(events))?;
            large.single.block_on(store.close());
        }
        if !large.theirs.exists() {
            let store = TephraStore::open(&large.theirs)?;
            put(&large.single, &store, large.batches(events))?;
            store.close();
        }
        Ok(large)
    }

    fn batches(&self, events: u64) -> impl Iterator<Item = Vec<crate::fact::Fact>> {
        let (mut facts, tags) = (Facts::new(0), self.tags);
        let mut batch = move |first: u64| {
            let numbers = first..events.min(first + 1000);
            numbers.map(|number| facts.tagged(scattered_tag(number % tags))).collect()
        };
        (0..events).step_by(1000).map(move |first| batch(first))
    }

    fn ledgerstone_reads(&self, readers: u64, cold: bool, length: Duration) -> Result<f64> {
        let runtime = if readers == 1 { &self.single } else { &self.many };
        let store = runtime.block_on(LedgerstoneStore::open(&self.ours, ""))?;
        set_cache(&self.ours, cold)?;
        let rate = runtime.block_on(async {
            let started = Instant::now();
            let until = started + if cold { length.min(COLD) } else { length };
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..readers {
                let (store, tags) = (store.clone(), self.tags);
                let read = async move {
                    let (mut facts, mut reads) = (Facts::fresh(), 0_u64);
                    while Instant::now() < until {
                        let found = store.read_tag(scattered_tag(facts.random() % tags)).await?;
                        ensure!(found as u64 == EVENTS_A_TAG, "a tag has {found} events");
                        reads += 1;
                    }
                    Ok(reads)
                };
                tasks.spawn(read);
            }
            let mut reads = 0;
            while let Some(done) = tasks.join_next().await {
                reads += done??;
            }
            anyhow::Ok(reads as f64 / started.elapsed().as_secs_f64())
        });
        runtime.block_on(store.close());
        rate
    }

    fn tephra_reads(&self, readers: u64, cold: bool, length: Duration) -> Result<f64> {
        let store = TephraStore::open(&self.theirs)?;
        set_cache(&self.theirs, cold)?;
        let started = Instant::now();
        let until = started + if cold { length.min(COLD) } else { length };
        let read = || {
            let (mut facts, mut reads) = (Facts::fresh(), 0_u64);
            while Instant::now() < until {
                let found = store.read_tag(&scattered_tag(facts.random() % self.tags))?;
                ensure!(found as u64 == EVENTS_A_TAG, "a tag has {found} events");
                reads += 1;
            }
            Ok(reads)
        };
        let reads: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..readers).map(|_| scope.spawn(read)).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<u64>>| {
                thread.join().ok().context("a reader panicked")?
            };
            threads.into_iter().map(join).sum::<Result<u64>>()
        })?;
        let rate = reads as f64 / started.elapsed().as_secs_f64();
        store.close();
        Ok(rate)
    }

    fn ledgerstone_reads_all(&self) -> Result<f64> {
        let store = self.single.block_on(LedgerstoneStore::open(&self.ours, ""))?;
        let started = Instant::now();
        let events = self.single.block_on(store.read_all())?;
        let rate = events as f64 / started.elapsed().as_secs_f64();
        self.single.block_on(store.close());
        Ok(rate)
    }

    fn tephra_reads_all(&self) -> Result<f64> {
        let store = TephraStore::open(&self.theirs)?;
        let started = Instant::now();
        let events = store.read_all()?;
        let rate = events as f64 / started.elapsed().as_secs_f64();
        store.close();
        Ok(rate)
    }

    fn ledgerstone_opens(&self) -> Result<f64> {
        let started = Instant::now();
        let store = self.single.block_on(LedgerstoneStore::open(&self.ours, ""))?;
        let rate = 1.0 / started.elapsed().as_secs_f64();
        self.single.block_on(store.close());
        Ok(rate)
    }

    fn tephra_opens(&self) -> Result<f64> {
        let started = Instant::now();
        let store = TephraStore::open(&self.theirs)?;
        let rate = 1.0 / started.elapsed().as_secs_f64();
        store.close();
        Ok(rate)
    }
}

fn set_cache(folder: &Path, cold: bool) -> Result<()> {
    if cold { drop_cached(folder) } else { warm(folder) }
}
