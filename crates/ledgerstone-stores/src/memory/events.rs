//! Events in memory: plain lists, looked through from one end to the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use ledgerstone_core::{
    BackendError, Capabilities, Clock, EventStoreError, Frame, Frames, Heads, IdSource, IdempotenceWindow,
    Limits, LogIdentity, LogKind, Mark, MarkName, Position, Query, RecordedEvent, Removal, Revision,
    Selection, StreamId, StreamState, Tenant, TenantScope, Timestamp,
};
use parking_lot::RwLock;
use uuid::Uuid;

use crate::cursor::{Cursor, FRAME_EVENTS, is_removed};
use crate::decide::{Changes, Ledger, Verdict, condition_sees, decide};
use crate::group_commit::{CommitLog, GroupCommit, ReadLog};
use crate::removals::Removals;
use crate::staged::Staged;

/// Events in memory, behind group commit like every other store's.
#[derive(Debug, Clone)]
pub struct MemoryEvents {
    state: Arc<RwLock<State>>,
    clock: Arc<dyn Clock>,
}

impl MemoryEvents {
    /// Makes an empty store; its log gets an id from `ids`.
    pub fn open(clock: Arc<dyn Clock>, ids: &dyn IdSource) -> Result<GroupCommit<Self>, BackendError> {
        let events = Self::new(clock, ids);
        GroupCommit::new(Arc::new(events.clone()), events)
    }

    pub(crate) fn new(clock: Arc<dyn Clock>, ids: &dyn IdSource) -> Self {
        let log = LogIdentity { id: ids.next_id(), epoch: 1 };
        Self { state: Arc::new(RwLock::new(State::new(log))), clock }
    }
}

#[derive(Debug)]
struct State {
    log: LogIdentity,
    application: Vec<RecordedEvent>,
    system: Vec<RecordedEvent>,
    /// Where the events of each stream stand.
    streams: HashMap<(LogKind, Tenant, StreamId), Vec<Position>>,
    ids: HashMap<(Tenant, Uuid), (LogKind, Position)>,
    /// What readers know to be removed, and what was since.
    removals: Removals,
    removing: Removals,
    marks: BTreeMap<(Tenant, MarkName), Mark>,
    /// No mark expires before.
    next_expiry: Timestamp,
    /// The highest version of any mark that went away.
    retired: u64,
}

impl State {
    fn new(log: LogIdentity) -> Self {
        Self {
            log,
            application: Vec::new(),
            system: Vec::new(),
            streams: HashMap::new(),
            ids: HashMap::new(),
            removals: Removals::default(),
            removing: Removals::default(),
            marks: BTreeMap::new(),
            next_expiry: Timestamp::from_micros(i64::MAX),
            retired: 0,
        }
    }

    fn events(&self, log: LogKind) -> &Vec<RecordedEvent> {
        match log {
            LogKind::Application => &self.application,
            LogKind::System => &self.system,
        }
    }

    /// Returns the next position to look at: any, or the next of the stream that is selected.
    fn next_candidate(&self, cursor: &Cursor) -> Option<u64> {
        let next = if cursor.forwards() { cursor.low } else { cursor.high };
        let selection = &cursor.selection;
        let (TenantScope::One(tenant), Some(stream)) = (&selection.tenant, selection.query.as_stream())
        else {
            return Some(next);
        };
        let positions = self.streams.get(&(selection.log, tenant.clone(), stream.clone()))?;
        if cursor.forwards() {
            let found = positions.get(positions.partition_point(|position| position.0 < next));
            found.map(|position| position.0).filter(|position| *position <= cursor.high)
        } else {
            let found = positions.partition_point(|position| position.0 <= next).checked_sub(1);
            let found = found.and_then(|at| positions.get(at));
            found.map(|position| position.0).filter(|position| *position >= cursor.low)
        }
    }

    /// Lets expired marks go.
    fn clear_expired(&mut self, now: Timestamp) {
        if now < self.next_expiry {
            return;
        }
        let Self { marks, retired, .. } = self;
        marks.retain(|_, mark| {
            let expired = mark.is_expired(now);
            *retired = if expired { mark.version.max(*retired) } else { *retired };
            !expired
        });
        let next = self.marks.values().filter_map(|mark| mark.expires_at).min();
        self.next_expiry = next.unwrap_or(Timestamp::from_micros(i64::MAX));
    }

    /// Reads the next frame.
    fn frame(&self, cursor: &mut Cursor) -> Frame {
        let mut frame = Frame::default();
        let events = self.events(cursor.selection.log);
        let is_full = |frame: &Frame| frame.events.len().max(frame.holes.len()) >= FRAME_EVENTS;
        while !cursor.is_done() && !is_full(&frame) {
            let next = self.next_candidate(cursor);
            let event = next.and_then(|next| events.get(usize::try_from(next).ok()?.checked_sub(1)?));
            match event {
                Some(event) => cursor.offer(&mut frame, event.clone(), self.removals.of(event)),
                None => cursor.exhausted(),
            }
        }
        cursor.finish(&mut frame);
        frame
    }
}

impl Ledger for State {
    fn identity(&self) -> LogIdentity {
        self.log
    }

    fn heads(&self) -> Heads {
        let head = |events: &Vec<RecordedEvent>| Position(events.len() as u64);
        Heads { application: head(&self.application), system: head(&self.system) }
    }

    fn stream_state(
        &mut self,
        log: LogKind,
        tenant: &Tenant,
        stream: &StreamId,
    ) -> Result<StreamState, BackendError> {
        let positions = self.streams.get(&(log, tenant.clone(), stream.clone()));
        let newest = positions.and_then(|positions| (positions.len() as u64).checked_sub(1));
        Ok(newest.map_or(StreamState::Missing, |newest| StreamState::At(Revision(newest))))
    }

    fn event_at(
        &mut self,
        tenant: &Tenant,
        stream: &StreamId,
        revision: Revision,
    ) -> Result<Option<RecordedEvent>, BackendError> {
        let key = (LogKind::Application, tenant.clone(), stream.clone());
        let positions = self.streams.get(&key).map(Vec::as_slice).unwrap_or_default();
        let position = usize::try_from(revision.0).ok().and_then(|at| positions.get(at));
        let at = position.and_then(|position| usize::try_from(position.0.checked_sub(1)?).ok());
        Ok(at.and_then(|at| self.application.get(at)).cloned())
    }

    fn removal(&self, tenant: &str, stream: &str) -> Removal {
        let removing = self.removing.find(tenant, stream);
        removing.or_else(|| self.removals.find(tenant, stream)).unwrap_or_default()
    }

    fn find(&mut self, tenant: &Tenant, id: Uuid) -> Result<Option<RecordedEvent>, BackendError> {
        let Some((log, position)) = self.ids.get(&(tenant.clone(), id)) else { return Ok(None) };
        let at = usize::try_from(position.0.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(self.events(*log).get(at).cloned())
    }

    fn find_match(
        &mut self,
        tenant: &Tenant,
        query: &Query,
        after: Position,
        now: Timestamp,
    ) -> Result<Option<Position>, BackendError> {
        let after = usize::try_from(after.0).unwrap_or(usize::MAX);
        let mut newer = self.application.get(after..).unwrap_or_default().iter().rev();
        let found = newer.find(|event| {
            let removal = event.stream().map(|stream| self.removal(event.tenant(), stream));
            let removed = is_removed(event, removal.unwrap_or_default(), now);
            tenant.is(event.tenant()) && condition_sees(query, event, removed)
        });
        Ok(found.map(RecordedEvent::position))
    }

    fn mark(&mut self, tenant: &Tenant, name: &MarkName) -> Result<Option<Mark>, BackendError> {
        Ok(self.marks.get(&(tenant.clone(), name.clone())).cloned())
    }

    fn retired(&mut self, now: Timestamp) -> Result<u64, BackendError> {
        self.clear_expired(now);
        Ok(self.retired)
    }

    fn put(&mut self, staged: &mut Staged, changes: Changes) -> Result<(), BackendError> {
        for append in &staged.appends {
            for event in staged.events.get(append.events.clone()).unwrap_or_default() {
                let event = RecordedEvent::trusted(Bytes::copy_from_slice(staged.record(event)));
                self.ids.insert((staged.tenant.clone(), event.id()), (append.log, event.position()));
                if let Some(stream) = &append.stream {
                    let key = (append.log, staged.tenant.clone(), stream.clone());
                    self.streams.entry(key).or_default().push(event.position());
                }
                match append.log {
                    LogKind::Application => self.application.push(event),
                    LogKind::System => self.system.push(event),
                }
            }
        }
        for (stream, removal) in changes.removals {
            self.removing.set(staged.tenant.as_str(), stream.as_str(), removal);
        }
        for (name, mark) in changes.marks {
            let key = (staged.tenant.clone(), name);
            if let Some(mark) = mark {
                self.next_expiry = mark.expires_at.map_or(self.next_expiry, |at| at.min(self.next_expiry));
                self.marks.insert(key, mark);
            } else if let Some(gone) = self.marks.remove(&key) {
                self.retired = self.retired.max(gone.version);
            }
        }
        Ok(())
    }
}

impl CommitLog for MemoryEvents {
    fn heads(&self) -> Heads {
        self.state.read().heads()
    }

    fn commit(&mut self, batches: &mut [Staged]) -> Vec<Verdict> {
        let mut state = self.state.write();
        let newest = [&state.application, &state.system].map(|events| events.last());
        let newest = newest.into_iter().flatten().map(RecordedEvent::recorded_at).max();
        let now = self.clock.now().max(newest.unwrap_or(Timestamp::from_micros(i64::MIN)));
        let verdicts = batches.iter_mut().map(|staged| decide(&mut *state, staged, now)?);
        verdicts.collect()
    }

    fn published(&mut self) {
        let mut state = self.state.write();
        let State { removals, removing, .. } = &mut *state;
        removals.take(removing);
    }
}

#[async_trait]
impl ReadLog for MemoryEvents {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            backend: "memory",
            durable: false,
            all_tenants: true,
            idempotence_window: IdempotenceWindow::WholeLog,
            limits: Limits::default(),
        }
    }

    fn identity(&self) -> LogIdentity {
        self.state.read().log
    }

    fn removal(&self, selection: &Selection) -> Option<Removal> {
        self.state.read().removals.of_selection(selection)
    }

    fn read(&self, selection: Selection, heads: Heads, removal: Option<Removal>) -> Frames {
        let state = Arc::clone(&self.state);
        let cursor = Some(Cursor::new(selection, heads, self.clock.now()).with_removal(removal));
        stream::unfold(cursor, move |cursor| {
            let next = cursor.map(|mut cursor| {
                let frame = state.read().frame(&mut cursor);
                (Ok(frame), (!cursor.is_done()).then_some(cursor))
            });
            async move { next }
        })
        .boxed()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        let now = self.clock.now();
        let state = self.state.read();
        let alive = state.marks.values().filter(|mark| {
            tenant.covers(mark.tenant.as_str())
                && mark.name.as_str().starts_with(prefix)
                && !mark.is_expired(now)
        });
        Ok(alive.cloned().collect())
    }
}
