//! The events that a store has already of certain sources, by their ids.

use std::collections::HashSet;

use futures_util::StreamExt as _;
use ledgerstone::core::{EventStore, QueryItem, Selection, Tag, TenantScope};
use uuid::Uuid;

use crate::failure::Failure;

/// The ids of all events of some sources; about 20 bytes for each event.
#[derive(Debug, Default)]
pub(super) struct KnownIds {
    sources: HashSet<String>,
    ids: HashSet<Uuid>,
}

impl KnownIds {
    /// Reads the ids of a source, unless that was done before.
    pub(super) async fn read(
        &mut self,
        events: &dyn EventStore,
        tenant: TenantScope,
        source: &str,
    ) -> Result<(), Failure> {
        if !self.sources.insert(source.to_owned()) {
            return Ok(());
        }
        let query = QueryItem::tags([Tag::source(source)?]);
        let mut frames = events.read(Selection::query(query).of(tenant));
        while let Some(frame) = frames.next().await {
            self.ids.extend(frame?.events.iter().map(|event| event.id()));
        }
        Ok(())
    }

    /// Tells whether the ids of a source were read.
    pub(super) fn covers(&self, source: &str) -> bool {
        self.sources.contains(source)
    }

    /// Tells whether an event is there.
    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.ids.contains(&id)
    }

    /// Tells whether no event is there.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}
