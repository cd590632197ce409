//! The measurement: each row's subjects take turns, window by window, so that what disturbs one disturbs all.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use rustix::fs::{Advice, fadvise};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::rows::{
    Client, EVENTS_OF_A_TAG, Step, appends, asks_for_the_head, clients, load, reads_a_tag, reads_all,
};
use crate::server::{Server, Which};
use crate::settings::Settings;
use crate::table::Row;
use crate::window::{Measured, window};

const HEAD: &str = "our Head";
const OURS: &str = "ledgerstone";
const THEIRS: &str = "UmaDB";

/// A server with a folder of its own.
struct Subject {
    which: Which,
    folder: TempDir,
    server: Server,
}

impl Subject {
    async fn new(settings: &Settings, which: Which) -> Result<Self> {
        let folder = tempfile::tempdir_in(&settings.folder)?;
        let server = Server::start(&settings.programs, which, folder.path(), None).await?;
        Ok(Self { which, folder, server })
    }

    /// Begins again with nothing of its data in memory.
    async fn cold(self, settings: &Settings) -> Result<Self> {
        let Self { which, folder, server } = self;
        drop(server);
        evict(folder.path())?;
        let server = Server::start(&settings.programs, which, folder.path(), None).await?;
        Ok(Self { which, folder, server })
    }
}

/// Measures every row that is wanted; tells whether all bars hold.
pub async fn run(settings: &Settings) -> Result<bool> {
    println!("medians (lowest .. highest) of {} windows of {} s, in turn", settings.rounds, settings.seconds);
    let mut holds = true;
    for (what, tasks, shared, bars) in [
        ("conditional append of 1 event, 64 clients", 64, false, [0.7, 1.4]),
        ("conditional append of 1 event, 256 tasks on one connection", 256, true, [0.5, 1.8]),
    ] {
        if settings.wants(what) {
            holds &= single(settings, what, tasks, shared, bars).await?.print();
        }
    }
    for many in [64, 512] {
        let what = format!("append of {many} events, 64 clients");
        if settings.wants(&what) {
            holds &= batches(settings, what, many).await?.print();
        }
    }
    Ok(large(settings).await? && holds)
}

/// The servers that are measured: UmaDB only where it was named.
fn servers(settings: &Settings) -> Vec<Which> {
    let theirs = settings.programs.umadb.as_ref().map(|_| Which::UmaDb);
    std::iter::once(Which::Ledgerstone).chain(theirs).collect()
}

fn name(which: Which) -> &'static str {
    match which {
        Which::Ledgerstone => OURS,
        Which::UmaDb => THEIRS,
    }
}

async fn single(settings: &Settings, what: &str, tasks: usize, shared: bool, bars: [f64; 2]) -> Result<Row> {
    let mut loads = Vec::new();
    let mut subjects = Vec::new();
    for which in servers(settings) {
        let subject = Subject::new(settings, which).await?;
        let connected = clients(&subject.server, tasks, shared).await?;
        subjects.push(subject);
        if which == Which::Ledgerstone {
            loads.push((HEAD, steps(&connected, |client, _| asks_for_the_head(client))));
        }
        loads.push((name(which), steps(&connected, |client, seed| appends(client, seed, 1, true))));
    }
    let bars = vec![(OURS, HEAD, bars[0]), (OURS, THEIRS, bars[1])];
    in_turn(settings, what, loads, bars).await
}

async fn batches(settings: &Settings, what: String, many: usize) -> Result<Row> {
    let (mut loads, mut subjects) = (Vec::new(), Vec::new());
    for which in servers(settings) {
        let subject = Subject::new(settings, which).await?;
        let connected = clients(&subject.server, 64, false).await?;
        subjects.push(subject);
        loads.push((name(which), steps(&connected, move |client, seed| appends(client, seed, many, false))));
    }
    in_turn(settings, &what, loads, vec![(OURS, THEIRS, 2.5)]).await
}

/// Makes the steps of every task of a window, again for each window, with seeds that never repeat.
type Steps = Box<dyn FnMut() -> Vec<Step>>;

fn steps(connected: &[Client], step: impl Fn(&Client, u64) -> Step + 'static) -> Steps {
    let (connected, mut seed) = (connected.to_vec(), 0);
    Box::new(move || {
        connected
            .iter()
            .map(|client| {
                seed += 1;
                step(client, seed)
            })
            .collect()
    })
}

async fn in_turn(
    settings: &Settings,
    what: &str,
    mut loads: Vec<(&'static str, Steps)>,
    bars: Vec<(&'static str, &'static str, f64)>,
) -> Result<Row> {
    let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); loads.len()];
    // The first window of each warms up and does not count.
    for round in 0..=settings.rounds {
        for ((_, load), windows) in loads.iter_mut().zip(&mut measured) {
            let mut tasks = load().into_iter();
            let count = tasks.len();
            let next = |_| tasks.next().unwrap_or_else(|| unreachable!("a step for each task"));
            let window = window(count, settings.seconds, next).await?;
            if round > 0 {
                windows.push(window);
            }
        }
    }
    let subjects = loads.iter().map(|(name, _)| *name).zip(measured).collect();
    Ok(Row { what: what.to_owned(), subjects, bars })
}

/// The rows on a large log.
async fn large(settings: &Settings) -> Result<bool> {
    const ALL: &str = "read all";
    const ON_LARGE: &str = "conditional append on the large log, 64 clients";
    const WARM: [(&str, usize, f64); 2] =
        [("read one tag, warm, 1 reader", 1, 2.5), ("read one tag, warm, 16 readers", 16, 1.7)];
    const COLD: [(&str, usize, f64); 2] =
        [("read one tag, cold, 1 reader", 1, 1.5), ("read one tag, cold, 16 readers", 16, 1.3)];
    let rows = [ALL, ON_LARGE, WARM[0].0, WARM[1].0, COLD[0].0, COLD[1].0];
    if !rows.iter().any(|row| settings.wants(row)) {
        return Ok(true);
    }
    let mut subjects = Vec::new();
    for which in servers(settings) {
        let subject = Subject::new(settings, which).await?;
        let rate = fill(&subject, settings.events).await?;
        println!("\n{} took in {} events at {rate:.0}/s (not a row)", which.name(), settings.events);
        subjects.push(subject);
    }
    let mut holds = true;
    for (what, readers, bar) in WARM.into_iter().filter(|(what, ..)| settings.wants(what)) {
        holds &= warm(settings, &subjects, what, readers, bar).await?.print();
    }
    if settings.wants(ALL) {
        holds &= whole(settings, &subjects, ALL).await?.print();
    }
    for (what, readers, bar) in COLD.into_iter().filter(|(what, ..)| settings.wants(what)) {
        let row;
        (row, subjects) = cold(settings, subjects, what, readers, bar).await?;
        holds &= row.print();
    }
    if settings.wants(ON_LARGE) {
        holds &= on_large(settings, &subjects, ON_LARGE).await?.print();
    }
    Ok(holds)
}

/// Fills a log, eight clients at a time; returns how many events a second that took.
async fn fill(subject: &Subject, events: u64) -> Result<f64> {
    const LOADERS: u64 = 8;
    let (started, tags) = (Instant::now(), events / EVENTS_OF_A_TAG);
    let mut loading = JoinSet::new();
    let share = events / LOADERS;
    for loader in 0..LOADERS {
        let client = Client::new(subject.server.connect().await?);
        let last = if loader + 1 == LOADERS { events } else { (loader + 1) * share };
        loading.spawn(load(client, loader * share, last, tags));
    }
    while let Some(loaded) = loading.join_next().await {
        loaded??;
    }
    Ok(events as f64 / started.elapsed().as_secs_f64())
}

async fn warm(
    settings: &Settings,
    subjects: &[Subject],
    what: &str,
    readers: usize,
    bar: f64,
) -> Result<Row> {
    let tags = settings.events / EVENTS_OF_A_TAG;
    let mut loads = Vec::new();
    for subject in subjects {
        let connected = clients(&subject.server, readers, false).await?;
        loads.push((
            name(subject.which),
            steps(&connected, move |client, seed| reads_a_tag(client, seed, tags)),
        ));
    }
    in_turn(settings, what, loads, vec![(OURS, THEIRS, bar)]).await
}

async fn on_large(settings: &Settings, subjects: &[Subject], what: &str) -> Result<Row> {
    let mut loads = Vec::new();
    for subject in subjects {
        let connected = clients(&subject.server, 64, false).await?;
        loads.push((name(subject.which), steps(&connected, |client, seed| appends(client, seed, 1, true))));
    }
    in_turn(settings, what, loads, vec![(OURS, THEIRS, 2.5)]).await
}

async fn whole(settings: &Settings, subjects: &[Subject], what: &str) -> Result<Row> {
    let mut measured = vec![Vec::new(); subjects.len()];
    for _ in 0..settings.rounds {
        for (subject, windows) in subjects.iter().zip(&mut measured) {
            let client = Client::new(subject.server.connect().await?);
            let started = Instant::now();
            let events = reads_all(&client).await?;
            let took = started.elapsed();
            let micros = u64::try_from(took.as_micros())?;
            windows.push(Measured {
                per_second: events as f64 / took.as_secs_f64(),
                p50: micros,
                p99: micros,
            });
        }
    }
    let subjects = subjects.iter().map(|subject| name(subject.which)).zip(measured).collect();
    Ok(Row { what: what.to_owned(), subjects, bars: vec![(OURS, THEIRS, 2.0)] })
}

async fn cold(
    settings: &Settings,
    mut subjects: Vec<Subject>,
    what: &str,
    readers: usize,
    bar: f64,
) -> Result<(Row, Vec<Subject>)> {
    /// After so many seconds much is in memory again.
    const SECONDS: f64 = 0.3;
    let tags = settings.events / EVENTS_OF_A_TAG;
    let mut measured = vec![Vec::new(); subjects.len()];
    for round in 0..settings.rounds {
        for (index, windows) in measured.iter_mut().enumerate() {
            let subject = subjects.remove(index).cold(settings).await?;
            let connected = clients(&subject.server, readers, false).await?;
            let seed = |task: usize| 1_000 + (round * readers + task) as u64;
            windows.push(
                window(readers, SECONDS, |task| reads_a_tag(&connected[task], seed(task), tags)).await?,
            );
            subjects.insert(index, subject);
        }
    }
    let rates = subjects.iter().map(|subject| name(subject.which)).zip(measured).collect();
    Ok((Row { what: what.to_owned(), subjects: rates, bars: vec![(OURS, THEIRS, bar)] }, subjects))
}

/// Drops the pages of every file in a folder, and in those within it, from memory.
fn evict(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            evict(&entry.path())?;
        } else {
            let file = File::open(entry.path())?;
            // What was not written yet would stay.
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
