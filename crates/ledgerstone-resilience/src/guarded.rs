//! A port with a policy around every call.

mod cache_store;
mod document_store;
mod event_store;
mod http_client;
mod rate_limiter;

use std::fmt;
use std::sync::Arc;

use crate::policy::Policy;

/// A port with a policy around every call; it keeps the contract of what it wraps.
///
/// Which calls may be repeated is decided here, once for each port: what reads is [`Idempotent`](crate::Idempotent),
/// an append is known by the ids of its events, a request over HTTP by its method or its `Idempotency-Key`;
/// everything else runs once. A refusal of the policy is an error of the port, with the code of the refusal.
///
/// Where several wrappers stand around a port, this one stands outside whatever changes bytes, and inside whatever
/// counts or logs calls.
pub struct Guarded<P: ?Sized> {
    inner: Arc<P>,
    policy: Policy,
}

impl<P: ?Sized> Guarded<P> {
    /// Puts a policy around a port.
    pub fn new(inner: Arc<P>, policy: Policy) -> Self {
        Self { inner, policy }
    }

    /// Returns the policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl<P: ?Sized> Clone for Guarded<P> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), policy: self.policy.clone() }
    }
}

impl<P: ?Sized + fmt::Debug> fmt::Debug for Guarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("inner", &self.inner).field("policy", &self.policy.name()).finish()
    }
}
