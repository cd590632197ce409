//! Waits until a read model has passed a position, so that a writer reads its own writes.

use std::time::Duration;

use ledgerstone_core::{CollectionName, CollectionRef, LogPoint, Position, Select, Selection};
use tokio::time::Instant;

use crate::read_models::error::ReadModelError;
use crate::read_models::handle::ReadModels;
use crate::read_models::model::Side;
use crate::subscription::Subscription;

impl ReadModels {
    /// Waits until a read model stands at `point` or beyond; returns where it stands then.
    ///
    /// It wakes at once when this process feeds the model, and looks now and then whether another one
    /// has. A point of another log, or beyond the head, is an error; so is `timeout`.
    pub async fn wait_for(
        &self,
        name: &CollectionName,
        point: LogPoint,
        timeout: Duration,
    ) -> Result<LogPoint, ReadModelError> {
        let started = Instant::now();
        let inner = &self.inner;
        let model = inner.find(name);
        let mut known = model.as_ref().map(|model| model.checkpoint.subscribe());
        let passed = |stands: Option<LogPoint>| {
            stands.filter(|stands| stands.log == point.log && stands.position >= point.position)
        };
        if let Some(stands) = passed(known.as_ref().and_then(|known| *known.borrow())) {
            return Ok(stands);
        }
        let head = inner.events.head().await?;
        Subscription::check_point(&*inner.events, &head, Some(point), &Selection::all())?;
        loop {
            let stands = self.stored_checkpoint(name).await?;
            if let Some(stands) = passed(stands) {
                if let Some(model) = &model {
                    model.reached(stands);
                }
                return Ok(stands);
            }
            let Some(left) = timeout.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) else {
                let stands = stands.map_or(Position::START, |stands| stands.position);
                let trouble = model.as_ref().and_then(|model| model.lanes.read().live_trouble.clone());
                let paused =
                    model.as_ref().filter(|model| model.is_paused()).map(|_| "it is paused".to_owned());
                return Err(ReadModelError::WaitTimedOut {
                    name: name.clone(),
                    wanted: point.position,
                    stands,
                    waited: started.elapsed(),
                    reason: paused.or(trouble.map(|trouble| trouble.message)),
                });
            };
            let next_look = tokio::time::sleep(left.min(inner.options.poll));
            match &mut known {
                Some(known) => tokio::select! {
                    _ = known.wait_for(|stands| passed(*stands).is_some()) => {}
                    () = next_look => {}
                },
                None => next_look.await,
            }
        }
    }

    /// Returns how far the live generation has been filled, by whichever process.
    async fn stored_checkpoint(&self, name: &CollectionName) -> Result<Option<LogPoint>, ReadModelError> {
        let live = self.inner.find(name).and_then(|model| {
            let current = model.lane(Side::Live).is_some();
            current.then(|| model.live_id())
        });
        if let Some(id) = live
            && let Ok(checkpoint) = self.inner.documents.checkpoint(&id).await
        {
            return Ok(checkpoint);
        }
        // Another process may have swapped the generation, or none is set up here.
        let select = Select::from(CollectionRef::Live(name.clone())).size(1);
        Ok(self.query(select).await?.checkpoint)
    }
}
