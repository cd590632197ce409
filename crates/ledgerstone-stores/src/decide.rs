//! The judgement over a batch, written once: guards, conditions, marks, idempotence, removal.

use ledgerstone_core::{
    AppendCondition, Appended, AppendedRange, BackendError, EventStoreError, ExpectedRevision, Heads,
    LogIdentity, LogKind, Mark, MarkName, Position, Query, QueryItem, RecordedEvent, Refusal, Removal,
    Revision, Stamp, StreamId, StreamState, Tag, Tenant, Timestamp,
};
use uuid::Uuid;

use crate::judge_removals::judge_removals;
use crate::staged::{Staged, StagedAppend};

/// The answer to one batch.
pub type Verdict = Result<Appended, EventStoreError>;

/// What a judgement asks of a store, which answers with what was put before, durable or not.
pub(crate) trait Ledger {
    /// Returns which log this is.
    fn identity(&self) -> LogIdentity;
    /// Returns the newest positions.
    fn heads(&self) -> Heads;
    /// Returns where a stream stands in one count.
    fn stream_state(
        &mut self,
        log: LogKind,
        tenant: &Tenant,
        stream: &StreamId,
    ) -> Result<StreamState, BackendError>;
    /// Finds the application event at a revision of a stream, removed or not; nothing if it is not known.
    fn event_at(
        &mut self,
        tenant: &Tenant,
        stream: &StreamId,
        revision: Revision,
    ) -> Result<Option<RecordedEvent>, BackendError>;
    /// Returns what is removed of a stream.
    fn removal(&self, tenant: &str, stream: &str) -> Removal;
    /// Finds an event of the tenant by its id. Most ids are new: that must cost next to nothing.
    fn find(&mut self, tenant: &Tenant, id: Uuid) -> Result<Option<RecordedEvent>, BackendError>;
    /// Finds the newest application event of the tenant that a condition sees at `now` after a position.
    fn find_match(
        &mut self,
        tenant: &Tenant,
        query: &Query,
        after: Position,
        now: Timestamp,
    ) -> Result<Option<Position>, BackendError>;
    /// Returns a mark, expired or not.
    fn mark(&mut self, tenant: &Tenant, name: &MarkName) -> Result<Option<Mark>, BackendError>;
    /// Returns the highest version of any mark that went away, by itself until `now` or otherwise.
    fn retired(&mut self, now: Timestamp) -> Result<u64, BackendError>;
    /// Takes the events, which are stamped, and the changes beside them.
    fn put(&mut self, staged: &mut Staged, changes: Changes) -> Result<(), BackendError>;
}

/// What a batch changes beside its events.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// When.
    pub(crate) recorded_at: Timestamp,
    /// The heads afterwards.
    pub(crate) heads: Heads,
    /// Where the events of each append stand.
    pub(crate) ranges: Vec<AppendedRange>,
    /// The marks afterwards; nothing means absent.
    pub(crate) marks: Vec<(MarkName, Option<Mark>)>,
    /// What is removed of streams afterwards.
    pub(crate) removals: Vec<(StreamId, Removal)>,
}

/// Judges a batch, and puts it into the ledger if nothing speaks against it.
///
/// Ids are looked up first, through the whole log. A guard would notice a repetition by itself (that is
/// what a store may build on that cannot look ids up so cheaply), but not an id that stands elsewhere.
/// What fails while the batch is judged is its own verdict, since nothing was put yet. An error means that
/// the ledger failed to take it, and that nothing is known about what it holds now.
pub(crate) fn decide<L: Ledger>(
    ledger: &mut L,
    staged: &mut Staged,
    now: Timestamp,
) -> Result<Verdict, BackendError> {
    let judged = match recorded_before(ledger, staged) {
        Ok(Some(appended)) => return Ok(Ok(appended)),
        Ok(None) => judge(ledger, staged, now),
        Err(error) => Err(error),
    };
    match judged {
        Ok(accepted) => Ok(Ok(record(ledger, staged, accepted)?)),
        Err(error) => Ok(Err(error)),
    }
}

/// Tells whether a condition sees an event: one that was removed only by a tag that holds or releases a value.
pub(crate) fn condition_sees(query: &Query, event: &RecordedEvent, removed: bool) -> bool {
    if !removed {
        return query.matches(event);
    }
    let holds = |item: &QueryItem| item.tags.iter().any(Tag::outlives_removal) && item.matches(event);
    query.items().iter().any(holds)
}

/// A batch that may be recorded: the states of its streams, and what changes.
struct Accepted {
    states: Vec<StreamState>,
    changes: Changes,
}

fn judge<L: Ledger>(ledger: &mut L, staged: &Staged, now: Timestamp) -> Result<Accepted, EventStoreError> {
    let mut states = Vec::with_capacity(staged.appends.len());
    for append in &staged.appends {
        let Some(stream) = &append.stream else {
            states.push(StreamState::Missing);
            continue;
        };
        let removal = ledger.removal(staged.tenant.as_str(), stream.as_str());
        let state = proven(append.log, ledger.stream_state(append.log, &staged.tenant, stream)?, removal);
        if let Some(refusal) = judge_stream(ledger, &staged.tenant, append, stream, state) {
            return Err(refusal.into());
        }
        states.push(state);
    }
    if let Some(condition) = &staged.condition {
        judge_condition(ledger, &staged.tenant, condition, now)?;
    }
    let mut changes = Changes { recorded_at: now, ..Changes::default() };
    for change in &staged.marks {
        let current = ledger.mark(&staged.tenant, change.name())?;
        let retired = ledger.retired(now)?;
        let applied = change.apply(&staged.tenant, now, current.as_ref(), retired);
        let (expired, current) = current.map_or((false, None), |mark| match mark.is_expired(now) {
            true => (true, None),
            false => (false, Some(mark)),
        });
        let Ok(after) = applied else {
            let (version, number) = current.map_or((0, 0), |mark| (mark.version, mark.number));
            return Err(Refusal::MarkNotMet { name: change.name().clone(), version, number }.into());
        };
        if expired && after.is_some() {
            // Else its version would be known no more once another has its name.
            changes.marks.push((change.name().clone(), None));
        }
        changes.marks.push((change.name().clone(), after));
    }
    changes.removals = judge_removals(ledger, staged, &states, now)?;
    Ok(Accepted { states, changes })
}

/// Returns where a stream stands, by its events and by what its truncation proves to have been there: a
/// restored log may hold no event of it any more, and revisions never go back.
pub(crate) fn proven(log: LogKind, state: StreamState, removal: Removal) -> StreamState {
    let Some(removed) = removal.before.0.checked_sub(1) else { return state };
    if log == LogKind::System || state.next_revision().0 > removed {
        return state;
    }
    StreamState::At(Revision(removed))
}

fn judge_stream<L: Ledger>(
    ledger: &L,
    tenant: &Tenant,
    append: &StagedAppend,
    stream: &StreamId,
    state: StreamState,
) -> Option<Refusal> {
    if append.log == LogKind::Application && ledger.removal(tenant.as_str(), stream.as_str()).tombstoned {
        return Some(Refusal::Tombstoned { stream: stream.clone() });
    }
    let expected: ExpectedRevision = append.expected;
    (!expected.holds(state)).then(|| Refusal::WrongRevision {
        stream: stream.clone(),
        expected,
        actual: state,
    })
}

fn judge_condition<L: Ledger>(
    ledger: &mut L,
    tenant: &Tenant,
    condition: &AppendCondition,
    now: Timestamp,
) -> Result<(), EventStoreError> {
    let (position, head) = (condition.after, ledger.heads().application);
    if position > head {
        return Err(Refusal::BeyondHead { position, head }.into());
    }
    let query = &condition.fail_if_match;
    let holds = |item: &QueryItem| item.tags.iter().any(Tag::is_unique);
    if !query.items().iter().any(holds) {
        return fail_if_found(ledger.find_match(tenant, query, position, now)?);
    }
    let (holding, other): (Vec<_>, Vec<_>) = query.items().iter().cloned().partition(holds);
    for item in holding {
        let mut after = position;
        for release in item.tags.iter().filter_map(Tag::release) {
            let released = ledger.find_match(tenant, &QueryItem::tags([release]).into(), after, now)?;
            after = after.max(released.unwrap_or(after));
        }
        fail_if_found(ledger.find_match(tenant, &item.into(), after, now)?)?;
    }
    if other.is_empty() {
        return Ok(());
    }
    fail_if_found(ledger.find_match(tenant, &Query::any_of(other), position, now)?)
}

fn fail_if_found(found: Option<Position>) -> Result<(), EventStoreError> {
    found.map_or(Ok(()), |position| Err(Refusal::ConditionFailed { position }.into()))
}

fn record<L: Ledger>(
    ledger: &mut L,
    staged: &mut Staged,
    accepted: Accepted,
) -> Result<Appended, BackendError> {
    let Accepted { states, mut changes } = accepted;
    let mut heads = ledger.heads();
    let mut last = Heads::default();
    let mut ranges = Vec::with_capacity(staged.appends.len());
    let Staged { appends, events, records, .. } = &mut *staged;
    for (append, state) in appends.iter().zip(states) {
        let first = heads.of(append.log).next();
        let mut position = first;
        let mut revision = state.next_revision();
        let mut newest = AppendedRange { first, last: first, revision: None };
        for event in events.get(append.events.clone()).unwrap_or_default() {
            event.stamp(records, Stamp { position, revision, recorded_at: changes.recorded_at });
            newest.last = position;
            newest.revision = append.stream.as_ref().map(|_| revision);
            position = position.next();
            revision = revision.next();
        }
        heads.set(append.log, newest.last);
        last.set(append.log, newest.last);
        ranges.push(newest);
    }
    changes.heads = heads;
    changes.ranges.clone_from(&ranges);
    let recorded_at = changes.recorded_at;
    ledger.put(staged, changes)?;
    Ok(Appended { log: ledger.identity(), last, ranges, recorded_at, repeated: false })
}

/// Looks the ids of a batch up: the first answer again if it was recorded as it is, a refusal if an id
/// belongs to something else, nothing if no id is known.
fn recorded_before<L: Ledger>(ledger: &mut L, staged: &Staged) -> Result<Option<Appended>, EventStoreError> {
    let mut recorded = Vec::new();
    let mut known = None;
    for (at, event) in staged.events.iter().enumerate() {
        let id = event.id;
        if let Some(event) = ledger.find(&staged.tenant, id)? {
            known = known.or(Some(id));
            recorded.push(event);
        }
        // One id is known and another is not: looking further would not change the answer.
        if known.is_some() && recorded.len() <= at {
            break;
        }
    }
    let Some(known) = known else { return Ok(None) };
    match first_answer(ledger.identity(), staged, &recorded) {
        Some(appended) => Ok(Some(appended)),
        None => Err(Refusal::IdReused { id: known }.into()),
    }
}

/// Returns the answer that the recorded events were given, if they are this batch and no other.
fn first_answer(log: LogIdentity, staged: &Staged, recorded: &[RecordedEvent]) -> Option<Appended> {
    let mut last = Heads::default();
    let mut ranges = Vec::with_capacity(staged.appends.len());
    for append in &staged.appends {
        let events = recorded.get(append.events.clone())?;
        let mut first = None;
        for event in events {
            let place = (event.log(), event.stream());
            if place != (append.log, append.stream.as_ref().map(StreamId::as_str)) {
                return None;
            }
            let before = last.of(append.log);
            let begins = before == Position::START;
            let follows = begins || event.position() == before.next();
            if event.is_batch_first() != begins || !follows {
                return None;
            }
            first = first.or(Some(event.position()));
            last.set(append.log, event.position());
        }
        let newest = events.last()?;
        ranges.push(AppendedRange { first: first?, last: newest.position(), revision: newest.revision() });
    }
    let ends =
        |log| recorded.iter().rfind(|event| event.log() == log).is_none_or(RecordedEvent::is_batch_last);
    if !ends(LogKind::Application) || !ends(LogKind::System) {
        return None;
    }
    let recorded_at = recorded.first()?.recorded_at();
    Some(Appended { log, last, ranges, recorded_at, repeated: true })
}
