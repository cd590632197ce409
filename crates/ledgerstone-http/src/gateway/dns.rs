//! Endpoints from DNS: addresses (A and AAAA) with a known port, or SRV records, which bring their ports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use ledgerstone_core::{BackendError, Code, ErrorKind};

use crate::gateway::endpoint::Endpoint;
use crate::gateway::resolver::{Resolution, Resolver};

const BACKEND: &str = "dns";
const RESOLVE: &str = "resolve a name";

/// How long a name server may take, and how often it is asked again.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 2;

/// Asks DNS for a name.
///
/// That a name does not exist is a failure and not an empty answer: a broken zone says the same. The time to
/// live of the records bounds how long an answer is used.
#[derive(Clone)]
pub struct DnsResolver {
    resolver: TokioResolver,
    question: Question,
}

#[derive(Debug, Clone)]
enum Question {
    Addresses { name: String, port: u16 },
    Services { name: String },
}

impl DnsResolver {
    /// Asks for the addresses of `name`; each serves at `port`. `server` is asked instead of the machine's.
    pub fn addresses(
        name: impl Into<String>,
        port: u16,
        server: Option<SocketAddr>,
    ) -> Result<Self, BackendError> {
        Ok(Self { resolver: set_up(server)?, question: Question::Addresses { name: name.into(), port } })
    }

    /// Asks for the SRV records of `name`, such as `_http._tcp.orders.internal`.
    pub fn services(name: impl Into<String>, server: Option<SocketAddr>) -> Result<Self, BackendError> {
        Ok(Self { resolver: set_up(server)?, question: Question::Services { name: name.into() } })
    }

    async fn addresses_of(&self, name: &str, port: u16) -> Result<Found, BackendError> {
        let found = self.resolver.lookup_ip(name).await.map_err(|error| failure(name, error))?;
        let endpoints = found.iter().map(|address| Endpoint::at(address, port)).collect();
        Ok(Found { endpoints, until: found.valid_until() })
    }

    /// Returns the addresses of every target of the records, each with its record's priority and weight.
    async fn services_of(&self, name: &str) -> Result<Found, BackendError> {
        let found = self.resolver.srv_lookup(name).await.map_err(|error| failure(name, error))?;
        let records = found.answers().iter().filter_map(|record| match &record.data {
            // A lone dot says that the service is not offered (RFC 2782).
            RData::SRV(srv) if !srv.target.is_root() => Some(srv),
            _ => None,
        });
        let targets = records.map(async |srv| {
            let mut of = self.addresses_of(&srv.target.to_string(), srv.port).await?;
            for endpoint in &mut of.endpoints {
                // Weight 0 means "hardly anything" there and "nothing" here.
                endpoint.weight = u32::from(srv.weight).max(1);
                endpoint.priority = srv.priority;
            }
            Ok::<_, BackendError>(of)
        });
        let mut all = Found { endpoints: Vec::new(), until: found.valid_until() };
        for of in try_join_all(targets).await? {
            all.until = all.until.min(of.until);
            all.endpoints.extend(of.endpoints);
        }
        Ok(all)
    }
}

struct Found {
    endpoints: Vec<Endpoint>,
    until: Instant,
}

#[async_trait]
impl Resolver for DnsResolver {
    fn source(&self) -> &'static str {
        match self.question {
            Question::Addresses { .. } => "dns",
            Question::Services { .. } => "srv",
        }
    }

    async fn resolve(&self, _service: &str) -> Result<Resolution, BackendError> {
        let (found, name) = match &self.question {
            Question::Addresses { name, port } => (self.addresses_of(name, *port).await?, name),
            Question::Services { name } => (self.services_of(name).await?, name),
        };
        // The same address twice, as two names for it, is one endpoint.
        let by_address: BTreeMap<_, _> =
            found.endpoints.into_iter().map(|endpoint| (endpoint.address.clone(), endpoint)).collect();
        if by_address.is_empty() {
            return Err(nothing(name));
        }
        let ttl = found.until.saturating_duration_since(Instant::now());
        Ok(Resolution { endpoints: by_address.into_values().collect(), ttl: Some(ttl) })
    }
}

impl std::fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsResolver").field("question", &self.question).finish_non_exhaustive()
    }
}

fn set_up(server: Option<SocketAddr>) -> Result<TokioResolver, BackendError> {
    let wrong = |error: NetError| {
        let message =
            "DNS cannot be set up; is /etc/resolv.conf sound? A server can be named in the settings";
        BackendError::new(ErrorKind::Misconfigured, BACKEND, "set up", message).with_source(error)
    };
    let mut builder = match server {
        Some(server) => {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = server.port());
            let server = NameServerConfig::new(server.ip(), true, connections);
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
        None => TokioResolver::builder_tokio().map_err(wrong)?,
    };
    tune(builder.options_mut());
    builder.build().map_err(wrong)
}

fn tune(options: &mut ResolverOpts) {
    // The services decide how old an answer may be; a second memory beneath them would add its own age.
    options.cache_size = 0;
    options.timeout = PATIENCE;
    options.attempts = ATTEMPTS;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}

fn nothing(name: &str) -> BackendError {
    let message = format!("{name} has no such records; is the name right, and does its zone still have it?");
    BackendError::new(ErrorKind::NotFound, BACKEND, RESOLVE, message)
}

fn failure(name: &str, error: NetError) -> BackendError {
    if error.is_no_records_found() {
        return nothing(name);
    }
    let message = format!("{name} cannot be looked up ({error}); is the name server up?");
    BackendError::new(ErrorKind::Unavailable, BACKEND, RESOLVE, message)
        .with_code(Code::Unreachable)
        .with_source(error)
}
