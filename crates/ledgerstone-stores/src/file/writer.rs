//! The writing half: batches are judged, put into the log, and made durable together.

use std::collections::HashMap;
use std::sync::Arc;

use ledgerstone_core::{
    AppendedRange, BackendError, EventStoreError, Heads, LogIdentity, LogKind, Mark, MarkName, Position,
    Query, QueryItem, RecordedEvent, Removal, Revision, StreamId, StreamState, Tenant, TenantScope,
    Timestamp,
};
use ledgerstone_log::{Appender, CommitError, Entry, IndexView, LogError, NewEvent, Patience, id_key};
use uuid::Uuid;

use crate::cursor::is_removed;
use crate::decide::{Changes, Ledger, Verdict, condition_sees, decide};
use crate::file::expiries::Expiries;
use crate::file::failure::failed;
use crate::file::lists::{List, Lists};
use crate::file::shared::Shared;
use crate::group_commit::{CommitLog, refuse};
use crate::plan::{BRIEFLY, Effort, Key, Planner, Source, Walk};
use crate::removals::Removals;
use crate::staged::{Staged, StagedAppend};
use crate::stream_cache::StreamCache;

/// The writing half of the events.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    appender: Appender,
    streams: StreamCache,
    /// What the running group removes.
    removing: Removals,
    /// The index as it stood when the running group was begun: its last part grows with the group.
    index: Option<Arc<IndexView>>,
    /// When marks expire, as the running group leaves them.
    expiries: Expiries,
    /// Behind which position a tenant has no application event: where it put its newest since the log was opened.
    newest: HashMap<Tenant, u64>,
    /// The same for who has put none since.
    opened_at: u64,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, appender: Appender) -> Self {
        let (streams, removing) = (StreamCache::default(), Removals::default());
        let opened_at = appender.written().application.0;
        let expiries = expiries(&shared);
        Self { shared, appender, streams, removing, index: None, expiries, newest: HashMap::new(), opened_at }
    }

    fn index(&self) -> Arc<IndexView> {
        self.index.as_ref().map_or_else(|| self.shared.reader.index(), Arc::clone)
    }

    /// Tells whether every item of a query asks for something that no event has in this range.
    fn surely_misses(&self, tenant: &Tenant, query: &Query, log: LogKind, range: (u64, u64)) -> bool {
        let hasher = self.shared.reader.hasher();
        let index = self.index();
        let lacks = |term: u64| !index.may_hold((log, term), range);
        let misses = |item: &QueryItem| {
            let mut tags = item.tags.iter().map(|tag| hasher.tag(log, tenant.as_str(), tag.as_str()));
            tags.any(lacks)
        };
        !query.items().is_empty() && query.items().iter().all(misses)
    }

    /// Judges a group, and takes it all back if the log fails meanwhile.
    fn judge(&mut self, batches: &mut [Staged]) -> Result<Vec<Verdict>, BackendError> {
        self.appender.ready().map_err(failed("append"))?;
        let now = self.shared.clock.now().max(self.appender.written_at());
        self.index = Some(self.shared.reader.index());
        let verdicts = batches.iter_mut().map(|staged| decide(self, staged, now)).collect();
        // Held longer, it would hold what was merged or written away meanwhile.
        self.index = None;
        verdicts
    }

    fn abandon(&mut self) {
        self.appender.take_back();
        self.streams.clear();
        self.removing.clear();
        self.expiries = expiries(&self.shared);
    }

    /// Visits the events that a plan names, newest first, until told to stop.
    fn walk(
        &self,
        (low, high): (u64, u64),
        log: LogKind,
        plan: impl Fn(Planner<'_, Lists<'_>>) -> Option<Source<List>>,
        mut visit: impl FnMut(RecordedEvent) -> bool,
    ) -> Result<(), LogError> {
        let walk = Walk { low, high, forwards: false };
        let index = self.index();
        let hasher = self.shared.reader.hasher();
        let planned = |effort| {
            let lists = Lists { index: &index, log, walk };
            plan(Planner { hasher, log, tenants: &[], index: lists, effort })
        };
        let mut source = planned(Effort::Brief);
        let (mut key, mut looked) = (walk.first(), 0);
        while key <= walk.last() {
            let next = match &mut source {
                Some(source) => source.seek(Patience::Wait, key)?,
                None => Some(key),
            };
            let Some(next) = next.filter(|next| *next <= walk.last()) else { break };
            key = next + 1;
            let event = self.appender.record(log, Position(walk.position(next)))?;
            if event.is_some_and(|event| !visit(event)) {
                break;
            }
            looked += 1;
            if looked == BRIEFLY {
                source = planned(Effort::Thorough);
            }
        }
        Ok(())
    }

    fn sees(&self, tenant: &Tenant, query: &Query, event: &RecordedEvent, now: Timestamp) -> bool {
        let removal = event.stream().map(|stream| self.removal(event.tenant(), stream)).unwrap_or_default();
        tenant.is(event.tenant()) && condition_sees(query, event, is_removed(event, removal, now))
    }

    /// Finds where a stream stands by its newest event.
    fn look_up_stream(
        &self,
        log: LogKind,
        tenant: &Tenant,
        stream: &StreamId,
    ) -> Result<StreamState, LogError> {
        let term = self.shared.reader.hasher().stream(log, tenant.as_str(), stream.as_str());
        if self.index().newest(term, Patience::Wait)?.is_none() {
            return Ok(StreamState::Missing);
        }
        let mut state = StreamState::Missing;
        let range = (1, self.appender.written().of(log).0);
        self.walk(
            range,
            log,
            |planner| Some(planner.list(Key::Stream(term))),
            |event| {
                let is_of_stream = tenant.is(event.tenant()) && event.stream() == Some(stream.as_str());
                if is_of_stream && let Some(revision) = event.revision() {
                    state = StreamState::At(revision);
                }
                !is_of_stream
            },
        )?;
        Ok(state)
    }

    fn put_events(&mut self, staged: &Staged, append: &StagedAppend, range: &AppendedRange) {
        let events = staged.events.get(append.events.clone()).unwrap_or_default();
        let last = range.revision.map_or(0, |last| last.0);
        let revisions = last.saturating_sub(events.len() as u64 - 1)..;
        let positions = range.first.0..;
        for ((event, revision), position) in events.iter().zip(revisions).zip(positions) {
            let stream = event.stream_term.map(|term| (term, revision));
            let terms = staged.terms.get(event.terms.clone()).unwrap_or_default();
            let id_key = id_key(event.id);
            let entry = Entry { log: append.log, position: Position(position), id_key, stream, terms };
            self.appender.event(NewEvent { entry, record: staged.record(event) });
        }
        if let (Some(stream), Some(revision)) = (&append.stream, range.revision) {
            self.streams.set(append.log, &staged.tenant, stream, StreamState::At(revision));
        }
    }
}

/// Looks up when the durable marks expire; at the beginning of time none of them has yet.
fn expiries(shared: &Shared) -> Expiries {
    let beginning = Timestamp::from_micros(i64::MIN);
    Expiries::of(&shared.reader.marks(&TenantScope::All, "", beginning))
}

impl Ledger for Writer {
    fn identity(&self) -> LogIdentity {
        self.shared.reader.identity()
    }

    fn heads(&self) -> Heads {
        self.appender.written()
    }

    fn stream_state(
        &mut self,
        log: LogKind,
        tenant: &Tenant,
        stream: &StreamId,
    ) -> Result<StreamState, BackendError> {
        if let Some(state) = self.streams.get(log, tenant, stream) {
            return Ok(state);
        }
        let state = self.look_up_stream(log, tenant, stream).map_err(failed("look up"))?;
        self.streams.set(log, tenant, stream, state);
        Ok(state)
    }

    fn event_at(
        &mut self,
        tenant: &Tenant,
        stream: &StreamId,
        revision: Revision,
    ) -> Result<Option<RecordedEvent>, BackendError> {
        let log = LogKind::Application;
        let term = self.shared.reader.hasher().stream(log, tenant.as_str(), stream.as_str());
        let is_of_stream =
            |event: &RecordedEvent| tenant.is(event.tenant()) && event.stream() == Some(stream.as_str());
        let position = self.shared.reader.index().position_of(term, revision.0, Patience::Wait);
        if let Some(position) = position.map_err(failed("look up"))? {
            let event = self.appender.record(log, Position(position)).map_err(failed("look up"))?;
            let is_it = |event: &RecordedEvent| is_of_stream(event) && event.revision() == Some(revision);
            return Ok(event.filter(is_it));
        }
        // An index that is damaged, or has lost count of the revisions, still leads to the events.
        let (mut found, range) = (None, (1, self.appender.written().of(log).0));
        let plan = |planner: Planner<'_, Lists<'_>>| Some(planner.list(Key::Stream(term)));
        let visit = |event: RecordedEvent| {
            let goes_on = !is_of_stream(&event) || event.revision() > Some(revision);
            found = Some(event).filter(|event| is_of_stream(event) && event.revision() == Some(revision));
            goes_on
        };
        self.walk(range, log, plan, visit).map_err(failed("look up"))?;
        Ok(found)
    }

    fn removal(&self, tenant: &str, stream: &str) -> Removal {
        let removing = self.removing.find(tenant, stream);
        removing.or_else(|| self.shared.removals.read().find(tenant, stream)).unwrap_or_default()
    }

    fn find(&mut self, tenant: &Tenant, id: Uuid) -> Result<Option<RecordedEvent>, BackendError> {
        let mut places = Vec::new();
        let index = self.index();
        index.ids(id_key(id), Patience::Wait, &mut places).map_err(failed("look up an id"))?;
        for (log, position) in places {
            let event = self.appender.record(log, Position(position)).map_err(failed("look up an id"))?;
            if let Some(event) = event
                && event.id() == id
                && tenant.is(event.tenant())
            {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn find_match(
        &mut self,
        tenant: &Tenant,
        query: &Query,
        after: Position,
        now: Timestamp,
    ) -> Result<Option<Position>, BackendError> {
        // A condition on all events has no plan: it must not cost a tenant without any a look at the log.
        if !self.appender.knows_tenant(tenant) {
            return Ok(None);
        }
        let log = LogKind::Application;
        let mut range = (after.next().0, self.appender.written().of(log).0);
        if query.is_all() {
            // Of the events of others there may be any number.
            range.1 = range.1.min(self.newest.get(tenant).copied().unwrap_or(self.opened_at));
        }
        if self.surely_misses(tenant, query, log, range) {
            return Ok(None);
        }
        let scope = TenantScope::One(tenant.clone());
        let mut found = None;
        self.walk(
            range,
            log,
            |planner| planner.plan(&scope, query),
            |event| {
                found = self.sees(tenant, query, &event, now).then(|| event.position());
                found.is_none()
            },
        )
        .map_err(failed("look up"))?;
        Ok(found)
    }

    fn mark(&mut self, tenant: &Tenant, name: &MarkName) -> Result<Option<Mark>, BackendError> {
        Ok(self.appender.mark(tenant, name))
    }

    fn retired(&mut self, now: Timestamp) -> Result<u64, BackendError> {
        Ok(self.appender.retired().max(self.expiries.retired(now)))
    }

    fn put(&mut self, staged: &mut Staged, changes: Changes) -> Result<(), BackendError> {
        self.appender.begin();
        let appends = std::mem::take(&mut staged.appends);
        for (append, range) in appends.iter().zip(&changes.ranges) {
            self.put_events(staged, append, range);
            if append.log == LogKind::Application {
                // It stays too high if the group is taken back, which only costs a look.
                self.newest.insert(staged.tenant.clone(), range.last.0);
            }
        }
        staged.appends = appends;
        for (name, mark) in &changes.marks {
            if let Some(before) = self.appender.mark(&staged.tenant, name) {
                self.expiries.remove(&before);
            }
            if let Some(mark) = mark {
                self.expiries.add(mark);
            }
        }
        for (stream, removal) in changes.removals {
            self.removing.set(staged.tenant.as_str(), stream.as_str(), removal);
        }
        self.appender.end(&staged.tenant, changes.marks, changes.recorded_at);
        Ok(())
    }
}

impl CommitLog for Writer {
    fn heads(&self) -> Heads {
        self.appender.durable()
    }

    fn commit(&mut self, batches: &mut [Staged]) -> Vec<Verdict> {
        let verdicts = match self.judge(batches) {
            Ok(verdicts) => verdicts,
            Err(error) => {
                self.abandon();
                return refuse(batches, &error, EventStoreError::Backend);
            }
        };
        match self.appender.commit() {
            Ok(()) => verdicts,
            Err(error) => {
                self.abandon();
                match error {
                    CommitError::Refused(error) => {
                        refuse(batches, &failed("append")(error), EventStoreError::Backend)
                    }
                    CommitError::Indeterminate(error) => {
                        refuse(batches, &failed("append")(error), EventStoreError::Indeterminate)
                    }
                }
            }
        }
    }

    fn published(&mut self) {
        if !self.removing.is_empty() {
            self.shared.removals.write().take(&mut self.removing);
        }
    }

    fn answered(&mut self) {
        self.appender.publish();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.appender.close();
    }
}
