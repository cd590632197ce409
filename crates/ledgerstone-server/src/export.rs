//! Exports: every field of every event as NDJSON, whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use ledgerstone::core::{
    EventJson, EventStore, EventStoreError, Frames, Locator, LogHead, RecordedEvent, Selection,
};

use crate::failure::Failure;
use crate::log_digest::LogTally;

/// Where an export goes.
pub struct ExportFile {
    path: PathBuf,
    partial: PathBuf,
    sink: Option<Sink>,
}

enum Sink {
    Plain(BufWriter<File>),
    Packed(GzEncoder<BufWriter<File>>),
}

impl std::fmt::Debug for ExportFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ExportFile {
    /// Begins a file, which gets its name only once it is whole.
    ///
    /// What stands there already is replaced only if `force` says so, and never if it is no regular file
    /// or a database; nothing is put among the files of the `store` itself.
    pub fn create(path: &Path, packed: bool, force: bool, store: &Locator) -> Result<Self, Failure> {
        check_target(path, force)?;
        check_is_outside(path, store)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.partial"));
        let file = File::create(&partial).map_err(|error| Failure::io(path.display(), &error))?;
        let file = BufWriter::with_capacity(256 * 1024, file);
        let sink = if packed {
            Sink::Packed(GzEncoder::new(file, Compression::default()))
        } else {
            Sink::Plain(file)
        };
        Ok(Self { path: path.to_owned(), partial, sink: Some(sink) })
    }

    /// Makes the file durable and gives it its name.
    pub fn finish(mut self) -> Result<(), Failure> {
        let finished = self.finish_sink().and_then(|()| std::fs::rename(&self.partial, &self.path));
        finished.map_err(|error| Failure::io(self.path.display(), &error))
    }

    fn finish_sink(&mut self) -> io::Result<()> {
        let mut file = match self.sink.take() {
            Some(Sink::Plain(file)) => file,
            Some(Sink::Packed(packed)) => packed.finish()?,
            None => return Ok(()),
        };
        file.flush()?;
        file.get_ref().sync_all()
    }
}

fn check_target(path: &Path, force: bool) -> Result<(), Failure> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    let refuse = |why: &str, help: &str| {
        Err(Failure::usage(format!("{} {why}", path.display())).with_help(help.to_owned()))
    };
    if !found.is_file() {
        return refuse("is no regular file", "name a file, or leave --to out and redirect standard output");
    }
    let mut beginning = [0; 15];
    let read = File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut beginning));
    if read.is_ok() && &beginning == b"SQLite format 3" {
        return refuse("is a database", "name another file");
    }
    if !force {
        return refuse("exists", "name another file, or replace it with --force");
    }
    Ok(())
}

/// Refuses a file that would stand among those of the store that is exported.
fn check_is_outside(path: &Path, store: &Locator) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = |path: &Path| path.canonicalize().ok();
    let inside = whole(Path::new(store.place()))
        .filter(|store| store.is_dir())
        .zip(whole(folder))
        .is_some_and(|(store, folder)| folder.starts_with(store));
    if !inside {
        return Ok(());
    }
    let message = format!("{} would stand among the files of {store}", path.display());
    Err(Failure::usage(message).with_help("name a file outside the folder of the store"))
}

impl Write for ExportFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Some(Sink::Plain(file)) => file.write(bytes),
            Some(Sink::Packed(file)) => file.write(bytes),
            None => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Some(Sink::Plain(file)) => file.flush(),
            Some(Sink::Packed(file)) => file.flush(),
            None => Ok(()),
        }
    }
}

/// An export that was not finished leaves nothing behind.
impl Drop for ExportFile {
    fn drop(&mut self) {
        if self.sink.take().is_some() {
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// How many events.
    pub events: u64,
    /// Whether its last line says that it is a whole log.
    pub is_whole: bool,
}

/// What an export is of.
#[derive(Debug)]
pub struct Exporting {
    /// Which events, of each count.
    pub selections: Vec<Selection>,
    /// The log and the heads up to which they are read.
    pub head: LogHead,
    /// What is known of whether that is the whole log.
    pub reach: Reach,
}

/// How much of a log an export reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Every event of every tenant.
    Whole,
    /// Every event of one tenant; it is the whole log if nothing is missing between them.
    Tenant,
    /// What options select.
    Selected,
}

/// Writes the events of selections, a line each, in the order in which they were recorded.
///
/// The last line of a whole log says what the log held, so each line is written when the next event is known.
pub async fn export(
    events: &dyn EventStore,
    exporting: Exporting,
    to: &mut (dyn Write + Send),
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Exported, ExportError> {
    let Exporting { selections, head, reach } = exporting;
    let mut merged: Vec<Head> =
        selections.into_iter().map(|selection| Head::new(events.read(selection))).collect();
    let mut tally = LogTally::default();
    let mut newest: Option<RecordedEvent> = None;
    loop {
        for head in &mut merged {
            head.fill().await?;
        }
        let heads = merged.iter_mut().filter(|head| head.peek().is_some());
        let oldest = heads.min_by_key(|head| head.peek().map(RecordedEvent::recorded_at));
        let Some(event) = oldest.and_then(Head::take) else { break };
        tally.take(&event);
        if let Some(event) = newest.replace(event) {
            write_line(to, &EventJson::recorded(&event))?;
        }
        progress(tally.events());
    }
    let is_whole = match reach {
        Reach::Whole => true,
        Reach::Tenant => tally.is_gapless(head.heads),
        Reach::Selected => false,
    };
    let exported = Exported { events: tally.events(), is_whole };
    if let Some(event) = newest {
        let end = is_whole.then(|| tally.finish(head.heads).to_end(head.log));
        write_line(to, &EventJson { end, ..EventJson::recorded(&event) })?;
    }
    Ok(exported)
}

fn write_line(to: &mut (dyn Write + Send), event: &EventJson) -> io::Result<()> {
    serde_json::to_writer(&mut *to, event)?;
    to.write_all(b"\n")
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It could not be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The events could not be read.
    #[error(transparent)]
    Read(#[from] EventStoreError),
}

/// The next event of a selection.
struct Head {
    frames: Frames,
    events: std::vec::IntoIter<RecordedEvent>,
    next: Option<RecordedEvent>,
    ended: bool,
}

impl Head {
    fn new(frames: Frames) -> Self {
        Self { frames, events: Vec::new().into_iter(), next: None, ended: false }
    }

    async fn fill(&mut self) -> Result<(), EventStoreError> {
        while self.next.is_none() && !self.ended {
            self.next = self.events.next();
            if self.next.is_none() {
                match self.frames.next().await {
                    Some(frame) => self.events = frame?.events.into_iter(),
                    None => self.ended = true,
                }
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<&RecordedEvent> {
        self.next.as_ref()
    }

    fn take(&mut self) -> Option<RecordedEvent> {
        self.next.take()
    }
}
