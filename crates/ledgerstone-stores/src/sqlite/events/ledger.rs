//! What a judgement asks of the file, answered from memory where it can be.

use ledgerstone_core::{
    AppendedRange, BackendError, Heads, LogIdentity, LogKind, Mark, MarkName, Position, Query, RecordedEvent,
    Removal, Revision, StreamId, StreamState, Tenant, TenantScope, Timestamp,
};
use rusqlite::params;
use uuid::Uuid;

use crate::cursor::is_removed;
use crate::decide::{Changes, Ledger, condition_sees};
use crate::plan::{BRIEFLY, Effort, Key, Planner, Source, Walk};
use crate::sqlite::events::checksum::checksum;
use crate::sqlite::events::id_index::id_key;
use crate::sqlite::events::lists::{List, Lists, horizon};
use crate::sqlite::events::marks;
use crate::sqlite::events::reading::position_of;
use crate::sqlite::events::records::{as_sql, damaged, table};
use crate::sqlite::events::tail::Entry;
use crate::sqlite::events::writer::Writer;
use crate::sqlite::failure::failed;
use crate::staged::{Staged, StagedAppend};

pub(crate) const PUT_TENANT: &str = "INSERT OR IGNORE INTO tenants (name) VALUES (?1)";

impl Ledger for Writer {
    fn identity(&self) -> LogIdentity {
        self.shared.identity
    }

    fn heads(&self) -> Heads {
        self.written
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
        let state = self.look_up_stream(log, tenant, stream)?;
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
        let term = self.shared.hasher.stream(log, tenant.as_str(), stream.as_str());
        let Some(position) = position_of(&self.shared, &self.connection, log, term, revision.0)? else {
            return Ok(None);
        };
        let event = self.record(log, position)?;
        let is_it = tenant.is(event.tenant())
            && event.stream() == Some(stream.as_str())
            && event.revision() == Some(revision);
        Ok(is_it.then_some(event))
    }

    fn removal(&self, tenant: &str, stream: &str) -> Removal {
        let removing = self.removing.find(tenant, stream);
        removing.or_else(|| self.shared.removals.read().find(tenant, stream)).unwrap_or_default()
    }

    fn find(&mut self, tenant: &Tenant, id: Uuid) -> Result<Option<RecordedEvent>, BackendError> {
        let key = id_key(id);
        let mut places: Vec<(LogKind, u64)> = Vec::new();
        for log in [LogKind::Application, LogKind::System] {
            let tail = self.shared.tail(log).read();
            places.extend(tail.by_id(key).map(|position| (log, position)));
        }
        self.ids.find(&self.connection, key, &mut places)?;
        for (log, position) in places {
            let event = self.record(log, position)?;
            if event.id() == id && tenant.is(event.tenant()) {
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
        if !self.shared.tenants.read().contains(tenant) {
            return Ok(None);
        }
        let log = LogKind::Application;
        let walk = Walk { low: after.next().0, high: self.written.of(log).0, forwards: false };
        let scope = TenantScope::One(tenant.clone());
        let mut found = None;
        let planned = self.walk(
            log,
            walk,
            |planner| planner.plan(&scope, query),
            |event| {
                found = self.sees(tenant, query, &event, now).then(|| event.position());
                found.is_none()
            },
        )?;
        if !planned {
            table(log).each_after(&self.connection, after.0, |_, event| {
                found = self.sees(tenant, query, &event, now).then(|| event.position());
                found.is_none()
            })?;
        }
        Ok(found)
    }

    fn mark(&mut self, tenant: &Tenant, name: &MarkName) -> Result<Option<Mark>, BackendError> {
        marks::get(&self.connection, tenant, name)
    }

    fn retired(&mut self, now: Timestamp) -> Result<u64, BackendError> {
        self.retired.until(&self.connection, now)
    }

    fn put(&mut self, staged: &mut Staged, changes: Changes) -> Result<(), BackendError> {
        self.wrote = true;
        if !staged.events.is_empty() {
            self.put_tenant(&staged.tenant)?;
        }
        for (append, range) in staged.appends.iter().zip(&changes.ranges) {
            self.put_events(staged, append, range)?;
        }
        for (stream, removal) in changes.removals {
            self.removing.set(staged.tenant.as_str(), stream.as_str(), removal);
        }
        marks::put(&self.connection, &staged.tenant, &changes.marks, changes.recorded_at)?;
        changes.marks.iter().filter_map(|(_, mark)| mark.as_ref()).for_each(|mark| self.retired.note(mark));
        self.written = changes.heads;
        if !staged.events.is_empty() {
            self.recorded_at = changes.recorded_at;
        }
        Ok(())
    }
}

impl Writer {
    /// Finds where a stream stands by its newest event.
    pub(super) fn look_up_stream(
        &self,
        log: LogKind,
        tenant: &Tenant,
        stream: &StreamId,
    ) -> Result<StreamState, BackendError> {
        let term = self.shared.hasher.stream(log, tenant.as_str(), stream.as_str());
        let walk = Walk { low: 1, high: self.written.of(log).0, forwards: false };
        let mut state = StreamState::Missing;
        self.walk(
            log,
            walk,
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

    /// Visits the events that a plan names until told to stop; tells whether there was a plan.
    fn walk(
        &self,
        log: LogKind,
        mut walk: Walk,
        plan: impl Fn(Planner<'_, Lists<'_>>) -> Option<Source<List>>,
        mut visit: impl FnMut(RecordedEvent) -> bool,
    ) -> Result<bool, BackendError> {
        let mut looked = 0;
        while walk.low <= walk.high {
            let effort = if looked < BRIEFLY { Effort::Brief } else { Effort::Thorough };
            let source = {
                let tail = self.shared.tail(log).read();
                let lists = Lists { tail: &tail, walk };
                plan(Planner { hasher: self.shared.hasher, log, tenants: &[], index: lists, effort })
            };
            let Some(mut source) = source else { return Ok(false) };
            let end = walk.last().min(horizon(&source));
            let (mut key, mut passed) = (walk.first(), end);
            while let Some(next) = source.seek(&self.connection, key)?.filter(|next| *next <= end) {
                if !visit(self.record(log, walk.position(next))?) {
                    return Ok(true);
                }
                key = next + 1;
                looked += 1;
                if looked == BRIEFLY {
                    passed = next;
                    break;
                }
            }
            if passed == walk.last() {
                break;
            }
            // The tail has more than the plan took along, or the plan was brief: plan what is left.
            walk.high = walk.position(passed) - 1;
        }
        Ok(true)
    }

    fn record(&self, log: LogKind, position: u64) -> Result<RecordedEvent, BackendError> {
        let record = table(log).record(&self.connection, position)?;
        record.ok_or_else(|| damaged(position, "it is not there"))
    }

    fn sees(&self, tenant: &Tenant, query: &Query, event: &RecordedEvent, now: Timestamp) -> bool {
        let removal = event.stream().map(|stream| self.removal(event.tenant(), stream)).unwrap_or_default();
        tenant.is(event.tenant()) && condition_sees(query, event, is_removed(event, removal, now))
    }

    fn put_tenant(&self, tenant: &Tenant) -> Result<(), BackendError> {
        if self.shared.tenants.read().contains(tenant) {
            return Ok(());
        }
        let mut put = self.connection.prepare_cached(PUT_TENANT).map_err(failed("append"))?;
        put.execute([tenant.as_str()]).map_err(failed("append"))?;
        // Knowing of a tenant without events harms nobody, should the transaction fail.
        self.shared.tenants.write().push(tenant.clone());
        Ok(())
    }

    fn put_events(
        &mut self,
        staged: &Staged,
        append: &StagedAppend,
        range: &AppendedRange,
    ) -> Result<(), BackendError> {
        let events = staged.events.get(append.events.clone()).unwrap_or_default();
        let mut put = self.connection.prepare_cached(table(append.log).insert).map_err(failed("append"))?;
        for (event, position) in events.iter().zip(range.first.0..) {
            let (record, data) = staged.parts(event);
            let row = params![as_sql(position), checksum(record, data), record, data];
            put.execute(row).map_err(failed("append"))?;
        }
        let mut tail = self.shared.tail(append.log).write();
        let last = range.revision.map_or(0, |last| last.0);
        let revisions = last.saturating_sub(events.len() as u64 - 1)..;
        for ((event, position), revision) in events.iter().zip(range.first.0..).zip(revisions) {
            tail.add(Entry {
                position,
                id_key: id_key(event.id),
                stream: event.stream_term.map(|term| (term, revision)),
                terms: staged.terms.get(event.terms.clone()).unwrap_or_default(),
            });
        }
        if let (Some(stream), Some(revision)) = (&append.stream, range.revision) {
            self.streams.set(append.log, &staged.tenant, stream, StreamState::At(revision));
        }
        Ok(())
    }
}
