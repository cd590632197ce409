//! What the writer and the readers of the events share.

use std::sync::Arc;

use ledgerstone_core::{Clock, LogIdentity, LogKind, Tenant};
use parking_lot::RwLock;

use crate::removals::Removals;
use crate::sqlite::database::Database;
use crate::sqlite::events::tail::Tail;
use ledgerstone_log::TermHasher;

/// What the writer and the readers of the events share.
///
/// It holds what is durable and, in the tails, at times a little more: readers stop at the heads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) database: Arc<Database>,
    pub(crate) identity: LogIdentity,
    pub(crate) hasher: TermHasher,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) application: RwLock<Tail>,
    pub(crate) system: RwLock<Tail>,
    pub(crate) removals: RwLock<Removals>,
    /// Whose events there are.
    pub(crate) tenants: RwLock<Vec<Tenant>>,
}

impl Shared {
    /// Returns the tail of one count.
    pub(crate) fn tail(&self, log: LogKind) -> &RwLock<Tail> {
        match log {
            LogKind::Application => &self.application,
            LogKind::System => &self.system,
        }
    }
}
