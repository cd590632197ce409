//! Endpoints as the configuration lists them.

use async_trait::async_trait;
use ledgerstone_core::BackendError;

use crate::gateway::endpoint::Endpoint;
use crate::gateway::resolver::{Resolution, Resolver};

/// Knows the endpoints from the start; they change when the configuration does.
#[derive(Debug, Clone)]
pub struct ConfiguredEndpoints {
    endpoints: Vec<Endpoint>,
}

impl ConfiguredEndpoints {
    /// Takes the list.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        Self { endpoints }
    }
}

#[async_trait]
impl Resolver for ConfiguredEndpoints {
    fn source(&self) -> &'static str {
        "configuration"
    }

    async fn resolve(&self, _service: &str) -> Result<Resolution, BackendError> {
        Ok(Resolution { endpoints: self.endpoints.clone(), ttl: None })
    }
}
