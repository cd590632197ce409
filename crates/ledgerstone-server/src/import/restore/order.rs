//! The order of an export: positions and times that fit a log, and revisions that rise in each stream.

use std::collections::HashMap;

use ledgerstone::core::{LogKind, RecordedEvent, Removal, Revision, Timestamp};
use uuid::Uuid;

/// How many positions of a count may hold no event. The index takes in every one of them, so a position that
/// somebody made up would keep the store from opening.
pub(super) const MOST_LEFT_OUT: u64 = 1 << 32;

/// Watches the events of a file go by; it remembers about 40 bytes for each stream.
#[derive(Debug, Default)]
pub(super) struct Order {
    counts: [Count; 2],
    streams: HashMap<Uuid, u64>,
    /// Where a stream of the application last leaves revisions out: the line, and the revision after them.
    gaps: HashMap<Uuid, (u64, u64)>,
    removals: HashMap<Uuid, Removal>,
}

/// What has gone by of one count.
#[derive(Debug, Default)]
struct Count {
    events: u64,
    newest: Option<Timestamp>,
}

impl Order {
    /// Takes the next event of the file, or says what is wrong with it.
    pub(super) fn take(&mut self, line: u64, event: &RecordedEvent) -> Result<(), String> {
        let [application, system] = &mut self.counts;
        let count = match event.log() {
            LogKind::Application => application,
            LogKind::System => system,
        };
        count.events += 1;
        if event.position().0.saturating_sub(count.events) > MOST_LEFT_OUT {
            return Err(format!(
                "position {} leaves out more than {MOST_LEFT_OUT} positions, which no log does: it was changed",
                event.position()
            ));
        }
        if count.newest.is_some_and(|newest| event.recorded_at() < newest) {
            return Err("it was recorded before the event of the position before it".to_owned());
        }
        count.newest = Some(event.recorded_at());
        let (Some(stream), Some(revision)) = (event.stream(), event.revision()) else { return Ok(()) };
        let key = key(event.log(), event.tenant(), stream);
        if let Some(last) = self.streams.insert(key, revision.0) {
            if revision.0 <= last {
                return Err(format!("revision {revision} of stream {stream} does not follow {last}"));
            }
            if revision.0 - last > 1 {
                if event.log() == LogKind::System {
                    return Err(left_out(last.saturating_add(1), revision.0, stream));
                }
                self.gaps.insert(key, (line, revision.0));
            }
        }
        if Removal::is_removal(event.event_type()) {
            let removed =
                self.removals.entry(self::key(LogKind::Application, event.tenant(), stream)).or_default();
            *removed = removed.after(event.event_type(), event.payload());
        }
        Ok(())
    }

    /// Returns the first line before which revisions are left out that nobody removed.
    pub(super) fn finish(self) -> Result<(), (u64, String)> {
        let is_removed = |key: &Uuid, revision: u64| {
            let mut removal = self.removals.get(key).copied().unwrap_or_default();
            removal.newest = self.streams.get(key).copied().map(Revision);
            removal.explains_lack_of_what_is_before(Revision(revision))
        };
        let missing = self.gaps.iter().filter(|(key, (_, revision))| !is_removed(key, *revision));
        match missing.map(|(_, (line, revision))| (*line, *revision)).min() {
            None => Ok(()),
            Some((line, revision)) => {
                Err((line, format!("the events before revision {revision} of its stream are missing")))
            }
        }
    }
}

fn left_out(from: u64, to: u64, stream: &str) -> String {
    format!("revision {to} of stream {stream} stands where {from} should")
}

/// Names a stream of one count and tenant in 16 bytes.
fn key(log: LogKind, tenant: &str, stream: &str) -> Uuid {
    let log = if log == LogKind::System { "system" } else { "application" };
    Uuid::new_v5(&Uuid::nil(), format!("{log}\0{tenant}\0{stream}").as_bytes())
}
