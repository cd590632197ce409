//! Where policies are found by name, at each call, so that a reload reaches the next one.

use std::fmt;
use std::sync::Arc;

use ledgerstone_core::BackendError;
use ledgerstone_resilience::{Policies, Policy};

use crate::gateway::service_settings::misconfigured;

type Find = dyn Fn(&str) -> Option<Policy> + Send + Sync;

/// Finds a policy by its name; the one it finds none in has none.
#[derive(Clone, Default)]
pub struct PolicySource(Option<Arc<Find>>);

impl PolicySource {
    /// Finds by this.
    pub fn new(find: impl Fn(&str) -> Option<Policy> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(find)))
    }

    pub(crate) fn get(&self, name: &str) -> Result<Policy, BackendError> {
        let found = self.0.as_ref().and_then(|find| find(name));
        found
            .ok_or_else(|| misconfigured(format!("no policy is named {name:?}; declare it, or name another")))
    }
}

impl From<Arc<Policies>> for PolicySource {
    fn from(policies: Arc<Policies>) -> Self {
        Self::new(move |name| policies.get(name))
    }
}

impl fmt::Debug for PolicySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PolicySource").finish_non_exhaustive()
    }
}
