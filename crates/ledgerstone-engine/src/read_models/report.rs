//! Reports how every read model stands.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use ledgerstone_core::{
    Collection, CollectionName, CollectionState, LogHead, LogPoint, Position, Query, Selection,
};

use crate::parked;
use crate::read_models::error::ReadModelError;
use crate::read_models::handle::{Inner, ReadModels};
use crate::read_models::model::{Lanes, Model};
use crate::read_models::status::{BuildingStatus, Origin, ReadModelState, ReadModelStatus};

impl ReadModels {
    /// Returns how every read model stands, by name: those set up here, and others that the store holds.
    pub async fn list(&self) -> Result<Vec<ReadModelStatus>, ReadModelError> {
        let inner = &self.inner;
        let head = inner.events.head().await?;
        let collections = inner.documents.alter(Vec::new()).await?;
        let mut statuses = BTreeMap::new();
        for name in self.names() {
            if let Some(model) = inner.find(&name) {
                statuses.insert(name, inner.status_of(&model, &collections, &head).await?);
            }
        }
        for collection in &collections {
            let name = &collection.definition.id.name;
            let foreign = !statuses.contains_key(name) && name.as_str() != parked::PARKED;
            if foreign && collection.state == CollectionState::Live {
                statuses.insert(name.clone(), unfed(collection, &head));
            }
        }
        for (name, reason) in inner.broken.read().iter() {
            let status = statuses.entry(name.clone()).or_insert_with(|| broken(name.clone(), &head));
            status.origin = Origin::Declared;
            status.state = ReadModelState::Stopped;
            status.stopped = Some(reason.clone());
        }
        Ok(statuses.into_values().collect())
    }

    /// Returns how one read model stands.
    pub async fn status(&self, name: &CollectionName) -> Result<ReadModelStatus, ReadModelError> {
        let inner = &self.inner;
        match inner.find(name) {
            Some(model) => {
                let head = inner.events.head().await?;
                let collections = inner.documents.alter(Vec::new()).await?;
                inner.status_of(&model, &collections, &head).await
            }
            None => {
                let found = self.list().await?.into_iter().find(|status| status.name == *name);
                match found {
                    Some(status) => Ok(status),
                    None => inner.require(name).map(|_| broken_state(name.clone())),
                }
            }
        }
    }
}

fn broken_state(name: CollectionName) -> ReadModelStatus {
    ReadModelStatus {
        name,
        description: None,
        origin: Origin::Unknown,
        state: ReadModelState::Unfed,
        definition: None,
        fields: Vec::new(),
        checkpoint: None,
        head: Position::START,
        lag: 0,
        age: None,
        parked: 0,
        paused: false,
        stopped: None,
        last_error: None,
        building: None,
    }
}

fn broken(name: CollectionName, head: &LogHead) -> ReadModelStatus {
    let head = head.heads.application;
    ReadModelStatus { head, lag: head.0, ..broken_state(name) }
}

fn unfed(collection: &Collection, head: &LogHead) -> ReadModelStatus {
    let definition = &collection.definition;
    ReadModelStatus {
        definition: Some(definition.id.definition),
        fields: definition.fields.clone(),
        checkpoint: collection.checkpoint,
        head: head.heads.application,
        lag: lag(collection.checkpoint, head),
        ..broken_state(definition.id.name.clone())
    }
}

/// Returns how many events a checkpoint is behind; one of another log is behind by all of them.
fn lag(checkpoint: Option<LogPoint>, head: &LogHead) -> u64 {
    let settled = checkpoint.filter(|point| point.log == head.log).map_or(0, |point| point.position.0);
    head.heads.application.0.saturating_sub(settled)
}

impl Inner {
    async fn status_of(
        &self,
        model: &Model,
        collections: &[Collection],
        head: &LogHead,
    ) -> Result<ReadModelStatus, ReadModelError> {
        let live = model.live_id();
        let find = |id: &_| collections.iter().find(|collection| collection.definition.id == *id);
        let checkpoint = find(&live).and_then(|collection| collection.checkpoint);
        let lag = lag(checkpoint, head);
        let parked = parked::count(&*self.documents, &live, &self.tenants).await?;
        let (query, mut status) = {
            let lanes = model.lanes.read();
            let building = lanes.building.as_ref().map(|lane| BuildingStatus {
                definition: lane.definition.id.definition,
                position: find(&lane.definition.id)
                    .and_then(|collection| collection.checkpoint)
                    .map(|point| point.position)
                    .unwrap_or_default(),
            });
            let status = ReadModelStatus {
                description: lanes.description.clone(),
                origin: lanes.origin,
                state: state(model, &lanes, checkpoint.is_some() || lag == 0),
                definition: Some(live.definition),
                fields: lanes.live_definition.fields.clone(),
                checkpoint,
                head: head.heads.application,
                lag,
                parked,
                paused: model.is_paused(),
                stopped: trouble(&lanes, true),
                last_error: trouble(&lanes, false),
                building,
                ..broken_state(model.name.clone())
            };
            (lanes.wanted.query(), status)
        };
        if lag > 0 {
            status.age = self.age_after(query, checkpoint, head).await?;
        }
        Ok(status)
    }

    /// Returns how long ago the first event after a checkpoint was recorded, of those that matter.
    async fn age_after(
        &self,
        query: Query,
        checkpoint: Option<LogPoint>,
        head: &LogHead,
    ) -> Result<Option<Duration>, ReadModelError> {
        let after = checkpoint.filter(|point| point.log == head.log);
        let after = after.map_or(Position::START, |point| point.position);
        let selection = Selection::query(query).of(self.tenants.clone()).after(after).limit(1);
        let mut frames = self.events.read(selection);
        while let Some(frame) = frames.next().await.transpose()? {
            if let Some(event) = frame.events.first() {
                return Ok(Some(self.options.clock.now().since(event.recorded_at())));
            }
        }
        Ok(None)
    }
}

fn state(model: &Model, lanes: &Lanes, fed: bool) -> ReadModelState {
    let stops = |trouble: &Option<crate::read_models::model::Trouble>| {
        trouble.as_ref().is_some_and(|trouble| trouble.stops)
    };
    if stops(&lanes.live_trouble) || stops(&lanes.building_trouble) {
        ReadModelState::Stopped
    } else if model.is_paused() {
        ReadModelState::Paused
    } else if lanes.building.is_some() {
        ReadModelState::Building
    } else if lanes.live.is_none() || !fed {
        ReadModelState::Unfed
    } else {
        ReadModelState::Live
    }
}

fn trouble(lanes: &Lanes, stops: bool) -> Option<String> {
    let troubles = [&lanes.live_trouble, &lanes.building_trouble].into_iter().flatten();
    troubles.filter(|trouble| trouble.stops == stops).map(|trouble| trouble.message.clone()).next()
}
