//! The events of an export, read one after another in its order.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ledgerstone::core::{Code, EventJson, Heads, LogEnd, LogKind, Position, RecordedEvent};

use super::{NOTHING_WRITTEN, invalid};
use crate::failure::Failure;
use crate::import::ndjson::{Line, next_line};
use crate::import::source::{Input, Source};

/// A file that is being restored, or looked through before.
pub(super) struct RestoreFile {
    source: Source,
    /// Whether a file that was cut ends with its last whole line.
    incomplete: bool,
    /// The newest positions so far.
    pub(super) last: Heads,
    /// The line of the newest event.
    pub(super) line: u64,
    /// The newest end of a log that a line had, and the line.
    pub(super) end: Option<(u64, LogEnd)>,
}

impl RestoreFile {
    pub(super) fn open(input: &Input, incomplete: bool) -> Result<Self, Failure> {
        let mut source = input.open()?;
        source.may_be_cut(incomplete);
        source.skip_byte_order_mark()?;
        Ok(Self { source, incomplete, last: Heads::default(), line: 0, end: None })
    }

    /// Returns the counter of the bytes that were read, as they are stored.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        self.source.counter()
    }

    pub(super) fn next(&mut self) -> Result<Option<RecordedEvent>, Failure> {
        let line = next_line(&mut self.source).map_err(|failure| match failure.code() {
            Code::InvalidInput => failure.with_help(NOTHING_WRITTEN),
            _ => failure,
        })?;
        let Some(line) = line else { return Ok(None) };
        match read(&line) {
            // Whoever was killed while it wrote leaves half a line.
            Err(_) if self.incomplete && self.source.ends_open() => Ok(None),
            Err(reason) => Err(invalid(line.number, &reason)),
            Ok((event, end)) => {
                self.follow(&event).map_err(|reason| invalid(line.number, &reason))?;
                self.line = line.number;
                self.end = end.map(|end| (line.number, end)).or(self.end.take());
                Ok(Some(event))
            }
        }
    }

    /// Moves behind an event, which must stand behind the one before it.
    fn follow(&mut self, event: &RecordedEvent) -> Result<(), String> {
        let (position, last) = (event.position(), self.last.of(event.log()));
        if position <= last || position == Position::START {
            return Err(format!("position {position} does not follow {last}"));
        }
        if i64::try_from(position.0).is_err() {
            return Err(format!("position {position} is above {}", i64::MAX));
        }
        self.last.set(event.log(), position);
        Ok(())
    }
}

fn read(line: &Line) -> Result<(RecordedEvent, Option<LogEnd>), String> {
    if line.is_cut {
        return Err("it is too long".to_owned());
    }
    let json: EventJson = serde_json::from_slice(&line.raw).map_err(|error| error.to_string())?;
    let event = json.to_recorded().map_err(|error| error.to_string())?;
    if (event.log() == LogKind::System) != (json.log == Some(LogKind::System)) {
        return Err("its type belongs to the other count than the line says".to_owned());
    }
    Ok((event, json.end))
}
