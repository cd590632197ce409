//! Exports: every field of every event as NDJSON, whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use ledgerstone::core::{EventJson, EventStore, EventStoreError, Frames, RecordedEvent, Selection};

use crate::failure::Failure;

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
    /// or a database.
    pub fn create(path: &Path, packed: bool, force: bool) -> Result<Self, Failure> {
        check_target(path, force)?;
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

/// Writes the events of selections, a line each, in the order in which they were recorded; returns how many.
pub async fn export(
    events: &dyn EventStore,
    selections: Vec<Selection>,
    to: &mut (dyn Write + Send),
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<u64, ExportError> {
    let mut merged: Vec<Head> =
        selections.into_iter().map(|selection| Head::new(events.read(selection))).collect();
    let mut count = 0;
    loop {
        for head in &mut merged {
            head.fill().await?;
        }
        let heads = merged.iter_mut().filter(|head| head.peek().is_some());
        let oldest = heads.min_by_key(|head| head.peek().map(RecordedEvent::recorded_at));
        let Some(event) = oldest.and_then(Head::take) else { return Ok(count) };
        serde_json::to_writer(&mut *to, &EventJson::recorded(&event)).map_err(io::Error::from)?;
        to.write_all(b"\n")?;
        count += 1;
        progress(count);
    }
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
