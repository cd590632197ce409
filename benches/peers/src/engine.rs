//! What every measured store can do.

use anyhow::Result;

use crate::fact::Fact;

/// A store that takes facts.
pub(crate) trait Engine: Clone + Send + Sync + 'static {
    /// Appends facts whole or not at all, durably; if guarded, unless any event has the tag of the first.
    fn append(&self, facts: Vec<Fact>, guarded: bool) -> impl Future<Output = Result<()>> + Send;
}
