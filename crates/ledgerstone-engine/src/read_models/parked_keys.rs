//! What people do with parked keys: look at them, replay them, give them up.

use std::sync::Arc;

use futures_util::StreamExt;
use ledgerstone_core::{
    Body, CheckpointMove, CollectionId, CollectionName, Commit, DocumentKey, DocumentStoreError, InvalidName,
    LogPoint, Position, RecordedEvent, Selection, Tenant, TenantScope, Write,
};
use serde::Serialize;

use crate::fence::Fence;
use crate::parked::{self, ParkedKey};
use crate::projector_fold::guarded;
use crate::read_models::declarations;
use crate::read_models::error::ReadModelError;
use crate::read_models::handle::{Inner, ReadModels};
use crate::read_models::model::{Lane, Model, Side};

/// Which parked keys are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParkedSelection {
    /// All of the read model's.
    All,
    /// The one with this key, of this tenant.
    Key(Tenant, String),
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReplayReport {
    /// How many keys are no longer parked.
    pub replayed: u64,
    /// How many events were applied for them.
    pub events: u64,
    /// The keys that failed again, each with its new cause.
    pub failed: Vec<ParkedKey>,
}

#[derive(Serialize)]
struct Discarded<'a> {
    #[serde(flatten)]
    parked: &'a ParkedKey,
    reason: &'a str,
}

impl ReadModels {
    /// Lists the parked keys of a read model's live generation, by position.
    pub async fn parked(&self, name: &CollectionName) -> Result<Vec<ParkedKey>, ReadModelError> {
        let model = self.inner.require(name)?;
        self.inner.parked_of(&model, &ParkedSelection::All).await
    }

    /// Applies the held events of parked keys again; what succeeds is no longer parked.
    ///
    /// For each key the log is read from its first held event to the checkpoint, and all of it is applied
    /// in one commit or none of it. Events that are parked whole go first: where one concerns a key that
    /// was parked before it, the key holds it from then on, so that its events keep their order.
    /// The commit is refused, and the key read again, if anybody else replayed, discarded or fed meanwhile,
    /// in this process or in another one.
    pub async fn replay_parked(
        &self,
        name: &CollectionName,
        which: &ParkedSelection,
    ) -> Result<ReplayReport, ReadModelError> {
        let model = self.inner.require(name)?;
        if model.lane(Side::Live).is_none() {
            let message = format!("the rules of the live generation of {name} are not known here");
            return Err(ReadModelError::Invalid(message));
        }
        let mut report = ReplayReport::default();
        let mut rows = self.inner.parked_of(&model, which).await?;
        rows.sort_by_key(|row| !row.whole_event);
        for row in rows {
            self.inner.replay_one(&model, row, &mut report).await?;
        }
        model.clear_trouble();
        Ok(report)
    }

    /// Gives parked keys up: their held events stay unapplied, their documents as they are, and later
    /// events are applied to them again.
    ///
    /// Each is recorded as a system event with the reason, just before it is given up, and once: if it fails
    /// in between, the key is still parked, and giving it up again records nothing more.
    pub async fn discard_parked(
        &self,
        name: &CollectionName,
        which: &ParkedSelection,
        reason: &str,
    ) -> Result<u64, ReadModelError> {
        if reason.trim().is_empty() {
            return Err(ReadModelError::Invalid("a reason is needed to discard parked keys".to_owned()));
        }
        let model = self.inner.require(name)?;
        let inner = &self.inner;
        let mut discarded = 0;
        for row in inner.parked_of(&model, which).await? {
            discarded += u64::from(inner.discard_one(&model, &row, reason).await?);
        }
        model.clear_trouble();
        Ok(discarded)
    }
}

impl Inner {
    async fn parked_of(
        &self,
        model: &Arc<Model>,
        which: &ParkedSelection,
    ) -> Result<Vec<ParkedKey>, ReadModelError> {
        let live = model.live_id();
        let rows = parked::list(&*self.documents, &live, &self.tenants).await?;
        let ParkedSelection::Key(tenant, key) = which else { return Ok(rows) };
        let found = rows.into_iter().filter(|row| row.tenant == tenant.as_str() && row.key == *key);
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            let message = format!("read model {} has no parked key {key:?}; list them first", live.name);
            return Err(ReadModelError::Invalid(message));
        }
        Ok(found)
    }

    async fn replay_one(
        &self,
        model: &Arc<Model>,
        row: ParkedKey,
        report: &mut ReplayReport,
    ) -> Result<(), ReadModelError> {
        let mut gate = model.gate.lock().await;
        // Behind the gate the rules are those that go on feeding; the rows of another generation went with it.
        let lane = model.lane(Side::Live).filter(|lane| lane.definition.id.definition == row.definition);
        let Some(lane) = lane else { return Ok(()) };
        let id = &lane.definition.id;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let fence = Fence::hold(&mut gate, &*self.documents, &*self.options.ids, id).await?;
            // Somebody else may have replayed or discarded it meanwhile, or it holds more.
            let Some(row) = row.fresh(&*self.documents).await? else { return Ok(()) };
            let Some(stands) = self.documents.checkpoint(id).await? else { return Ok(()) };
            let replay = Replay { inner: self, lane: &lane, row: &row, stands };
            let applied = match replay.apply().await? {
                Ok((mut writes, events)) => {
                    writes.push(row.removal()?);
                    match self.commit_behind(&fence, id, stands, writes).await {
                        Err(DocumentStoreError::InvalidDocument { reason, .. }) => Err(reason),
                        committed => Ok((committed, events)),
                    }
                }
                Err(cause) => Err(cause),
            };
            let committed = match applied {
                Ok((committed, events)) => committed.map(|()| {
                    report.replayed += 1;
                    report.events += events;
                }),
                Err(cause) => {
                    let failed = ParkedKey { cause, ..row };
                    let put = vec![failed.put()?];
                    self.commit_behind(&fence, id, stands, put).await.map(|()| report.failed.push(failed))
                }
            };
            match committed {
                Ok(()) => return Ok(()),
                Err(error) if overtaken(&error) && attempts < ATTEMPTS => *gate = None,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn discard_one(
        &self,
        model: &Arc<Model>,
        row: &ParkedKey,
        reason: &str,
    ) -> Result<bool, ReadModelError> {
        let mut gate = model.gate.lock().await;
        let id = model.live_id();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let fence = Fence::hold(&mut gate, &*self.documents, &*self.options.ids, &id).await?;
            let Some(mut row) = row.fresh(&*self.documents).await? else { return Ok(false) };
            let Some(stands) = self.documents.checkpoint(&id).await? else { return Ok(false) };
            // The event goes first, since the row can be found again and the reason could not.
            let what = Discarded { parked: &row, reason };
            declarations::discarded(&*self.events, row.discard_id()?, &what).await?;
            let write = if row.whole_event {
                row.give_up();
                row.put()?
            } else {
                row.removal()?
            };
            match self.commit_behind(&fence, &id, stands, vec![write]).await {
                Ok(()) => return Ok(true),
                Err(error) if overtaken(&error) && attempts < ATTEMPTS => *gate = None,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Commits, unless the checkpoint moved or somebody else took the fence.
    async fn commit_behind(
        &self,
        fence: &Fence,
        id: &CollectionId,
        stands: LogPoint,
        mut writes: Vec<Write>,
    ) -> Result<(), DocumentStoreError> {
        let invalid = |error: InvalidName| DocumentStoreError::InvalidSelect(error.to_string());
        writes.push(fence.write().map_err(invalid)?);
        let checkpoint = CheckpointMove { collection: id.clone(), from: Some(stands), to: stands };
        self.documents.commit(Commit { writes, checkpoint: Some(checkpoint) }).await
    }
}

/// How often a replay or a discard begins again because somebody else came first.
const ATTEMPTS: u32 = 16;

/// Tells whether somebody else changed what the commit began from.
fn overtaken(error: &DocumentStoreError) -> bool {
    use DocumentStoreError::{CheckpointMoved, UnknownCollection};
    matches!(error, CheckpointMoved { .. } | UnknownCollection { .. })
}

/// The held events of one key, about to be applied again.
struct Replay<'a> {
    inner: &'a Inner,
    lane: &'a Lane,
    row: &'a ParkedKey,
    stands: LogPoint,
}

/// What a replay is about to store.
#[derive(Default)]
struct Applied {
    bodies: Vec<(DocumentKey, Option<Body>)>,
    /// The rows of keys that hold a whole event from now on.
    rows: Vec<ParkedKey>,
    events: u64,
}

impl Replay<'_> {
    /// Applies them; the inner error is the cause why the key stays parked.
    async fn apply(&self) -> Result<Result<(Vec<Write>, u64), String>, ReadModelError> {
        let tenant = Tenant::new(&self.row.tenant)?;
        let last = if self.row.whole_event { self.row.first } else { self.stands.position };
        let selection = Selection::query(self.lane.projection.query()).of(TenantScope::One(tenant.clone()));
        let selection = selection.after(Position(self.row.first.0.saturating_sub(1))).up_to(last);
        let mut frames = self.inner.events.read(selection);
        let mut applied = Applied::default();
        if !self.row.whole_event {
            let key = DocumentKey::new(&self.row.key)?;
            let body = self.body(&tenant, &key).await?;
            applied.bodies.push((key, body));
        }
        while let Some(frame) = frames.next().await.transpose()? {
            let outcome = if self.row.whole_event {
                self.apply_whole(&frame.events, &tenant, &mut applied).await?
            } else {
                self.apply_to_key(&frame.events, &tenant, &mut applied).await?
            };
            if let Err(cause) = outcome {
                return Ok(Err(cause));
            }
        }
        let collection = &self.lane.definition.id;
        let writes = applied.bodies.into_iter().map(|(key, body)| Write {
            collection: collection.clone(),
            tenant: tenant.clone(),
            key,
            body,
        });
        let mut writes: Vec<_> = writes.collect();
        for row in &applied.rows {
            writes.push(row.put()?);
        }
        Ok(Ok((writes, applied.events)))
    }

    /// Applies those of the events to the row's document that concern it and are not parked whole.
    async fn apply_to_key(
        &self,
        events: &[RecordedEvent],
        tenant: &Tenant,
        applied: &mut Applied,
    ) -> Result<Result<(), String>, ReadModelError> {
        let projection = &*self.lane.projection;
        let Some((key, body)) = applied.bodies.first_mut() else { return Ok(Ok(())) };
        // An event whose keys are not known has a row of its own.
        let concerns =
            |event: &&RecordedEvent| guarded(|| projection.keys(event)).is_ok_and(|keys| keys.contains(key));
        let events: Vec<_> = events.iter().filter(concerns).collect();
        let positions: Vec<_> = events.iter().map(|event| event.position()).collect();
        let id = &self.lane.definition.id;
        let whole = parked::whole_among(&*self.inner.documents, id, tenant, &positions).await?;
        for event in events {
            if whole.iter().any(|row| row.first == event.position()) {
                continue;
            }
            let current = body.take();
            match guarded(|| projection.project(event, key, current)) {
                Ok(next) => *body = next,
                Err(cause) => return Ok(Err(cause)),
            }
            applied.events += 1;
        }
        Ok(Ok(()))
    }

    /// Applies an event that is parked whole to all its documents, but for those that stand before it:
    /// their rows hold it from now on.
    async fn apply_whole(
        &self,
        events: &[RecordedEvent],
        tenant: &Tenant,
        applied: &mut Applied,
    ) -> Result<Result<(), String>, ReadModelError> {
        let projection = &*self.lane.projection;
        let id = &self.lane.definition.id;
        for event in events {
            let mut keys = match guarded(|| projection.keys(event)) {
                Ok(keys) => keys,
                Err(cause) => return Ok(Err(cause)),
            };
            keys.sort_unstable();
            keys.dedup();
            let parked = parked::parked_among(&*self.inner.documents, id, tenant, &keys).await?;
            let before = |row: &ParkedKey| row.first < event.position();
            keys.retain(|key| !parked.iter().any(|row| before(row) && row.key == key.as_str()));
            for mut row in parked.into_iter().filter(before) {
                row.hold(event);
                applied.rows.push(row);
            }
            applied.events += u64::from(!keys.is_empty());
            for key in keys {
                let current = self.body(tenant, &key).await?;
                match guarded(|| projection.project(event, &key, current)) {
                    Ok(next) => applied.bodies.push((key, next)),
                    Err(cause) => return Ok(Err(cause)),
                }
            }
        }
        Ok(Ok(()))
    }

    async fn body(&self, tenant: &Tenant, key: &DocumentKey) -> Result<Option<Body>, ReadModelError> {
        let collection = self.lane.definition.id.clone().into();
        let found = self.inner.documents.get(&collection, tenant, std::slice::from_ref(key)).await?;
        Ok(found.into_iter().flatten().next().map(|document| document.body))
    }
}
