//! Restoring an export: events come back with their positions, revisions, times and batches.
//!
//! What the store holds must be the beginning of the file, record by record; anything else is refused. A
//! restore that was killed is undone by the next one, and nobody can open the store in between.

mod checked;
mod order;
mod restore_file;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use ledgerstone::core::{
    Code, ErrorKind, EventStore, Frames, Heads, LogHead, LogIdentity, LogKind, RecordedEvent, Selection,
    TenantScope,
};
use ledgerstone::stores::Restore;
use serde::Serialize;
use tokio::runtime::Handle;

pub use self::checked::{Checked, validate};
use self::restore_file::RestoreFile;
use super::source::Input;
use super::task::ImportProgress;
use crate::exit::Exit;
use crate::failure::Failure;

/// How many events are written in one commit.
const CHUNK_EVENTS: usize = 5_000;
/// How many bytes of events are written in one commit.
const CHUNK_BYTES: usize = 16 * 1024 * 1024;

/// What to do next about a file that is refused.
const NOTHING_WRITTEN: &str = "nothing was written; restore an export of a whole log, as ledgerstone export \
    without options writes it; a filtered export goes in by ledgerstone import without --restore; \
    --incomplete restores what is there of a log";

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Application events that the file has.
    pub application: u64,
    /// System events that the file has.
    pub system: u64,
    /// How many of both were there already, restored by an earlier run.
    pub already_there: u64,
    /// Which log the store is now; a restore that wrote something has begun a new epoch.
    pub log: LogIdentity,
    /// Why the file is not a whole log, if it is not.
    pub missing: Option<String>,
}

/// Compares the beginning of a file with what a store holds; returns where the store stands.
///
/// It blocks, so it must not be called on the runtime's own threads.
pub fn check(
    input: &Input,
    checked: &Checked,
    events: &Arc<dyn EventStore>,
    handle: &Handle,
) -> Result<LogHead, Failure> {
    let head = handle.block_on(events.head())?;
    let heads = head.heads;
    if heads == Heads::default() {
        return Ok(head);
    }
    if heads.application > checked.heads.application || heads.system > checked.heads.system {
        return Err(not_empty(heads));
    }
    let mut stored = [LogKind::Application, LogKind::System].map(|kind| {
        let selection = Selection::all().of(TenantScope::All).log(kind);
        Stored { frames: events.read(selection), events: Vec::new().into_iter() }
    });
    let mut file = RestoreFile::open(input, checked.incomplete)?;
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
    Ok(head)
}

fn not_empty(heads: Heads) -> Failure {
    let message = format!(
        "the store stands at {} application and {} system events, which are not the beginning of this export",
        heads.application, heads.system
    );
    Failure::new(ErrorKind::Conflict, Code::NotEmpty, message)
}

/// Writes what stands beyond where the store stands; it blocks.
pub fn restore(
    input: &Input,
    checked: Checked,
    stands: LogHead,
    restorer: &mut dyn Restore,
    stop: &AtomicBool,
    progress: &dyn Fn(ImportProgress),
) -> Result<Restored, Failure> {
    let mut file = RestoreFile::open(input, checked.incomplete)?;
    let bytes = file.counter();
    let Checked { origin, heads, missing, .. } = checked;
    let mut restored = Restored { application: 0, system: 0, already_there: 0, log: stands.log, missing };
    let (mut chunk, mut size) = (Vec::new(), 0);
    while let Some(event) = file.next()? {
        match event.log() {
            LogKind::Application => restored.application += 1,
            LogKind::System => restored.system += 1,
        }
        if event.position() <= stands.heads.of(event.log()) {
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
    if stands.heads != heads || !continues(stands.log, origin) {
        restored.log = restorer.complete(origin, heads)?;
    }
    Ok(restored)
}

/// Tells whether a log has been its origin, or was restored from it before.
fn continues(log: LogIdentity, origin: Option<LogIdentity>) -> bool {
    origin.is_none_or(|origin| log.id == origin.id && log.epoch >= origin.epoch)
}

fn interrupted(rows: u64) -> Failure {
    let message = format!("the restore was interrupted after {rows} events");
    Failure::new(ErrorKind::Unavailable, Code::Interrupted, message)
        .with_exit(Exit::Interrupted)
        .with_help("the same command begins it again; until then nobody can open the store")
}

fn invalid(line: u64, reason: &str) -> Failure {
    Failure::usage(format!("line {line}: {reason}")).with("line", line).with_help(NOTHING_WRITTEN)
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
