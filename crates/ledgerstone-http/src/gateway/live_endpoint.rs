//! An endpoint in use: its calls under way, and what became of those that ended.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use axum::http::HeaderValue;
use axum::http::uri::Authority;
use ledgerstone_core::BackendError;

use crate::gateway::endpoint::Endpoint;
use crate::gateway::outliers::Tally;

/// An endpoint as balancing sees it. It keeps its counts for as long as its address is among the endpoints.
#[derive(Debug)]
pub struct LiveEndpoint {
    address: String,
    authority: Authority,
    host: HeaderValue,
    weight: AtomicU32,
    priority: AtomicU32,
    in_flight: AtomicUsize,
    successes: AtomicU64,
    failures: AtomicU64,
    in_a_row: AtomicU32,
}

impl LiveEndpoint {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, BackendError> {
        let authority = endpoint.authority()?;
        // An authority has visible ASCII characters only, so this cannot fail.
        let host = HeaderValue::from_str(authority.as_str()).unwrap_or(HeaderValue::from_static(""));
        Ok(Self {
            authority,
            host,
            address: endpoint.address.clone(),
            weight: AtomicU32::new(endpoint.weight),
            priority: AtomicU32::new(endpoint.priority.into()),
            in_flight: AtomicUsize::new(0),
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            in_a_row: AtomicU32::new(0),
        })
    }

    /// Returns host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns how much it gets in proportion to the others.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Returns after whom it is used: the smallest number first.
    pub fn priority(&self) -> u32 {
        self.priority.load(Ordering::Relaxed)
    }

    /// Returns how many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the address as a `host` header has it, made once for all requests.
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Takes what a later answer of the resolver says of the same address.
    pub(crate) fn adjust(&self, endpoint: &Endpoint) {
        self.weight.store(endpoint.weight, Ordering::Relaxed);
        self.priority.store(endpoint.priority.into(), Ordering::Relaxed);
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn count_success(&self) {
        self.successes.fetch_add(1, Ordering::Relaxed);
        // Most calls succeed after another: a line of memory that is only read stays with every core.
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.in_a_row.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally {
            successes: self.successes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            in_a_row: self.in_a_row.load(Ordering::Relaxed),
        }
    }

    /// Begins counting anew; failures in a row go on, since they know no window.
    pub(crate) fn begin_window(&self) {
        self.successes.store(0, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
    }

    pub(crate) fn forgive(&self) {
        self.begin_window();
        self.in_a_row.store(0, Ordering::Relaxed);
    }
}
