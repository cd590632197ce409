//! The resolver port: who serves a name now, and for how long that is true.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::BackendError;

use crate::gateway::endpoint::Endpoint;

/// Finds the endpoints of a service.
///
/// 1. `resolve` returns all that can be used now, or fails; it never returns a part as if it were the whole.
/// 2. An empty answer is the truth: nobody serves the name. A source that cannot tell this from being broken
///    fails instead, and whoever asked keeps what it had.
/// 3. `changed` returns once what `resolve` returned last may be out of date, also if that happened before it
///    was called; so nobody misses an update by asking late.
#[async_trait]
pub trait Resolver: Debug + Send + Sync + 'static {
    /// Returns what kind of source it is, such as `dns`, for reports.
    fn source(&self) -> &'static str;

    /// Returns the endpoints of a service. A resolver that was made for one service need not look at the name.
    async fn resolve(&self, service: &str) -> Result<Resolution, BackendError>;

    /// Waits for a change; a source that cannot tell waits for ever.
    async fn changed(&self, service: &str) {
        let _ = service;
        std::future::pending().await
    }
}

/// What a resolver found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Every endpoint.
    pub endpoints: Vec<Endpoint>,
    /// How long it is said to be true, if the source says so.
    pub ttl: Option<Duration>,
}
