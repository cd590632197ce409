//! Brings the generations in the store in line with the rules that a read model shall have.

use std::sync::Arc;

use ledgerstone_core::{
    Alteration, Collection, CollectionId, CollectionName, CollectionState, Commit, Definition,
    DocumentStoreError, LogPoint, Projection,
};

use crate::declared::model::DeclaredReadModel;
use crate::fence;
use crate::orphans::{drop_orphans, stands_before_rows};
use crate::parked::{self, parked_definition};
use crate::read_models::declarations::Declarations;
use crate::read_models::error::ReadModelError;
use crate::read_models::handle::Inner;
use crate::read_models::marks::{Marks, generation};
use crate::read_models::model::{Lane, Lanes, Model};
use crate::read_models::status::Origin;

/// The rules that a read model shall have, and where they come from.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub projection: Arc<dyn Projection>,
    pub origin: Origin,
    pub description: Option<String>,
    pub toml: Option<Arc<str>>,
}

impl Rules {
    /// Takes a declaration's.
    pub(crate) fn declared(model: &Arc<DeclaredReadModel>) -> Self {
        Self {
            projection: Arc::clone(model) as Arc<dyn Projection>,
            origin: Origin::Declared,
            description: model.description().map(str::to_owned),
            toml: Some(model.toml().into()),
        }
    }
}

impl Declarations {
    /// Returns the rules of every text that ever declared a name, oldest first.
    pub(crate) fn projections_of(&self, name: &CollectionName) -> Vec<Arc<dyn Projection>> {
        let texts = self.history.iter().filter(|(declared, _)| declared == name);
        let models = texts.filter_map(|(_, text)| DeclaredReadModel::parse(text).ok());
        models.map(|model| Arc::new(model) as Arc<dyn Projection>).collect()
    }
}

impl Inner {
    /// Sets up a model, or gives a known one other rules; answers whether another generation must be filled.
    ///
    /// `earlier` are rules by which the live generation may have been filled; by them it goes on being fed.
    pub(crate) async fn install(
        &self,
        rules: Rules,
        earlier: &[Arc<dyn Projection>],
    ) -> Result<bool, ReadModelError> {
        let _guard = self.reconciling.lock().await;
        self.install_locked(rules, earlier).await
    }

    /// Does the same for whoever holds the lock already.
    pub(crate) async fn install_locked(
        &self,
        rules: Rules,
        earlier: &[Arc<dyn Projection>],
    ) -> Result<bool, ReadModelError> {
        let base = rules.projection.definition();
        let name = base.id.name.clone();
        let marks = Marks::load(&*self.events).await?;
        let epoch = marks.epoch(&name);
        let wanted = at_epoch(base, epoch);
        let declared = vec![Alteration::Declare(parked_definition()?), Alteration::Declare(wanted.clone())];
        let collections = self.documents.alter(declared).await?;
        let ours: Vec<&Collection> =
            collections.iter().filter(|collection| collection.definition.id.name == name).collect();
        let live = ours.iter().find(|collection| collection.state == CollectionState::Live);
        if live.is_none() {
            // A reset that was interrupted leaves a generation that no query finds.
            self.documents.alter(vec![Alteration::Promote(wanted.id.clone())]).await?;
        }
        let (live_definition, checkpoint) =
            live.map_or((wanted.clone(), None), |live| (live.definition.clone(), live.checkpoint));
        let rebuilding = live_definition.id != wanted.id;
        for collection in &ours {
            let id = &collection.definition.id;
            if *id == wanted.id {
                self.drop_orphans(id, collection.checkpoint).await?;
            } else if collection.state == CollectionState::Building {
                self.drop_generation(id).await?;
            }
        }
        let lane = Lane { projection: Arc::clone(&rules.projection), definition: wanted };
        let (live, building) = if rebuilding {
            let known = self.find(&name).map(|model| Arc::clone(&model.lanes.read().wanted));
            let candidates = earlier.iter().chain(known.iter()).chain([&rules.projection]);
            (feeding(&live_definition, candidates, epoch), Some(lane))
        } else {
            (Some(lane), None)
        };
        let lanes = Lanes {
            origin: rules.origin,
            description: rules.description,
            toml: rules.toml,
            wanted: rules.projection,
            live_definition,
            live,
            building,
            live_trouble: None,
            building_trouble: None,
        };
        self.place(name, lanes, checkpoint, &marks);
        Ok(rebuilding)
    }

    fn place(&self, name: CollectionName, lanes: Lanes, checkpoint: Option<LogPoint>, marks: &Marks) {
        let mut models = self.models.write();
        let model = models.entry(name.clone());
        let mut added = false;
        let model = match model {
            std::collections::btree_map::Entry::Occupied(known) => {
                let model = known.into_mut();
                let mut current = model.lanes.write();
                let unchanged =
                    same_lane(&current.live, &lanes.live) && same_lane(&current.building, &lanes.building);
                let (live, building) = (current.live_trouble.take(), current.building_trouble.take());
                *current = lanes;
                if unchanged {
                    // The same rules stop for the same reason.
                    (current.live_trouble, current.building_trouble) = (live, building);
                }
                drop(current);
                model
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                added = true;
                place.insert(Arc::new(Model::new(name.clone(), lanes)))
            }
        };
        if let Some(point) = checkpoint {
            model.reached(point);
        }
        model.set_paused(marks.is_paused(&name));
        model.ring();
        drop(models);
        if added {
            self.registry.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Takes what another process has put in place of a generation that is gone.
    ///
    /// Other rules than ours are left to whoever brought them: two versions of a program that run side
    /// by side must not rebuild against each other.
    pub(crate) async fn adopt(&self, model: &Model) -> Result<(), ReadModelError> {
        let _guard = self.reconciling.lock().await;
        let epoch = Marks::load(&*self.events).await?.epoch(&model.name);
        let declared = vec![Alteration::Declare(parked_definition()?)];
        let collections = self.documents.alter(declared).await?;
        let mut ours = collections.iter().filter(|collection| collection.definition.id.name == model.name);
        let wanted = Arc::clone(&model.lanes.read().wanted);
        let next = at_epoch(wanted.definition(), epoch);
        let building = ours.clone().any(|collection| {
            collection.state == CollectionState::Building && collection.definition.id == next.id
        });
        let live = ours.find(|collection| collection.state == CollectionState::Live);
        {
            let mut lanes = model.lanes.write();
            lanes.live = live.and_then(|live| feeding(&live.definition, [&wanted].into_iter(), epoch));
            lanes.building = building.then(|| Lane { projection: wanted, definition: next });
            if let Some(live) = live {
                lanes.live_definition = live.definition.clone();
            }
        }
        if let Some(point) = live.and_then(|live| live.checkpoint) {
            model.reached(point);
        }
        model.ring();
        Ok(())
    }

    /// Forgets a model and drops its generations and its parked keys.
    pub(crate) async fn remove(&self, name: &CollectionName) -> Result<(), ReadModelError> {
        let _guard = self.reconciling.lock().await;
        let model = self.models.write().remove(name);
        if let Some(model) = &model {
            let mut lanes = model.lanes.write();
            (lanes.live, lanes.building) = (None, None);
            drop(lanes);
            model.ring();
        }
        for collection in self.documents.alter(Vec::new()).await? {
            if collection.definition.id.name == *name {
                self.drop_generation(&collection.definition.id).await?;
            }
        }
        self.registry.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// Drops a generation, if it is still there, with its parked keys.
    pub(crate) async fn drop_generation(&self, id: &CollectionId) -> Result<(), ReadModelError> {
        match self.documents.alter(vec![Alteration::Drop(id.clone())]).await {
            Ok(_) | Err(DocumentStoreError::UnknownCollection { .. }) => self.drop_parked(id).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the parked keys that an earlier generation with the same rules left behind.
    async fn drop_orphans(
        &self,
        id: &CollectionId,
        checkpoint: Option<LogPoint>,
    ) -> Result<(), ReadModelError> {
        if !stands_before_rows(checkpoint) {
            return Ok(());
        }
        let log = self.events.head().await?.log;
        match drop_orphans(&*self.documents, id, &self.tenants, log, checkpoint).await {
            // Whoever fills it already has removed them.
            Ok(_) | Err(DocumentStoreError::CheckpointMoved { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the rows of the parked keys of a generation that is gone, and its fences.
    pub(crate) async fn drop_parked(&self, id: &CollectionId) -> Result<(), ReadModelError> {
        let rows = parked::rows(&*self.documents, id, &self.tenants).await?;
        let size = self.documents.capabilities().commit_writes.max(1);
        for rows in rows.chunks(size) {
            let writes = rows.iter().map(parked::ParkedKey::removal).collect::<Result<_, _>>()?;
            self.documents.commit(Commit { writes, checkpoint: None }).await?;
        }
        for fence in fence::fences(&self.documents.alter(Vec::new()).await?, id)? {
            match self.documents.alter(vec![Alteration::Drop(fence)]).await {
                Ok(_) | Err(DocumentStoreError::UnknownCollection { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn same_lane(one: &Option<Lane>, other: &Option<Lane>) -> bool {
    let id = |lane: &Option<Lane>| lane.as_ref().map(|lane| lane.definition.id.clone());
    id(one) == id(other)
}

/// Returns the definition of the generation that stands after so many rebuilds.
pub(crate) fn at_epoch(base: Definition, epoch: u64) -> Definition {
    let definition = generation(base.id.definition, epoch);
    Definition { id: CollectionId { definition, ..base.id }, ..base }
}

/// Finds the rules that fill a generation, newest first, whatever its number of rebuilds was.
fn feeding<'a>(
    live: &Definition,
    candidates: impl DoubleEndedIterator<Item = &'a Arc<dyn Projection>>,
    epoch: u64,
) -> Option<Lane> {
    /// How many earlier rebuilds are considered.
    const BACK: u64 = 64;
    for projection in candidates.rev() {
        let base = projection.definition();
        let fits = |epoch: u64| generation(base.id.definition, epoch) == live.id.definition;
        if (epoch.saturating_sub(BACK)..=epoch).any(fits) {
            return Some(Lane { projection: Arc::clone(projection), definition: live.clone() });
        }
    }
    None
}
