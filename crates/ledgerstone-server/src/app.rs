//! What the server serves: the stores, the read models that stand on them, time and ids.

use std::sync::Arc;

use ledgerstone::core::{Clock, DocumentStore, EventStore, IdSource};
use ledgerstone::engine::ReadModels;
use ledgerstone::stores::StoreCondition;
use ledgerstone::stores::Upkeep;

use crate::outward::Outward;

/// The parts of a running ledgerstone, put together by whoever starts it.
#[derive(Debug, Clone)]
pub struct App {
    /// Where events are.
    pub events: Arc<dyn EventStore>,
    /// Where the documents of read models are.
    pub documents: Arc<dyn DocumentStore>,
    /// The read models; [`serve`](crate::serve::serve) loads and runs them.
    pub read_models: ReadModels,
    /// The condition of the files, where this process looks at them.
    pub condition: Option<StoreCondition>,
    /// Looks after the files of the store, if it has any.
    pub upkeep: Option<Upkeep>,
    /// What stands between it and others, if anything is configured.
    pub outward: Option<Outward>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives ids to events that come without one.
    pub ids: Arc<dyn IdSource>,
}
