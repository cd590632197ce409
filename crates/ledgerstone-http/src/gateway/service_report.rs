//! How a service stands now, for people and for JSON.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::gateway::service::Service;

/// A service and its endpoints, as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceReport {
    /// The name.
    pub name: String,
    /// Where the endpoints come from: `configuration`, `dns`, `srv`, `kubernetes`, or what a program brought.
    pub source: &'static str,
    /// How long ago the source answered; nothing if it never did.
    pub age_ms: Option<u64>,
    /// Whether the source failed the last time, so that its last good answer is in use.
    pub is_stale: bool,
    /// Why it failed.
    pub failure: Option<String>,
    /// Whether so many endpoints are out that all are used.
    pub is_panicking: bool,
    /// How many calls are under way.
    pub in_flight: usize,
    /// The endpoints.
    pub endpoints: Vec<EndpointReport>,
}

/// An endpoint, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointReport {
    /// Host and port.
    pub address: String,
    /// How much it gets in proportion to the others.
    pub weight: u32,
    /// After whom it is used.
    pub priority: u32,
    /// Whether calls go to it now.
    pub is_used: bool,
    /// How many calls are under way.
    pub in_flight: usize,
    /// What its health checks say; nothing if there are none, or too few yet.
    pub is_healthy: Option<bool>,
    /// Why it is ejected, if it is.
    pub ejected: Option<String>,
    /// How long until it gets another try.
    pub returns_in_ms: Option<u64>,
}

impl ServiceReport {
    pub(crate) fn of(service: &Service) -> Self {
        let (view, now) = (service.view(), Instant::now());
        let endpoints: Vec<_> = view.all.iter().zip(&view.standings).collect();
        let endpoints = endpoints.into_iter().map(|(endpoint, standing)| EndpointReport {
            address: endpoint.address().to_owned(),
            weight: endpoint.weight(),
            priority: endpoint.priority(),
            is_used: view.usable.iter().any(|usable| usable.address() == endpoint.address()),
            in_flight: endpoint.in_flight(),
            is_healthy: standing.is_healthy,
            ejected: standing.ejected.map(|(_, why)| why.to_string()),
            returns_in_ms: standing.ejected.map(|(until, _)| millis(until.saturating_duration_since(now))),
        });
        Self {
            name: service.name.to_string(),
            source: service.resolver.source(),
            age_ms: view.resolved_at.map(|at| millis(now.saturating_duration_since(at))),
            is_stale: view.failure.is_some(),
            failure: view.failure.as_deref().map(str::to_owned),
            is_panicking: view.is_panicking,
            in_flight: view.all.iter().map(|endpoint| endpoint.in_flight()).sum(),
            endpoints: endpoints.collect(),
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
