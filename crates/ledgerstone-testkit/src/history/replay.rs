//! The log replayed in order: what each batch found when its turn came.

use std::collections::HashMap;

use ledgerstone_core::{
    AppendCondition, Heads, LogKind, Mark, MarkChange, MarkName, Position, RecordedEvent, Revision,
    StreamState, Tenant, Timestamp,
};

use super::commits::{Asked, COUNTS};
use super::verdict::History;
use super::violation::{Checked, Violation, holds};

type StreamKey<'a> = (LogKind, &'a str, &'a str);
type MarkKey = (Tenant, MarkName);

/// What stood when, by how many batches had been recorded.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    /// By stream: after how many batches it stood where.
    streams: HashMap<StreamKey<'a>, Vec<(usize, Revision)>>,
    marks: HashMap<MarkKey, Vec<(usize, Option<Mark>)>>,
    /// The highest version of any mark that went away, after how many batches.
    retired: Vec<(usize, u64)>,
    /// The heads after so many batches.
    heads: Vec<Heads>,
    events: &'a [RecordedEvent],
}

/// Returns the newest of what was noted after at most `batches` batches.
fn newest<T>(notes: &[(usize, T)], batches: usize) -> Option<&T> {
    let behind = notes.partition_point(|(after, _)| *after <= batches);
    notes.get(behind.checked_sub(1)?).map(|(_, note)| note)
}

impl<'a> Replay<'a> {
    /// Replays the batches; each guard, condition and change of a mark must have held when its turn came.
    pub(super) fn of(history: &'a History, order: &[&Asked<'a>]) -> Checked<Self> {
        let mut replay = Self {
            streams: HashMap::new(),
            marks: HashMap::new(),
            retired: Vec::new(),
            heads: vec![Heads::default()],
            events: &history.log[LogKind::Application as usize],
        };
        for (before, asked) in order.iter().enumerate() {
            replay.check_guards(asked, before)?;
            replay.change_marks(asked, before)?;
            replay.take(asked, before + 1);
        }
        Ok(replay)
    }

    /// Returns where a stream stood after so many batches.
    pub(super) fn stream(&self, key: StreamKey<'_>, batches: usize) -> StreamState {
        let notes = self.streams.get(&key);
        notes.and_then(|notes| newest(notes, batches)).map_or(StreamState::Missing, |at| StreamState::At(*at))
    }

    /// Returns a mark as it stood after so many batches.
    pub(super) fn mark(&self, tenant: &Tenant, name: &MarkName, batches: usize) -> Option<&Mark> {
        newest(self.marks.get(&(tenant.clone(), name.clone()))?, batches)?.as_ref()
    }

    pub(super) fn retired(&self, batches: usize) -> u64 {
        newest(&self.retired, batches).copied().unwrap_or_default()
    }

    /// Returns the head of the application's count after so many batches.
    pub(super) fn head(&self, batches: usize) -> Position {
        self.heads.get(batches).map_or(Position::START, |heads| heads.application)
    }

    /// Finds an event that a condition sees after so many batches.
    pub(super) fn find(
        &self,
        tenant: &Tenant,
        condition: &AppendCondition,
        batches: usize,
    ) -> Option<Position> {
        let to = usize::try_from(self.head(batches).0).unwrap_or(usize::MAX);
        let from = usize::try_from(condition.after.0).unwrap_or(usize::MAX);
        let events = self.events.get(from..to).unwrap_or_default();
        let matches = |event: &&RecordedEvent| {
            event.tenant() == tenant.as_str() && condition.fail_if_match.matches(event)
        };
        events.iter().find(matches).map(RecordedEvent::position)
    }

    fn check_guards(&self, asked: &Asked<'a>, before: usize) -> Checked {
        let (batch, at) = (asked.batch, asked.last());
        for append in &batch.appends {
            let Some(stream) = &append.stream else { continue };
            let state = self.stream((append.log(), batch.tenant.as_str(), stream.as_str()), before);
            let held = append.expected.holds(state);
            holds!(2, held, "the batch at {at:?} expected {stream} at {} and found {state}", append.expected);
        }
        let Some(condition) = &batch.condition else { return Ok(()) };
        let head = self.head(before);
        holds!(
            3,
            condition.after <= head,
            "the batch at {at:?} looked after {}, beyond {head}",
            condition.after
        );
        let found = self.find(&batch.tenant, condition, before);
        holds!(
            3,
            found.is_none(),
            "the batch at {at:?} stands behind {found:?}, which its condition excludes"
        );
        Ok(())
    }

    fn change_marks(&mut self, asked: &Asked<'a>, before: usize) -> Checked {
        let tenant = &asked.batch.tenant;
        for change in &asked.batch.marks {
            let current = self.mark(tenant, change.name(), before).cloned();
            let retired = self.retired(before);
            let Some(after) = applied(change, tenant, current.as_ref(), retired) else {
                let what = format_args!("the batch at {:?} met {current:?} with {change:?}", asked.last());
                return Err(Violation::of(11, what));
            };
            if let Some(gone) = current.filter(|_| after.is_none()) {
                self.retired.push((before + 1, gone.version.max(retired)));
            }
            self.marks.entry((tenant.clone(), change.name().clone())).or_default().push((before + 1, after));
        }
        Ok(())
    }

    fn take(&mut self, asked: &Asked<'a>, batches: usize) {
        let mut heads = self.heads.last().copied().unwrap_or_default();
        for log in COUNTS {
            if let Some(last) = asked.events_of(log).last() {
                heads.set(log, last.position());
            }
            let events: &'a [RecordedEvent] = asked.events.get(log as usize).copied().unwrap_or_default();
            for event in events {
                if let Some((stream, revision)) = event.stream().zip(event.revision()) {
                    let notes = self.streams.entry((log, event.tenant(), stream)).or_default();
                    notes.push((batches, revision));
                }
            }
        }
        self.heads.push(heads);
    }

    /// Checks that the marks stand in the end where the batches left them.
    pub(super) fn check_marks(&self, history: &History) -> Checked {
        let all = usize::MAX;
        let told = |mark: &Mark| (mark.version, mark.number, mark.value.clone());
        for mark in &history.marks {
            let replayed = self.mark(&mark.tenant, &mark.name, all);
            let same = replayed.map(told) == Some(told(mark));
            holds!(11, same, "a mark stands at {mark:?} and its changes lead to {replayed:?}");
        }
        let alive = self.marks.values().filter_map(|notes| newest(notes, all)?.as_ref()).count();
        let listed = history.marks.len();
        holds!(11, alive == listed, "{listed} marks are there, and {alive} should be");
        Ok(())
    }
}

/// Applies a change to a mark; nothing if it does not hold. No mark of a history expires.
pub(super) fn applied(
    change: &MarkChange,
    tenant: &Tenant,
    current: Option<&Mark>,
    retired: u64,
) -> Option<Option<Mark>> {
    change.apply(tenant, Timestamp::from_micros(0), current, retired).ok()
}
