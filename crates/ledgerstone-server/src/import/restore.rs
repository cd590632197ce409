//! Restoring an export: events come back with their positions, revisions, times and batches.
//!
//! What the store holds must be the beginning of the file, record by record; anything else is refused. A
//! restore that was killed is undone by the next one, and nobody can open the store in between.

mod order;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use ledgerstone::core::{
    Code, ErrorKind, EventJson, EventStore, Frames, Heads, LogKind, Position, RecordedEvent, Selection,
    TenantScope,
};
use ledgerstone::stores::Restore;
use serde::Serialize;
use tokio::runtime::Handle;

use self::order::Order;
use super::ndjson::next_line;
use super::source::{Input, Source};
use super::task::ImportProgress;
use crate::exit::Exit;
use crate::failure::Failure;

/// How many events are written in one commit.
const CHUNK_EVENTS: usize = 5_000;
/// How many bytes of events are written in one commit.
const CHUNK_BYTES: usize = 16 * 1024 * 1024;

/// What a restore did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Restored {
    /// Application events that the file has.
    pub application: u64,
    /// System events that the file has.
    pub system: u64,
    /// How many of both were there already, restored by an earlier run.
    pub already_there: u64,
}

/// Compares the beginning of a file with what a store holds; returns where to go on.
///
/// It blocks, so it must not be called on the runtime's own threads.
pub fn check(input: &Input, events: &Arc<dyn EventStore>, handle: &Handle) -> Result<Heads, Failure> {
    let heads = handle.block_on(events.head())?.heads;
    if heads == Heads::default() {
        return Ok(heads);
    }
    let mut stored = [LogKind::Application, LogKind::System].map(|kind| {
        let selection = Selection::all().of(TenantScope::All).log(kind);
        Stored { frames: events.read(selection), events: Vec::new().into_iter() }
    });
    let mut file = RestoreFile::open(input)?;
    while let Some(event) = file.next()? {
        if event.position() > heads.of(event.log()) {
            continue;
        }
        let stored = match event.log() {
            LogKind::Application => &mut stored[0],
            LogKind::System => &mut stored[1],
        };
        if handle.block_on(stored.next())?.as_ref() != Some(&event) {
            return Err(not_empty(heads));
        }
    }
    for stored in &mut stored {
        if handle.block_on(stored.next())?.is_some() {
            return Err(not_empty(heads));
        }
    }
    Ok(heads)
}

fn not_empty(heads: Heads) -> Failure {
    let message = format!(
        "the store holds {} application and {} system events that are not the beginning of this export",
        heads.application, heads.system
    );
    Failure::new(ErrorKind::Conflict, Code::NotEmpty, message)
}

/// Writes what stands beyond `heads`; it blocks.
pub fn restore(
    input: &Input,
    heads: Heads,
    restorer: &mut dyn Restore,
    stop: &AtomicBool,
    progress: &dyn Fn(ImportProgress),
) -> Result<Restored, Failure> {
    let mut file = RestoreFile::open(input)?;
    let bytes = file.source.counter();
    let mut restored = Restored::default();
    let (mut chunk, mut size) = (Vec::new(), 0);
    while let Some(event) = file.next()? {
        match event.log() {
            LogKind::Application => restored.application += 1,
            LogKind::System => restored.system += 1,
        }
        if event.position() <= heads.of(event.log()) {
            restored.already_there += 1;
            continue;
        }
        size += event.as_bytes().len();
        chunk.push(event);
        if chunk.len() >= CHUNK_EVENTS || size >= CHUNK_BYTES {
            restorer.put(&chunk)?;
            chunk.clear();
            size = 0;
            let rows = restored.application + restored.system;
            progress(ImportProgress { bytes: bytes.load(Ordering::Relaxed), rows });
            if stop.load(Ordering::Relaxed) {
                return Err(interrupted(rows));
            }
        }
    }
    if !chunk.is_empty() {
        restorer.put(&chunk)?;
    }
    restorer.complete()?;
    Ok(restored)
}

fn interrupted(rows: u64) -> Failure {
    let message = format!("the restore was interrupted after {rows} events");
    Failure::new(ErrorKind::Internal, Code::Internal, message)
        .with_exit(Exit::Interrupted)
        .with_help("the same command begins it again; until then nobody can open the store")
}

/// Looks through a whole file before anything is written: every event must read, and stand in order.
pub fn validate(input: &Input) -> Result<(), Failure> {
    let mut file = RestoreFile::open(input)?;
    let mut order = Order::default();
    while let Some(event) = file.next()? {
        order.take(file.line, &event).map_err(|reason| invalid(file.line, &reason))?;
    }
    order.finish().map_err(|(line, reason)| invalid(line, &reason))
}

fn invalid(line: u64, reason: &str) -> Failure {
    Failure::usage(format!("line {line}: {reason}"))
        .with("line", line)
        .with_help("restore a file that ledgerstone export wrote, whole and unchanged; nothing was written")
}

/// The events of an export, in its order.
struct RestoreFile {
    source: Source,
    last: Heads,
    /// The line of the newest event.
    line: u64,
}

impl RestoreFile {
    fn open(input: &Input) -> Result<Self, Failure> {
        let mut source = input.open()?;
        source.skip_byte_order_mark()?;
        Ok(Self { source, last: Heads::default(), line: 0 })
    }

    fn next(&mut self) -> Result<Option<RecordedEvent>, Failure> {
        let Some(line) = next_line(&mut self.source)? else { return Ok(None) };
        let number = line.number;
        self.line = number;
        let invalid = |reason: String| invalid(number, &reason);
        if line.is_cut {
            return Err(invalid("it is too long".to_owned()));
        }
        let json: EventJson =
            serde_json::from_slice(&line.raw).map_err(|error| invalid(error.to_string()))?;
        let event = json.to_recorded().map_err(|error| invalid(error.to_string()))?;
        if (event.log() == LogKind::System) != (json.log == Some(LogKind::System)) {
            return Err(invalid("its type belongs to the other count than the line says".to_owned()));
        }
        let last = self.last.of(event.log());
        if event.position() <= last || event.position() == Position::START {
            return Err(invalid(format!("position {} does not follow {last}", event.position())));
        }
        if i64::try_from(event.position().0).is_err() {
            return Err(invalid(format!("position {} is above {}", event.position(), i64::MAX)));
        }
        self.last.set(event.log(), event.position());
        Ok(Some(event))
    }
}

struct Stored {
    frames: Frames,
    events: std::vec::IntoIter<RecordedEvent>,
}

impl Stored {
    async fn next(&mut self) -> Result<Option<RecordedEvent>, Failure> {
        loop {
            if let Some(event) = self.events.next() {
                return Ok(Some(event));
            }
            match self.frames.next().await {
                Some(frame) => self.events = frame?.events.into_iter(),
                None => return Ok(None),
            }
        }
    }
}
