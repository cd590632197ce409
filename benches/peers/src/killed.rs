//! A log whose process is killed: how soon it opens again, what memory it takes then, and what of the disk.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::runtime::Builder;

use crate::appending::put;
use crate::engine::Engine as _;
use crate::fact::Facts;
use crate::ledgerstone_store::LedgerstoneStore;
use crate::loading::rounds;
use crate::page_cache::disk_bytes;
use crate::settings::Settings;
use crate::window::{Bar, Rates, Row};

/// The word that makes this program one that is to be killed.
pub(crate) const CHILD: &str = "child";
const OPEN: &str = "open-killed";
const DISK: &str = "disk-use";
const OURS: &str = "ledgerstone";
/// How long a child goes on appending before it is killed.
const GOES_ON: Duration = Duration::from_millis(300);

/// Measures what is wanted of it.
pub(crate) fn measure(settings: &Settings, folder: &Path, rows: &mut Vec<Row>) -> Result<()> {
    if !settings.wants_any(&[OPEN, DISK]) {
        return Ok(());
    }
    let folder = folder.join("killed-ledgerstone");
    if !folder.exists() {
        Doomed::start(&folder, settings.events)?.kill()?;
    }
    let mut add = |name: &str, unit, bar, rates: Vec<f64>| {
        let measured = vec![Rates { name: OURS, rates, cpu: Vec::new() }];
        let row = Row { name: name.to_owned(), unit, bar: Bar::AtMost(bar), measured };
        row.print()?;
        rows.push(row);
        anyhow::Ok(())
    };
    if settings.wants(DISK) {
        let events = rounds(settings.events).take(10).flatten();
        let (count, bytes) =
            events.fold((0_u64, 0), |(count, bytes), fact| (count + 1, bytes + fact.bytes()));
        let given = settings.events as f64 * 10.0 * bytes as f64 / count as f64;
        add(DISK, "times what was given", 1.25, vec![disk_bytes(&folder)? as f64 / given])?;
    }
    if settings.wants(OPEN) {
        let (mut seconds, mut opened, mut read) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..settings.windows {
            let mut child = Doomed::start(&folder, settings.events)?;
            seconds.push(child.number()?);
            opened.push(child.number()?);
            read.push(child.number()?);
            child.kill()?;
        }
        add(OPEN, "s", 4.0, seconds)?;
        add("memory of its own when open", "MB", 300.0, opened)?;
        add("memory of its own when everything was read", "MB", 300.0, read)?;
    }
    Ok(())
}

/// A process that will be killed.
struct Doomed {
    process: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Doomed {
    fn start(folder: &Path, streams: u64) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(CHILD).arg(folder).arg(streams.to_string()).stdin(Stdio::null());
        let mut process = command.stdout(Stdio::piped()).spawn().context("the child")?;
        let said = process.stdout.take().context("what the child says")?;
        Ok(Self { process, said: BufReader::new(said) })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn number(&mut self) -> Result<f64> {
        let line = self.line()?;
        line.parse().with_context(|| format!("the child said {line:?}"))
    }

    /// Waits until it has said everything, and kills it while it appends.
    fn kill(mut self) -> Result<()> {
        loop {
            match self.line()?.as_str() {
                "appending" => break,
                "" => bail!("the child ended by itself"),
                _ => {}
            }
        }
        std::thread::sleep(GOES_ON);
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

/// Fills a log, or opens the one that is there and reads it; then appends until it is killed.
pub(crate) fn child(words: &[String]) -> Result<()> {
    let [folder, streams] = words else { bail!("a child needs a folder and a number of streams") };
    let (folder, streams) = (Path::new(folder), streams.parse().context("a number of streams")?);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let is_new = !folder.exists();
    let started = Instant::now();
    let store = runtime.block_on(LedgerstoneStore::open(folder, ""))?;
    let seconds = started.elapsed().as_secs_f64();
    if is_new {
        put(&runtime, &store, rounds(streams))?;
    } else {
        say(format!("{seconds:.4}\n{:.1}", anonymous_megabytes()?))?;
        runtime.block_on(store.read_all())?;
        say(format!("{:.1}", anonymous_megabytes()?))?;
    }
    say("appending".to_owned())?;
    let mut facts = Facts::fresh();
    loop {
        runtime.block_on(store.append(vec![facts.single()], true))?;
    }
}

/// Returns how much memory the process has that is no file's.
fn anonymous_megabytes() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

fn say(text: String) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}
