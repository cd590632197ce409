//! What the writer and the readers of the events share.

use std::sync::Arc;

use ledgerstone_core::Clock;
use ledgerstone_log::LogReader;
use parking_lot::RwLock;

use crate::removals::Removals;

/// What the writer and the readers of the events share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) reader: LogReader,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) removals: RwLock<Removals>,
}
