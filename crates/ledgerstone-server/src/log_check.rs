//! The check of a whole log through its port: numbers, times, batches, removals, and the digest.

use std::collections::HashMap;

use ledgerstone::core::{
    Code, EventStore, Frame, LogKind, Position, RecordedEvent, Removal, Revision, TenantScope, Timestamp,
};
use ledgerstone::stores::Inspection;
use serde::Serialize;

use crate::failure::Failure;
use crate::log_digest::LogDigest;

/// What the check of a log found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LogCheck {
    /// The digest, with the counts; nothing if the log could not be read to its end.
    #[serde(flatten)]
    pub digest: Option<LogDigest>,
    /// How many streams there are, those of the system counted apart.
    pub streams: u64,
    /// How many positions hold no event any more, because it was removed.
    pub removed: u64,
    /// What was found in the store's own files, where this process can look at them.
    pub files: Option<Inspection>,
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<String>,
    /// How many more problems there are than are listed.
    pub unlisted: u64,
}

impl LogCheck {
    /// Adds what was found in the store's own files.
    #[must_use]
    pub fn with_files(mut self, files: Option<Inspection>) -> Self {
        if let Some(files) = &files {
            // What kept the log from being read to its end is among what was found in the files.
            if self.digest.is_none() && !files.problems.is_empty() {
                (self.problems, self.unlisted) = (Vec::new(), 0);
            }
            self.problems.splice(0..0, files.problems.iter().cloned());
            self.unlisted += files.unlisted;
        }
        self.files = files;
        self
    }

    /// Returns how many problems there are.
    pub fn problem_count(&self) -> u64 {
        self.problems.len() as u64 + self.unlisted
    }
}

/// Reads a whole log and checks it; memory grows with the number of streams.
///
/// Damage is something found. Any other failure, such as a server that went away, ends the check.
pub async fn check_log(
    events: &dyn EventStore,
    tenant: &TenantScope,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<LogCheck, Failure> {
    let mut walk = Walk { whole: *tenant == TenantScope::All, ..Walk::default() };
    let read =
        LogDigest::visiting(events, tenant, progress, &mut |kind, frame| walk.frame(kind, frame)).await;
    let digest = match read {
        Ok(digest) => {
            for kind in [LogKind::Application, LogKind::System] {
                walk.end(kind, digest.heads.of(kind));
            }
            Some(digest)
        }
        Err(failure) if failure.code() == Code::Corrupt => {
            walk.found.problem(failure.message());
            None
        }
        Err(failure) => return Err(failure),
    };
    if digest.is_some() {
        walk.settle_gaps();
    }
    let Inspection { problems, unlisted, .. } = walk.found;
    let (streams, removed) = (walk.streams.len() as u64, walk.removed);
    Ok(LogCheck { digest, streams, removed, files: None, problems, unlisted })
}

/// What has been seen of a log so far.
#[derive(Default)]
struct Walk {
    /// Whether every tenant's events are read, so that every position is seen.
    whole: bool,
    counts: [Count; 2],
    /// The next revision of each stream, by count, tenant and name.
    streams: HashMap<(LogKind, String, String), u64>,
    /// What the system events say was removed, and where the first event that is left should stand.
    removals: HashMap<(String, String), Removal>,
    gaps: Vec<Gap>,
    removed: u64,
    /// Positions without an event that no hole explains.
    absent: Vec<Position>,
    found: Inspection,
}

/// Where the reading of one count stands.
#[derive(Default)]
struct Count {
    last: u64,
    recorded_at: Option<Timestamp>,
    /// Whether the last event ended its batch; unknown after a position that was not seen.
    ended: Option<bool>,
}

/// Revisions of a stream that were not there: right if they were removed.
struct Gap {
    stream: (String, String),
    from: u64,
    to: u64,
    position: Position,
}

impl Walk {
    fn frame(&mut self, kind: LogKind, frame: &Frame) {
        let mut holes = frame.holes.iter().peekable();
        for event in &frame.events {
            while let Some(hole) = holes.next_if(|hole| hole.from < event.position()) {
                self.hole(kind, hole.from.0, hole.to.0);
            }
            self.event(kind, event);
        }
        holes.for_each(|hole| self.hole(kind, hole.from.0, hole.to.0));
    }

    fn hole(&mut self, kind: LogKind, from: u64, to: u64) {
        self.reach(kind, from);
        self.removed += to.saturating_sub(from).saturating_add(1);
        let count = &mut self.counts[kind as usize];
        count.last = count.last.max(to);
        count.ended = None;
    }

    /// Notes that the next thing stands at `position`.
    fn reach(&mut self, kind: LogKind, position: u64) {
        let count = &mut self.counts[kind as usize];
        if position > count.last + 1 {
            count.ended = None;
            if self.whole {
                self.absent.push(Position(count.last + 1));
            }
        }
    }

    fn event(&mut self, kind: LogKind, event: &RecordedEvent) {
        let position = event.position();
        self.reach(kind, position.0);
        let count = &mut self.counts[kind as usize];
        if position.0 <= count.last {
            self.found.problem(format!("position {position} comes after position {}", count.last));
        }
        let recorded_at = event.recorded_at();
        if count.recorded_at.is_some_and(|before| recorded_at < before) {
            self.found
                .problem(format!("the event at position {position} was recorded before its predecessor"));
        }
        if position.0 == 1 {
            count.ended = Some(true);
        }
        if count.ended.is_some_and(|ended| ended != event.is_batch_first()) {
            self.found.problem(format!("the batch before the event at position {position} is not whole"));
        }
        count.ended = self.whole.then(|| event.is_batch_last());
        count.recorded_at = Some(recorded_at);
        count.last = count.last.max(position.0);
        self.stream_event(kind, event);
    }

    fn stream_event(&mut self, kind: LogKind, event: &RecordedEvent) {
        let (Some(stream), Some(revision)) = (event.stream(), event.revision()) else { return };
        let name = (event.tenant().to_owned(), stream.to_owned());
        if kind == LogKind::System && Removal::is_removal(event.event_type()) {
            let removal = self.removals.entry(name.clone()).or_default();
            *removal = removal.after(event.event_type(), event.payload());
        }
        let next = self.streams.entry((kind, name.0.clone(), name.1.clone())).or_default();
        let expected = std::mem::replace(next, revision.0.saturating_add(1));
        let (position, stream) = (event.position(), name);
        if revision.0 < expected {
            self.found.problem(format!(
                "the event at position {position} has revision {revision} of {}, and {expected} was next",
                stream.1
            ));
        } else if revision.0 > expected {
            self.gaps.push(Gap { stream, from: expected, to: revision.0, position });
        }
    }

    /// Checks that a count was read up to its head.
    fn end(&mut self, kind: LogKind, head: Position) {
        self.reach(kind, head.0.saturating_add(1));
        let count = &self.counts[kind as usize];
        if count.last == head.0 && count.ended == Some(false) {
            self.found.problem(format!("the batch that ends at position {head} is not whole"));
        }
    }

    /// Tells which of the gaps no removal explains; every removal has been seen by now.
    fn settle_gaps(&mut self) {
        for gap in std::mem::take(&mut self.gaps) {
            let mut removal = self.removals.get(&gap.stream).copied().unwrap_or_default();
            let name = (LogKind::Application, gap.stream.0.clone(), gap.stream.1.clone());
            removal.newest = self.streams.get(&name).and_then(|next| next.checked_sub(1)).map(Revision);
            if removal.explains_lack_of_what_is_before(Revision(gap.to)) {
                continue;
            }
            self.found.problem(format!(
                "before the event at position {}, revisions {} to {} of {} are not there, and nothing removed them",
                gap.position,
                gap.from,
                gap.to - 1,
                gap.stream.1
            ));
        }
        // A restored log lacks what had been removed, and does not say where it stood.
        if self.removals.is_empty() {
            for position in std::mem::take(&mut self.absent) {
                self.found
                    .problem(format!("there is no event at position {position}, and nothing was removed"));
            }
        }
    }
}

#[cfg(test)]
#[path = "log_check_tests.rs"]
mod tests;
