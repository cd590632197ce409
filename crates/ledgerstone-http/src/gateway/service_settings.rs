//! What the configuration says of a service: where it is found, how its endpoints are chosen and watched.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::gateway::endpoint::Endpoint;
use crate::gateway::health::HealthSettings;
use crate::gateway::operation::{Operation, OperationSettings};
use crate::gateway::outliers::OutlierSettings;
use crate::gateway::span;

/// A service. Exactly one of `endpoints`, `dns`, `srv`, `kubernetes` and `resolver` says where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSettings {
    /// The addresses themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// A name that DNS has addresses for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsSettings>,
    /// A name that DNS has SRV records for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srv: Option<SrvSettings>,
    /// A service of Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesSettings>,
    /// A resolver that the program brought, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<String>,
    /// Whether endpoints speak `http` or `https`.
    pub scheme: Scheme,
    /// The `host` header that endpoints get, instead of their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How old the endpoints may become before they are asked for again.
    #[serde(with = "span")]
    pub max_age: Duration,
    /// How long the resolver may take.
    #[serde(with = "span")]
    pub resolve_timeout: Duration,
    /// How an endpoint is chosen.
    pub balance: Balancing,
    /// When an endpoint that fails is left alone.
    pub outliers: OutlierSettings,
    /// How endpoints are asked for their health, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSettings>,
    /// If fewer than this many of a hundred endpoints can be used, all are used: the fault is elsewhere then.
    pub panic_below_percent: u8,
    /// How long one attempt may take.
    #[serde(with = "span")]
    pub timeout: Duration,
    /// The policy of every call, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What can be asked of it, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<String, OperationSettings>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            dns: None,
            srv: None,
            kubernetes: None,
            resolver: None,
            scheme: Scheme::Http,
            host: None,
            max_age: Duration::from_secs(30),
            resolve_timeout: Duration::from_secs(5),
            balance: Balancing::RoundRobin,
            outliers: OutlierSettings::default(),
            health: None,
            panic_below_percent: 50,
            timeout: Duration::from_secs(30),
            policy: None,
            operations: BTreeMap::new(),
        }
    }
}

/// How a URL of an endpoint begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Plain.
    #[default]
    Http,
    /// Over TLS. The certificate has to name what `endpoints` names, so another source cannot be used.
    Https,
}

impl Scheme {
    /// Returns it as a URL has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How an endpoint is chosen among those that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balancing {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// Of two drawn at random, the one with fewer calls under way for its weight.
    LeastLoaded,
}

/// Addresses from DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsSettings {
    /// The name.
    pub name: String,
    /// The port at which every address serves.
    pub port: u16,
    /// The name server, such as `10.0.0.2:53`; the machine's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<SocketAddr>,
}

/// Addresses and ports from SRV records of DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SrvSettings {
    /// The name, such as `_http._tcp.orders.internal`.
    pub name: String,
    /// The name server, such as `10.0.0.2:53`; the machine's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<SocketAddr>,
}

/// The endpoint slices of a service of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSettings {
    /// The service's name there.
    pub service: String,
    /// The namespace; that of this pod unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The port's name; needed where the service has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The API server; that of this cluster unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The file with the token, which is read again when it changes; that of this pod unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl ServiceSettings {
    /// Makes the settings of a service at fixed addresses.
    pub fn at<I: Into<String>>(addresses: impl IntoIterator<Item = I>) -> Self {
        Self { endpoints: addresses.into_iter().map(Endpoint::new).collect(), ..Self::default() }
    }

    /// Refuses what contradicts itself or cannot work, and says which key of which service it is.
    pub(crate) fn check(&self, name: &str) -> Result<(), BackendError> {
        self.find_fault().map_or(Ok(()), |why| Err(misconfigured(format!("the service {name}: {why}"))))
    }

    fn find_fault(&self) -> Option<String> {
        let sources = [
            !self.endpoints.is_empty(),
            self.dns.is_some(),
            self.srv.is_some(),
            self.kubernetes.is_some(),
            self.resolver.is_some(),
        ];
        if sources.iter().filter(|given| **given).count() != 1 {
            return Some("give exactly one of endpoints, dns, srv, kubernetes and resolver".to_owned());
        }
        if self.scheme == Scheme::Https && self.endpoints.is_empty() {
            return Some(
                "scheme is https and the endpoints are found by address, which no certificate names; \
                 list the endpoints by name, or speak http within the network"
                    .to_owned(),
            );
        }
        if let Some(error) = self.endpoints.iter().find_map(|endpoint| endpoint.authority().err()) {
            return Some(error.message().to_owned());
        }
        let mut addresses: Vec<_> = self.endpoints.iter().map(|endpoint| &endpoint.address).collect();
        addresses.sort_unstable();
        if let Some(twice) = addresses.windows(2).find(|pair| pair[0] == pair[1]) {
            return Some(format!("the endpoint {} is listed twice; give it a weight instead", twice[0]));
        }
        self.find_fault_in_values()
    }

    fn find_fault_in_values(&self) -> Option<String> {
        for (key, span) in
            [("max_age", self.max_age), ("resolve_timeout", self.resolve_timeout), ("timeout", self.timeout)]
        {
            if span.is_zero() {
                return Some(format!("{key} is 0; give it some time, such as 5s"));
            }
        }
        if self.panic_below_percent > 100 {
            return Some(format!("panic_below_percent is {} of 100", self.panic_below_percent));
        }
        if let Some(host) = &self.host
            && host.parse::<axum::http::uri::Authority>().is_err()
        {
            return Some(format!("host is {host:?}, which no host header can be"));
        }
        let health = self.health.as_ref().and_then(HealthSettings::find_fault);
        health.or_else(|| self.outliers.find_fault()).or_else(|| {
            self.operations.iter().find_map(|(name, operation)| {
                let fault = Operation::from_settings(operation).err()?;
                Some(format!("operations.{name}: {fault}"))
            })
        })
    }
}

/// Makes the error of settings that cannot be used.
pub(crate) fn misconfigured(message: String) -> BackendError {
    BackendError::new(ErrorKind::Misconfigured, "gateway", "read the settings", message)
        .with_code(Code::Configuration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        match serde_json::from_str::<ServiceSettings>(text) {
            Ok(settings) => settings.check("orders").err().map(|error| error.to_string()).unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn sound_settings_pass() {
        for sound in [
            r#"{"endpoints": ["10.0.0.7:80", {"address": "b:1", "weight": 2}], "max_age": "1m"}"#,
            r#"{"dns": {"name": "orders.internal", "port": 80}, "balance": "least_loaded"}"#,
            r#"{"srv": {"name": "_http._tcp.orders", "server": "10.0.0.2:53"}}"#,
            r#"{"kubernetes": {"service": "orders", "port": "http"}, "health": {"path": "/health"}}"#,
            r#"{"endpoints": ["a.example:443"], "scheme": "https", "operations": {"get": {"path": "/{id}"}}}"#,
        ] {
            assert_eq!(fault(sound), "", "{sound}");
        }
    }

    #[test]
    fn contradictions_and_slips_are_refused_with_the_reason() {
        for (wrong, reason) in [
            ("{}", "exactly one"),
            (r#"{"endpoints": ["a:1"], "resolver": "mine"}"#, "exactly one"),
            (r#"{"endpoints": ["a:1", "a:1"]}"#, "listed twice"),
            (r#"{"endpoints": ["a"]}"#, "no port"),
            (r#"{"endpoints": ["a:1"], "max_age": "0s"}"#, "max_age is 0"),
            (r#"{"endpoints": ["a:1"], "max_age": 30}"#, "span of time"),
            (r#"{"endpoints": ["a:1"], "maxage": "1s"}"#, "unknown field"),
            (r#"{"srv": {"name": "a"}, "scheme": "https"}"#, "no certificate"),
            (r#"{"endpoints": ["a:1"], "host": "a b"}"#, "host header"),
            (r#"{"endpoints": ["a:1"], "operations": {"x": {"path": "y"}}}"#, "operations.x"),
            (r#"{"endpoints": ["a:1"], "outliers": {"max_ejected_percent": 101}}"#, "max_ejected_percent"),
            (r#"{"endpoints": ["a:1"], "health": {"path": "health"}}"#, "health"),
        ] {
            assert!(fault(wrong).contains(reason), "{wrong}: {}", fault(wrong));
        }
    }
}
