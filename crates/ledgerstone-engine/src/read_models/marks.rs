//! The marks of read models: who is paused, and how often each was rebuilt by the same rules.

use std::collections::HashMap;

use bytes::Bytes;
use ledgerstone_core::{
    Batch, CollectionName, DefinitionHash, EventStore, EventStoreError, Mark, MarkChange, MarkName, Refusal,
    Tenant, TenantScope,
};

use crate::read_models::error::ReadModelError;

const PREFIX: &str = "read-model/";
const PAUSED: &str = "paused";
const EPOCH: &str = "epoch";

/// The marks of every read model, as they stood when they were read.
#[derive(Debug, Default)]
pub(crate) struct Marks(HashMap<String, Mark>);

impl Marks {
    /// Reads them.
    pub(crate) async fn load(events: &dyn EventStore) -> Result<Self, EventStoreError> {
        let marks = events.marks(TenantScope::One(Tenant::default()), PREFIX).await?;
        Ok(Self(marks.into_iter().map(|mark| (mark.name.as_str().to_owned(), mark)).collect()))
    }

    fn get(&self, model: &CollectionName, kind: &str) -> Option<&Mark> {
        self.0.get(&text(model, kind))
    }

    /// Tells whether a model is paused.
    pub(crate) fn is_paused(&self, model: &CollectionName) -> bool {
        self.get(model, PAUSED).is_some()
    }

    /// Returns how often a model was rebuilt by the same rules.
    pub(crate) fn epoch(&self, model: &CollectionName) -> u64 {
        let mark = self.get(model, EPOCH);
        mark.and_then(|mark| std::str::from_utf8(&mark.value).ok()?.parse().ok()).unwrap_or(0)
    }
}

/// Returns the hash of the generation that stands after so many rebuilds.
pub(crate) fn generation(rules: DefinitionHash, epoch: u64) -> DefinitionHash {
    if epoch == 0 { rules } else { DefinitionHash::of(format!("{rules} rebuild {epoch}").as_bytes()) }
}

/// Pauses a model, or lets it go on; doing it twice is doing it once.
pub(crate) async fn set_paused(
    events: &dyn EventStore,
    model: &CollectionName,
    paused: bool,
) -> Result<(), ReadModelError> {
    let value = paused.then(|| Bytes::from_static(b"paused"));
    swap(events, model, PAUSED, |mark| mark.is_some() != paused, || value.clone()).await
}

/// Counts one more rebuild, unless somebody else has counted on from `from` meanwhile.
pub(crate) async fn raise_epoch(
    events: &dyn EventStore,
    model: &CollectionName,
    from: u64,
) -> Result<(), ReadModelError> {
    let next = Bytes::from((from + 1).to_string());
    let stands = from.to_string();
    let unchanged = |mark: Option<&Mark>| match mark {
        Some(mark) => mark.value == stands,
        None => from == 0,
    };
    swap(events, model, EPOCH, unchanged, || Some(next.clone())).await
}

async fn swap(
    events: &dyn EventStore,
    model: &CollectionName,
    kind: &str,
    needed: impl Fn(Option<&Mark>) -> bool,
    value: impl Fn() -> Option<Bytes>,
) -> Result<(), ReadModelError> {
    loop {
        let marks = Marks::load(events).await?;
        let mark = marks.get(model, kind);
        if !needed(mark) {
            return Ok(());
        }
        let name = MarkName::new(text(model, kind))?;
        let version = mark.map_or(0, |mark| mark.version);
        let change = MarkChange::Swap { name, version, value: value(), keep_for: None };
        match events.append(Batch { marks: vec![change], ..Batch::default() }).await {
            Ok(_) => return Ok(()),
            // Somebody else changed it first: look again whether anything is left to do.
            Err(EventStoreError::Refused(Refusal::MarkNotMet { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn text(model: &CollectionName, kind: &str) -> String {
    format!("{PREFIX}{model}/{kind}")
}
