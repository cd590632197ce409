//! The projector: brings one generation of a read model forward, rows and checkpoint in one commit.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use futures_util::StreamExt;
use ledgerstone_core::{
    Body, CheckpointMove, Commit, Definition, DocumentKey, DocumentStore, DocumentStoreError, EventStore,
    LogPoint, Position, Projection, RecordedEvent, Selection, Tenant, TenantScope, Write,
};
use tokio::sync::Mutex;

use crate::fence::Fence;
use crate::orphans::{drop_orphans, stands_before_rows};
use crate::parked::{ParkedKey, ParkedKeys, parked_definition};
use crate::projector_fold::{Group, Plan, fold, plan};
use crate::read_models::error::ReadModelError;
use crate::read_models::options::ReadModelOptions;
use crate::read_models::progress::Progress;
use crate::subscription::Subscription;

/// Drives one projection into one generation.
#[derive(Debug, Clone)]
pub(crate) struct Projector {
    pub events: Arc<dyn EventStore>,
    pub documents: Arc<dyn DocumentStore>,
    pub projection: Arc<dyn Projection>,
    pub definition: Definition,
    pub tenants: TenantScope,
    pub options: ReadModelOptions,
}

/// How far to run, and who is told and asked on the way.
pub(crate) struct Run<'a> {
    /// Held around each batch, so that nothing else here changes the generation meanwhile.
    pub gate: &'a Mutex<Option<Fence>>,
    /// Where to stop, if not at the head.
    pub up_to: Option<Position>,
    /// Asked before each batch whether to go on.
    pub go_on: &'a (dyn Fn() -> bool + Send + Sync),
    /// Told after each batch where it stands.
    pub report: &'a (dyn Fn(LogPoint, Progress) + Send + Sync),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// It stands at the head, or where it was told to stop.
    Reached,
    /// It was asked to stop, or the generation is gone.
    Stopped,
}

/// What a batch begins from, and where it ends.
struct Step {
    from: Option<LogPoint>,
    to: LogPoint,
    /// What shows that the parked keys are as they were read; nothing if there were none.
    fence: Option<Fence>,
}

/// A batch ready to be committed.
struct Draft {
    /// The writes, each with the group that it came from.
    writes: Vec<(usize, Write)>,
    /// The rows of keys that are parked, or hold more than before.
    rows: Vec<ParkedKey>,
}

impl Projector {
    /// Projects what stands after the stored checkpoint, batch by batch.
    ///
    /// If another projector moves the checkpoint, it goes on from there.
    pub(crate) async fn run(&self, run: &Run<'_>) -> Result<RunEnd, ReadModelError> {
        let mut progress = Progress::default();
        loop {
            match self.run_once(run, &mut progress).await {
                Err(ReadModelError::Documents(DocumentStoreError::CheckpointMoved { .. })) => {
                    tracing::debug!(read_model = %self.definition.id.name, "another projector moved the checkpoint");
                }
                Err(ReadModelError::Documents(DocumentStoreError::UnknownCollection { .. })) => {
                    *run.gate.lock().await = None;
                    if !self.stands().await? {
                        return Ok(RunEnd::Stopped);
                    }
                    tracing::debug!(read_model = %self.definition.id.name, "parked keys were changed elsewhere");
                }
                other => return other,
            }
        }
    }

    /// Tells whether the generation and the collection of parked keys are there.
    async fn stands(&self) -> Result<bool, ReadModelError> {
        let collections = self.retried(|| self.documents.alter(Vec::new())).await?;
        let there = |id| collections.iter().any(|collection| collection.definition.id == id);
        Ok(there(self.definition.id.clone()) && there(parked_definition()?.id))
    }

    async fn run_once(&self, run: &Run<'_>, progress: &mut Progress) -> Result<RunEnd, ReadModelError> {
        let id = &self.definition.id;
        let mut from = self.retried(|| self.documents.checkpoint(id)).await?;
        let head = self.retried(|| self.events.head()).await?;
        let newest = head.heads.application;
        let mut selection = Selection::query(self.projection.query()).of(self.tenants.clone());
        Subscription::check_point(&*self.events, &head, from, &selection)?;
        let end = run.up_to.map_or(newest, |up_to| up_to.min(newest));
        if from.is_some_and(|from| from.position >= end) {
            return Ok(RunEnd::Reached);
        }
        if stands_before_rows(from) {
            // A reset elsewhere has emptied the generation and may not have come to its parked keys yet.
            let drop = || drop_orphans(&*self.documents, id, &self.tenants, head.log, from);
            from = self.retried(drop).await?;
        }
        selection = selection.after(from.map_or(Position::START, |from| from.position)).up_to(end);
        let mut parked = self.retried(|| ParkedKeys::load(&*self.documents, id, &self.tenants)).await?;
        let mut frames = self.events.read(selection);
        let mut pending = Pending::default();
        loop {
            let ended = pending.fill(&mut frames, &self.options).await?;
            let mut gate = run.gate.lock().await;
            if !(run.go_on)() {
                return Ok(RunEnd::Stopped);
            }
            let mut fence = None;
            if !parked.is_empty() {
                // Rows may have gone by a replay or a discard since the last batch.
                fence = Some(Fence::hold(&mut gate, &*self.documents, &*self.options.ids, id).await?);
                parked = self.retried(|| ParkedKeys::load(&*self.documents, id, &self.tenants)).await?;
            }
            let plan = pending.plan(&*self.projection, self.max_keys(), &self.options);
            let last = pending.events.get(plan.taken).is_none();
            let before = pending.events.get(plan.taken.saturating_sub(1)).map(RecordedEvent::position);
            // Behind the last event, everything up to the frame's end is settled too.
            let position =
                if last { if ended { end } else { pending.read_to } } else { before.unwrap_or(end) };
            let to = LogPoint { log: head.log, position };
            let step = Step { from, to, fence };
            let documents = self.settle(&mut pending, &plan, &step, &mut parked).await?;
            pending.events.drain(..plan.taken);
            progress.advance(position, newest, plan.taken, documents, parked.len());
            from = Some(to);
            (run.report)(to, *progress);
            drop(gate);
            // A store that never waits would let nobody else have the thread.
            tokio::task::yield_now().await;
            if ended && last {
                return Ok(RunEnd::Reached);
            }
        }
    }

    /// Returns how many documents one commit may change: each may need a row beside it, and all a fence.
    fn max_keys(&self) -> usize {
        (self.documents.capabilities().commit_writes.saturating_sub(1) / 2).max(1)
    }

    /// Applies a planned batch and commits it; returns how many documents were written.
    async fn settle(
        &self,
        pending: &mut Pending,
        plan: &Plan,
        step: &Step,
        parked: &mut ParkedKeys,
    ) -> Result<u64, ReadModelError> {
        let events: &[RecordedEvent] = pending.events.make_contiguous();
        let bodies = self.bodies(plan, parked).await?;
        let mut draft = self.draft(events, plan, bodies, parked).await;
        loop {
            let count = parked.len_with(&draft.rows);
            if count > self.options.max_parked {
                let name = self.definition.id.name.clone();
                let cause = draft.rows.last().map_or_else(String::new, |row| row.cause.clone());
                return Err(ReadModelError::TooManyParked {
                    name,
                    count,
                    limit: self.options.max_parked,
                    cause,
                });
            }
            let commit = self.commit(&draft, step)?;
            match self.retried(|| self.documents.commit(commit.clone())).await {
                Ok(()) => break,
                Err(error) => self.park_refused(events, plan, &mut draft, error)?,
            }
        }
        let written = draft.writes.len();
        parked.extend(draft.rows);
        Ok(u64::try_from(written).unwrap_or(u64::MAX))
    }

    /// Reads the documents that a plan concerns, but for those that are parked.
    async fn bodies(
        &self,
        plan: &Plan,
        parked: &ParkedKeys,
    ) -> Result<HashMap<(Tenant, DocumentKey), Body>, ReadModelError> {
        let mut wanted: HashMap<&Tenant, Vec<DocumentKey>> = HashMap::new();
        for group in &plan.groups {
            if parked.get(group.tenant.as_str(), group.key.as_str()).is_none() {
                wanted.entry(&group.tenant).or_default().push(group.key.clone());
            }
        }
        let collection = self.definition.id.clone().into();
        let mut bodies = HashMap::with_capacity(plan.groups.len());
        for (tenant, keys) in wanted {
            let found = self.retried(|| self.documents.get(&collection, tenant, &keys)).await?;
            for document in found.into_iter().flatten() {
                bodies.insert((tenant.clone(), document.key), document.body);
            }
        }
        Ok(bodies)
    }

    /// Applies the events, and notes which keys are parked by that.
    async fn draft(
        &self,
        events: &[RecordedEvent],
        plan: &Plan,
        mut bodies: HashMap<(Tenant, DocumentKey), Body>,
        parked: &ParkedKeys,
    ) -> Draft {
        let mut draft = Draft { writes: Vec::with_capacity(plan.groups.len()), rows: Vec::new() };
        let now = self.options.clock.now();
        for (at, cause) in &plan.keyless {
            if let Some(event) = events.get(*at) {
                draft.rows.push(ParkedKey::new(&self.definition.id, None, event, cause, now));
            }
        }
        for (index, group) in plan.groups.iter().enumerate() {
            // A large batch must not hold the thread that others wait for.
            if index % 64 == 63 {
                tokio::task::yield_now().await;
            }
            if let Some(row) = parked.get(group.tenant.as_str(), group.key.as_str()) {
                let mut row = row.clone();
                group.events.iter().filter_map(|at| events.get(*at)).for_each(|event| row.hold(event));
                draft.rows.push(row);
                continue;
            }
            let body = bodies.remove(&(group.tenant.clone(), group.key.clone()));
            let existed = body.is_some();
            let folded = fold(&*self.projection, events, group, body);
            let applied = folded.failed.as_ref().map_or(group.events.len(), |(place, _)| *place);
            if applied > 0 && (existed || folded.body.is_some()) {
                draft.writes.push((index, self.write(group, folded.body)));
            }
            if let Some((place, cause)) = folded.failed {
                draft.rows.extend(self.park(events, group, place, &cause));
            }
        }
        draft
    }

    fn write(&self, group: &Group, body: Option<Body>) -> Write {
        let collection = self.definition.id.clone();
        Write { collection, tenant: group.tenant.clone(), key: group.key.clone(), body }
    }

    /// Makes the row of a key that is parked at the event with this place in its group.
    fn park(&self, events: &[RecordedEvent], group: &Group, place: usize, cause: &str) -> Option<ParkedKey> {
        let mut held = group.events.get(place..)?.iter().filter_map(|at| events.get(*at));
        let first = held.next()?;
        let now = self.options.clock.now();
        let mut row = ParkedKey::new(&self.definition.id, Some(&group.key), first, cause, now);
        held.for_each(|event| row.hold(event));
        tracing::warn!(
            read_model = %row.model, key = row.key, position = %row.first, cause, "a key was parked"
        );
        Some(row)
    }

    /// Parks the document that the store refused, from its first event in the batch on, and with it all that
    /// it would refuse by the same rules, since each round encodes the whole commit again.
    fn park_refused(
        &self,
        events: &[RecordedEvent],
        plan: &Plan,
        draft: &mut Draft,
        error: DocumentStoreError,
    ) -> Result<(), ReadModelError> {
        let DocumentStoreError::InvalidDocument { collection, tenant, key, reason } = error else {
            return Err(error.into());
        };
        let told = |write: &Write| {
            write.collection.name == collection && write.tenant == tenant && write.key.as_str() == key
        };
        if !draft.writes.iter().any(|(_, write)| told(write)) {
            let message = format!("the store refuses document {key} of {collection}: {reason}");
            return Err(ReadModelError::Invalid(message));
        }
        let mut refused: BTreeMap<usize, String> = BTreeMap::new();
        for (index, write) in &draft.writes {
            let cause = if told(write) { Some(reason.clone()) } else { self.invalid(write) };
            refused.extend(cause.map(|cause| (*index, cause)));
        }
        draft.writes.retain(|(index, _)| !refused.contains_key(index));
        let groups = refused.iter().filter_map(|(index, cause)| Some((plan.groups.get(*index)?, cause)));
        let groups: Vec<_> = groups.collect();
        let keys: HashSet<_> =
            groups.iter().map(|(group, _)| (group.tenant.as_str(), group.key.as_str())).collect();
        draft.rows.retain(|row| row.whole_event || !keys.contains(&(row.tenant.as_str(), row.key.as_str())));
        draft.rows.extend(groups.iter().filter_map(|(group, cause)| self.park(events, group, 0, cause)));
        Ok(())
    }

    /// Returns why a store must refuse a document, as far as that can be told without asking it.
    fn invalid(&self, write: &Write) -> Option<String> {
        let capabilities = self.documents.capabilities();
        let body = write.body.as_ref()?;
        match self.definition.read(&write.tenant, &write.key, body, &capabilities) {
            Err(DocumentStoreError::InvalidDocument { reason, .. }) => Some(reason),
            _ => None,
        }
    }

    fn commit(&self, draft: &Draft, step: &Step) -> Result<Commit, ReadModelError> {
        let mut writes: Vec<Write> = draft.writes.iter().map(|(_, write)| write.clone()).collect();
        for row in &draft.rows {
            writes.push(row.put()?);
        }
        if let Some(fence) = &step.fence {
            writes.push(fence.write()?);
        }
        let collection = self.definition.id.clone();
        let checkpoint = CheckpointMove { collection, from: step.from, to: step.to };
        Ok(Commit { writes, checkpoint: Some(checkpoint) })
    }

    /// Calls a store again while it is worth it.
    pub(crate) async fn retried<T, E, F>(&self, call: impl FnMut() -> F + Send) -> Result<T, E>
    where
        E: ledgerstone_core::Retryable,
        F: Future<Output = Result<T, E>>,
    {
        self.options.retry.run(&*self.options.sleeper, random, call).await
    }
}

/// Draws a number for the jitter of retries; nothing else depends on it.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Events that were read and not settled yet.
#[derive(Debug, Default)]
struct Pending {
    events: VecDeque<RecordedEvent>,
    read_to: Position,
}

impl Pending {
    /// Reads until there is a batch, or until the selection ends; then it answers true.
    async fn fill(
        &mut self,
        frames: &mut ledgerstone_core::Frames,
        options: &ReadModelOptions,
    ) -> Result<bool, ReadModelError> {
        let mut bytes: usize = self.events.iter().map(|event| event.as_bytes().len()).sum();
        while self.events.len() < options.batch_events && bytes < options.batch_bytes {
            let Some(frame) = frames.next().await.transpose()? else { return Ok(true) };
            bytes += frame.events.iter().map(|event| event.as_bytes().len()).sum::<usize>();
            self.read_to = self.read_to.max(frame.read_to);
            self.events.extend(frame.events);
        }
        Ok(false)
    }

    fn plan(&mut self, projection: &dyn Projection, max_keys: usize, options: &ReadModelOptions) -> Plan {
        let events: &[RecordedEvent] = self.events.make_contiguous();
        let batch = events.get(..options.batch_events).unwrap_or(events);
        plan(projection, batch, max_keys)
    }
}
