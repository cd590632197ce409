//! Active health checks: every endpoint is asked from time to time, whether or not it has calls.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use ledgerstone_core::{HttpClient, HttpRequest};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::gateway::live_endpoint::LiveEndpoint;
use crate::gateway::service::Service;
use crate::gateway::span;

/// How the endpoints of a service are asked for their health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthSettings {
    /// The path to get, such as `/health`; a status below 400 is good.
    pub path: String,
    /// How long between two questions.
    #[serde(default = "ten_seconds", with = "span")]
    pub interval: Duration,
    /// How long an answer may take.
    #[serde(default = "two_seconds", with = "span")]
    pub timeout: Duration,
    /// How many bad answers in a row make an endpoint unhealthy.
    #[serde(default = "three")]
    pub unhealthy_after: u32,
    /// How many good answers in a row make it healthy again.
    #[serde(default = "two")]
    pub healthy_after: u32,
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn three() -> u32 {
    3
}

fn two() -> u32 {
    2
}

impl HealthSettings {
    /// Asks at `path`, and leaves the rest as it is by default.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            interval: ten_seconds(),
            timeout: two_seconds(),
            unhealthy_after: three(),
            healthy_after: two(),
        }
    }

    pub(crate) fn find_fault(&self) -> Option<String> {
        let is_path = self.path.starts_with('/') && self.path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_path {
            return Some(format!("health.path is {:?}, which is no path; write /health", self.path));
        }
        if self.interval.is_zero() || self.timeout.is_zero() {
            return Some("health.interval and health.timeout need some time, such as 10s".to_owned());
        }
        if self.unhealthy_after == 0 || self.healthy_after == 0 {
            return Some("health.unhealthy_after and health.healthy_after are 1 or more".to_owned());
        }
        None
    }
}

/// How an endpoint answered when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Health {
    /// Nothing until enough answers agree; an endpoint of which nothing is known is used.
    pub(crate) is_healthy: Option<bool>,
    run: u32,
    run_is_good: bool,
}

impl Health {
    /// Takes an answer into account; says whether that changed anything.
    pub(crate) fn take(&mut self, settings: &HealthSettings, is_good: bool) -> bool {
        self.run = if self.run_is_good == is_good { self.run.saturating_add(1) } else { 1 };
        self.run_is_good = is_good;
        let needed = match (is_good, self.is_healthy) {
            // What was never bad need not show twice that it is good.
            (true, None) => 1,
            (true, _) => settings.healthy_after,
            (false, _) => settings.unhealthy_after,
        };
        let before = self.is_healthy;
        if self.run >= needed {
            self.is_healthy = Some(is_good);
        }
        self.is_healthy != before
    }
}

/// Asks every endpoint of the service for ever.
pub(crate) async fn watch(service: Arc<Service>, client: Arc<dyn HttpClient>, settings: HealthSettings) {
    loop {
        let endpoints = service.view().all.clone();
        let answers = endpoints.into_iter().map(|endpoint| {
            let (service, client, settings) = (&service, &*client, &settings);
            async move {
                let is_good = ask(service, client, &endpoint, settings).await;
                service.take_health(&endpoint, settings, is_good);
            }
        });
        join_all(answers).await;
        sleep(service.chance().shorten(settings.interval, 10)).await;
    }
}

async fn ask(
    service: &Service,
    client: &dyn HttpClient,
    endpoint: &LiveEndpoint,
    settings: &HealthSettings,
) -> bool {
    let request = HttpRequest {
        method: "GET",
        url: service.url(endpoint, &settings.path),
        headers: service.host_header().into_iter().collect(),
        body: Bytes::new(),
        timeout: Some(settings.timeout),
    };
    // The client bounds the time too, but it is a port, and a check that never ends would end all checks.
    match tokio::time::timeout(settings.timeout, client.send(request)).await {
        Ok(Ok(response)) => response.status < 400,
        Ok(Err(_)) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_answers_in_a_row_decide() {
        let settings = HealthSettings::at("/health");
        let mut health = Health::default();
        let mut take = |answers: &str| {
            answers.chars().for_each(|answer| {
                health.take(&settings, answer == '+');
            });
            health.is_healthy
        };
        assert_eq!(take("--"), None);
        assert_eq!(take("+"), Some(true));
        assert_eq!(take("--+--"), Some(true));
        assert_eq!(take("-"), Some(false));
        assert_eq!(take("+-+"), Some(false));
        assert_eq!(take("+"), Some(true));
    }
}
