//! Feeds the live generation, fills the other beside it, and swaps them at an equal position.

use std::sync::Arc;

use ledgerstone_core::{Alteration, CollectionName, DocumentStoreError, LogPoint};
use parking_lot::Mutex;

use crate::projector::{Projector, Run, RunEnd};
use crate::read_models::error::ReadModelError;
use crate::read_models::handle::{Inner, ReadModels};
use crate::read_models::marks::{Marks, raise_epoch};
use crate::read_models::model::{Lane, Model, Side};
use crate::read_models::progress::Progress;
use crate::read_models::reconcile::{Rules, at_epoch};

/// Whoever wants to be told how far a projector has come.
pub(crate) type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

impl ReadModels {
    /// Feeds a read model up to the head, and finishes a rebuild that is under way; then returns.
    ///
    /// A paused read model is left where it stands.
    pub async fn catch_up(
        &self,
        name: &CollectionName,
        report: Report<'_>,
    ) -> Result<Progress, ReadModelError> {
        let model = self.inner.require(name)?;
        if model.is_paused() {
            return self.inner.standing(&model).await;
        }
        let totals = Mutex::new(Progress::default());
        let report = &|progress: Progress| {
            *totals.lock() = progress;
            report(progress);
        };
        // Another process may have swapped the generation; then there is another one to feed.
        for _ in 0..3 {
            let fed = self.inner.feed(&model, report).await;
            model.note(Side::Live, fed.as_ref().err());
            if fed? {
                break;
            }
        }
        let filled = self.inner.fill(&model, report).await;
        model.note(Side::Building, filled.as_ref().err());
        filled?;
        let Progress { events, documents, .. } = *totals.lock();
        Ok(Progress { events, documents, ..self.inner.standing(&model).await? })
    }

    /// Rebuilds a read model from the beginning of the log, beside the live one, and swaps them.
    ///
    /// Queries go on reading the live one, which goes on being fed, until the swap. A rebuild that was
    /// interrupted is gone on with, not begun again.
    pub async fn rebuild(
        &self,
        name: &CollectionName,
        report: Report<'_>,
    ) -> Result<Progress, ReadModelError> {
        let model = self.inner.require(name)?;
        if model.is_paused() {
            return Err(ReadModelError::Invalid(format!("read model {name} is paused; resume it first")));
        }
        self.inner.begin_rebuild(&model).await?;
        let totals = Mutex::new(Progress::default());
        let report = &|progress: Progress| {
            *totals.lock() = progress;
            report(progress);
        };
        let filled = self.inner.fill(&model, report).await;
        model.note(Side::Building, filled.as_ref().err());
        filled?;
        let Progress { events, documents, .. } = *totals.lock();
        Ok(Progress { events, documents, ..self.inner.standing(&model).await? })
    }

    /// Empties a read model and begins again, without another generation beside it.
    ///
    /// Unlike [`rebuild`](Self::rebuild) it leaves a gap: until it has caught up, queries see less.
    pub async fn reset(&self, name: &CollectionName) -> Result<(), ReadModelError> {
        let model = self.inner.require(name)?;
        let inner = &self.inner;
        let _reconciling = inner.reconciling.lock().await;
        let gate = model.gate.lock().await;
        let (rules, lanes) = {
            let mut lanes = model.lanes.write();
            (model_rules(&lanes), (lanes.live.take(), lanes.building.take()))
        };
        if let Err(error) = inner.begin_again(&rules).await {
            let mut current = model.lanes.write();
            (current.live, current.building) = lanes;
            return Err(error);
        }
        model.checkpoint.send_replace(None);
        drop(gate);
        inner.install_locked(rules, &[]).await?;
        model.clear_trouble();
        Ok(())
    }
}

fn model_rules(lanes: &crate::read_models::model::Lanes) -> Rules {
    Rules {
        projection: Arc::clone(&lanes.wanted),
        origin: lanes.origin,
        description: lanes.description.clone(),
        toml: lanes.toml.clone(),
    }
}

impl Inner {
    pub(crate) fn projector(&self, lane: Lane) -> Projector {
        Projector {
            events: Arc::clone(&self.events),
            documents: Arc::clone(&self.documents),
            projection: lane.projection,
            definition: lane.definition,
            tenants: self.tenants.clone(),
            options: self.options.clone(),
        }
    }

    /// Puts an empty generation in the place of all there are, in one step that no query can fall into.
    async fn begin_again(&self, rules: &Rules) -> Result<(), ReadModelError> {
        let base = rules.projection.definition();
        let epoch = Marks::load(&*self.events).await?.epoch(&base.id.name);
        let wanted = at_epoch(base, epoch);
        let known = self.documents.alter(Vec::new()).await?;
        let known = known.into_iter().map(|collection| collection.definition.id);
        let ours: Vec<_> = known.filter(|id| id.name == wanted.id.name).collect();
        let drops = ours.iter().cloned().map(Alteration::Drop);
        self.documents.alter(drops.chain([Alteration::Declare(wanted.clone())]).collect()).await?;
        for id in ours.iter().filter(|id| **id != wanted.id) {
            self.drop_parked(id).await?;
        }
        Ok(())
    }

    /// Brings the live generation to the head; false if there is none to feed or it was asked to stop.
    pub(crate) async fn feed(&self, model: &Arc<Model>, report: Report<'_>) -> Result<bool, ReadModelError> {
        let _feeding = model.feeding.lock().await;
        let Some(lane) = model.lane(Side::Live) else { return Ok(false) };
        let definition = lane.definition.id.definition;
        let go_on = || !model.is_paused() && model.is_current(Side::Live, definition);
        let reached = |point: LogPoint, progress: Progress| {
            model.reached(point);
            report(progress);
        };
        let projector = self.projector(lane);
        let run = Run { gate: &model.gate, up_to: None, go_on: &go_on, report: &reached };
        let end = projector.run(&run).await?;
        if end == RunEnd::Stopped && go_on() {
            self.adopt(model).await?;
            return Ok(false);
        }
        // Behind the gate no reset can come between what is read and what is told.
        let _gate = model.gate.lock().await;
        if model.is_current(Side::Live, definition)
            && let Some(point) = self.documents.checkpoint(&projector.definition.id).await?
        {
            model.reached(point);
        }
        Ok(end == RunEnd::Reached)
    }

    /// Fills the generation beside the live one, and swaps them; false if there is none or it stopped.
    pub(crate) async fn fill(&self, model: &Arc<Model>, report: Report<'_>) -> Result<bool, ReadModelError> {
        let _filling = model.filling.lock().await;
        let Some(lane) = model.lane(Side::Building) else { return Ok(false) };
        let definition = lane.definition.id.definition;
        let go_on = || model.is_current(Side::Building, definition);
        let go_on_unpaused = || !model.is_paused() && go_on();
        let reached = |_: LogPoint, progress: Progress| report(progress);
        let projector = self.projector(lane.clone());
        let own_gate = tokio::sync::Mutex::new(None);
        let run = Run { gate: &own_gate, up_to: None, go_on: &go_on_unpaused, report: &reached };
        if projector.run(&run).await? == RunEnd::Stopped {
            if go_on_unpaused() {
                self.adopt(model).await?;
            }
            return Ok(false);
        }
        // Behind the gate the live generation stands still, so the other can reach it exactly.
        let _gate = model.gate.lock().await;
        if !go_on() {
            return Ok(false);
        }
        let live = model.live_id();
        let stands = self.documents.checkpoint(&live).await?;
        let up_to = stands.map(|point| point.position);
        let run = Run { gate: &own_gate, up_to, go_on: &go_on, report: &reached };
        projector.run(&run).await?;
        self.promote(model, lane, stands).await?;
        Ok(true)
    }

    async fn promote(
        &self,
        model: &Arc<Model>,
        lane: Lane,
        live_stands: Option<LogPoint>,
    ) -> Result<(), ReadModelError> {
        let id = lane.definition.id.clone();
        let old = model.live_id();
        let stands = self.documents.checkpoint(&id).await?;
        // Positions of another log cannot be compared: what was filled from it makes room first.
        let foreign = live_stands.is_some_and(|live| stands.is_none_or(|new| new.log != live.log));
        let mut alterations = vec![Alteration::Promote(id)];
        if foreign {
            alterations.insert(0, Alteration::Drop(old.clone()));
        }
        self.documents.alter(alterations).await?;
        {
            let mut lanes = model.lanes.write();
            lanes.live_definition = lane.definition.clone();
            lanes.live = Some(lane);
            lanes.building = None;
            lanes.live_trouble = None;
            lanes.building_trouble = None;
        }
        if let Some(point) = stands {
            model.reached(point);
        }
        model.ring();
        tracing::info!(read_model = %model.name, from = %old.definition, "another generation is live");
        self.drop_parked(&old).await
    }

    /// Makes another generation by the same rules, unless one is being filled already.
    async fn begin_rebuild(&self, model: &Arc<Model>) -> Result<(), ReadModelError> {
        let _guard = self.reconciling.lock().await;
        if model.lane(Side::Building).is_some() {
            return Ok(());
        }
        let rules = model_rules(&model.lanes.read());
        let live = model.live_id();
        let epoch = Marks::load(&*self.events).await?.epoch(&model.name);
        // A mark that was raised by a rebuild that never began to fill needs no further raise.
        if at_epoch(rules.projection.definition(), epoch).id == live {
            raise_epoch(&*self.events, &model.name, epoch).await?;
        }
        self.install_locked(rules, &[]).await.map(drop)
    }

    /// Returns how far the live generation has come.
    pub(crate) async fn standing(&self, model: &Model) -> Result<Progress, ReadModelError> {
        let id = model.live_id();
        let checkpoint = match self.documents.checkpoint(&id).await {
            Err(DocumentStoreError::UnknownCollection { .. }) => None,
            other => other?,
        };
        let head = self.events.head().await?.heads.application;
        let parked = crate::parked::count(&*self.documents, &id, &self.tenants).await?;
        let position = checkpoint.map(|point| point.position).unwrap_or_default();
        Ok(Progress { position, head, parked, ..Progress::default() })
    }
}
