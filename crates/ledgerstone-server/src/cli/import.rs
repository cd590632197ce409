//! `ledgerstone import`: rows of NDJSON or CSV become events, each once.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use ledgerstone::core::{Code, ErrorKind, Limits};
use tokio::runtime::Handle;

use super::Session;
use crate::compose::{Access, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::import::{Format, Import, ImportProgress, Input, MappingArguments, Summary, default_rejects};
use crate::output::{Output, grouped};
use crate::progress_bar::ProgressBar;

const EXAMPLES: &str = "\
Examples:
  ledgerstone import orders.ndjson
  ledgerstone import log.csv --map stream=case --map type=activity --map time=timestamp
  ledgerstone import old.csv.gz --delimiter ';' --zone Europe/Amsterdam --map stream=id --map type=what";

/// Import events from NDJSON or CSV.
///
/// A second run of the same import adds nothing, and one that was interrupted goes on where it stopped.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ImportCommand {
    /// The file, gzip by its ending; - is standard input
    file: PathBuf,
    /// The format, if the file's ending does not tell
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// What a column of CSV becomes: stream, type, time, id, tags, data, subject, correlation, actor or source
    #[arg(long, value_name = "TARGET=COLUMN")]
    map: Vec<String>,
    /// Convert columns: text, integer, number, boolean, json or time
    #[arg(long, value_name = "COLUMN=TYPE")]
    types: Vec<String>,
    /// The zone of times without an offset, such as Europe/Amsterdam
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// What separates the cells of CSV: one character, or tab
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,
    /// Put this and a - before every stream
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// The name of the source; the file's name unless given
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Where rejected rows go; FILE.rejects.ndjson unless given
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Stop at the first bad row
    #[arg(long)]
    strict: bool,
    /// How many rows are recorded in one commit, from 1 to 10000
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, value_parser = batch_rows)]
    batch: usize,
    /// Restore an export into an empty store: positions, revisions and times stay as they were
    #[arg(long, conflicts_with_all = [
        "format", "map", "types", "zone", "delimiter", "category", "source", "rejects", "strict", "batch"
    ])]
    restore: bool,
    /// Restore what is there of an export that was cut short
    #[arg(long, requires = "restore")]
    incomplete: bool,
}

impl ImportCommand {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        if self.restore {
            return crate::cli::import_restore::run(session, &self.file, self.incomplete).await;
        }
        let import = self.to_import(session)?;
        // A wrong name must not leave an empty store behind.
        import.check()?;
        let opened = session.open(Access::Write).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let interrupted = tokio::spawn(raise_when_stopped(Arc::clone(&stop)));
        let summary = run_import(import, &opened, &session.output, stop).await;
        interrupted.abort();
        let store = opened.locator.to_string();
        let (summary, outcome) = summary?;
        if let Err(failure) = outcome {
            // What a bad row or a full disk stopped is told like what bad rows were left out of.
            if summary.read > 0 {
                account(session, &store, &summary, false)?;
            }
            return Err(failure);
        }
        conclude(session, &store, &summary)
    }

    fn to_import(&self, session: &Session) -> Result<Import, Failure> {
        let input = Input::new(&self.file);
        input.check()?;
        let Some(format) = self.format.or_else(|| Format::guess(&input, !self.map.is_empty())) else {
            let message = format!("the ending of {} tells no format", self.file.display());
            return Err(Failure::usage(message).with_help("add --format ndjson or --format csv"));
        };
        let source = match (&self.source, &input) {
            (Some(source), _) => source.clone(),
            (None, Input::File(path)) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            (None, Input::Stdin) => {
                return Err(Failure::usage(
                    "standard input has no name; rows could not be told from earlier ones",
                )
                .with_help("name the source with --source"));
            }
        };
        if let Some(zone) = &self.zone {
            // Any time will do to see whether the zone is known.
            ledgerstone::core::OffsetTime::parse("2000-01-01T00:00:00", Some(zone))?;
        }
        let rejects = self.rejects.clone().unwrap_or_else(|| default_rejects(&input, &source));
        Ok(Import {
            format,
            delimiter: match &self.delimiter {
                Some(text) => delimiter(text)?,
                None => Format::delimiter(&input),
            },
            input,
            source,
            tenant: session.tenant(),
            category: self.category.clone(),
            zone: self.zone.clone(),
            mapping: MappingArguments { map: self.map.clone(), types: self.types.clone() },
            rejects,
            strict: self.strict,
            batch_rows: self.batch,
        })
    }
}

fn batch_rows(text: &str) -> Result<usize, String> {
    let most = Limits::default().batch_events;
    let rows = text.parse::<usize>().ok().filter(|rows| (1..=most).contains(rows));
    rows.ok_or_else(|| format!("give a number of rows from 1 to {most}"))
}

fn delimiter(text: &str) -> Result<u8, Failure> {
    match text.as_bytes() {
        _ if text == "tab" || text == "\\t" => Ok(b'\t'),
        [one] if !matches!(one, b'"' | b'\n' | b'\r') => Ok(*one),
        _ => Err(Failure::usage(format!("--delimiter {text:?} is not one character"))
            .with_help("give one character, such as ';', or tab")),
    }
}

/// Tells a running import to stop between two commits.
async fn raise_when_stopped(stop: Arc<AtomicBool>) {
    crate::serve::stop_signal().await;
    stop.store(true, Ordering::Relaxed);
}

async fn run_import(
    import: Import,
    opened: &Opened,
    output: &Output,
    stop: Arc<AtomicBool>,
) -> Result<(Summary, Result<(), Failure>), Failure> {
    let bar = ProgressBar::bytes(output, "importing", import.size());
    let events = Arc::clone(&opened.backend.events);
    let handle = Handle::current();
    let task = tokio::task::spawn_blocking(move || {
        import.run(&events, &handle, &stop, &|ImportProgress { bytes, rows }| {
            bar.set(bytes);
            bar.say(format!("{} rows", grouped(rows)));
        })
    });
    task.await.map_err(anyhow::Error::new)?
}

/// Tells what was done, and whether every row was looked at.
fn account(session: &mut Session, store: &str, summary: &Summary, is_whole: bool) -> Result<(), Failure> {
    if session.output.json {
        session.output.document(summary)?;
    } else {
        tell(session, store, summary, is_whole)?;
    }
    session.output.flush()
}

fn conclude(session: &mut Session, store: &str, summary: &Summary) -> Result<Exit, Failure> {
    account(session, store, summary, !summary.interrupted)?;
    if summary.interrupted {
        let message = format!("the import was interrupted after {} rows", grouped(summary.read));
        return Err(Failure::new(ErrorKind::Unavailable, Code::Interrupted, message)
            .with_exit(Exit::Interrupted)
            .with_help("what was recorded is consistent; the same command goes on from there"));
    }
    if summary.rejected > 0 {
        let file = summary.rejects_file.as_deref().unwrap_or(std::path::Path::new("")).display().to_string();
        let message = format!(
            "{} of {} rows were rejected; {file} has each with its reason",
            summary.rejected, summary.read
        );
        return Err(Failure::new(ErrorKind::Invalid, Code::RowsRejected, message)
            .with("rejected", summary.rejected)
            .with("rejects_file", file));
    }
    Ok(Exit::Done)
}

fn tell(session: &mut Session, store: &str, summary: &Summary, is_whole: bool) -> Result<(), Failure> {
    let output = &mut session.output;
    output.line(format!("{} into {store}", summary.source))?;
    let numbers = [
        ("read", summary.read, "rows"),
        ("accepted", summary.accepted, "events"),
        ("already there", summary.already_there, ""),
        ("rejected", summary.rejected, ""),
        ("streams", summary.streams, ""),
    ];
    for (name, number, unit) in numbers {
        output.line(format!("  {name:14}{:>12} {unit}", grouped(number)).trim_end())?;
    }
    let rate = match summary.events_per_second {
        0 => String::new(),
        rate => format!(", {} events/s", grouped(rate)),
    };
    output.line(format!("  {:14}{:>12.2} seconds{rate}", "time", summary.seconds))?;
    if summary.accepted == 0 && summary.already_there > 0 && is_whole {
        output.line("nothing new: every valid row had been imported before")?;
    }
    if summary.rules_changed && summary.already_there > 0 {
        output.line(
            "this source was imported with other options before; events that were there are left as they are",
        )?;
    }
    Ok(())
}
