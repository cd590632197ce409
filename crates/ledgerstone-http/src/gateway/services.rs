//! The named services of a program: resolved in the background, chosen from for each call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ledgerstone_core::{BackendError, Code, ErrorKind, HttpClient, nearest};
use ledgerstone_resilience::Jitter;
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::gateway::balance::{Balance, LeastLoaded, RoundRobin};
use crate::gateway::chance::Chance;
use crate::gateway::configured::ConfiguredEndpoints;
use crate::gateway::dns::DnsResolver;
use crate::gateway::kubernetes::KubernetesResolver;
use crate::gateway::resolver::Resolver;
use crate::gateway::service::Service;
use crate::gateway::service_report::ServiceReport;
use crate::gateway::service_settings::{Balancing, ServiceSettings, misconfigured};
use crate::gateway::watcher::Watcher;
use crate::gateway::{health, refresh};

/// Services by name; cheap to clone. Their background work ends with the last clone.
///
/// - The endpoints of a service are asked for again before they are older than its `max_age`.
/// - A resolver that fails takes nothing away: the last good answer stays in use and is told as stale.
/// - An endpoint that goes away gets no new calls; those under way end as they would.
#[derive(Clone)]
pub struct Services {
    inner: Arc<Inner>,
}

struct Inner {
    running: RwLock<BTreeMap<String, Running>>,
    given: Given,
}

/// What the program gives besides settings.
#[derive(Debug, Clone)]
struct Given {
    client: Arc<dyn HttpClient>,
    resolvers: BTreeMap<String, Arc<dyn Resolver>>,
    balances: BTreeMap<String, Arc<dyn Balance>>,
    chance: Chance,
}

/// A service with its background work, which ends with it.
struct Running {
    service: Arc<Service>,
    work: Vec<AbortHandle>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.work.iter().for_each(AbortHandle::abort);
    }
}

/// Collects what [`Services`] need beyond settings.
#[derive(Debug, Clone)]
pub struct ServicesBuilder {
    given: Given,
}

impl ServicesBuilder {
    /// Lets services name this resolver in their settings.
    #[must_use]
    pub fn with_resolver(mut self, name: impl Into<String>, resolver: Arc<dyn Resolver>) -> Self {
        self.given.resolvers.insert(name.into(), resolver);
        self
    }

    /// Balances one service by this instead of what its settings say.
    #[must_use]
    pub fn with_balance(mut self, service: impl Into<String>, balance: Arc<dyn Balance>) -> Self {
        self.given.balances.insert(service.into(), balance);
        self
    }

    /// Draws from this instead of the machine's randomness.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Arc<dyn Jitter>) -> Self {
        self.given.chance = Chance::new(jitter);
        self
    }

    /// Checks the settings and begins to resolve; needs a tokio runtime.
    pub fn start(self, settings: &BTreeMap<String, ServiceSettings>) -> Result<Services, BackendError> {
        let services = Services { inner: Arc::new(Inner { running: RwLock::default(), given: self.given }) };
        services.reload(settings)?;
        Ok(services)
    }
}

impl Services {
    /// Begins with what asks for health and talks to Kubernetes.
    pub fn builder(client: Arc<dyn HttpClient>) -> ServicesBuilder {
        let chance = Chance::default();
        ServicesBuilder {
            given: Given { client, resolvers: BTreeMap::new(), balances: BTreeMap::new(), chance },
        }
    }

    /// Takes other settings: all of them, or, if any is wrong, none.
    ///
    /// A service whose settings stay the same goes on as it is, with its counts and ejections.
    pub fn reload(&self, settings: &BTreeMap<String, ServiceSettings>) -> Result<(), BackendError> {
        let runtime = Handle::try_current().map_err(|error| {
            let message = "services need a tokio runtime to resolve in; start them within one";
            BackendError::new(ErrorKind::Misconfigured, "gateway", "start", message).with_source(error)
        })?;
        let mut made = BTreeMap::new();
        for (name, settings) in settings {
            settings.check(name)?;
            let is_same = |running: &Running| running.service.settings == *settings;
            if !self.inner.running.read().get(name).is_some_and(is_same) {
                made.insert(name.clone(), self.inner.given.make(name, settings)?);
            }
        }
        let mut running = self.inner.running.write();
        running.retain(|name, _| settings.contains_key(name));
        for (name, service) in made {
            running.insert(name, self.inner.given.run(&runtime, service));
        }
        Ok(())
    }

    /// Returns the names, in order.
    pub fn names(&self) -> Vec<String> {
        self.inner.running.read().keys().cloned().collect()
    }

    /// Returns how every service stands, by name.
    pub fn report(&self) -> Vec<ServiceReport> {
        self.inner.running.read().values().map(|running| ServiceReport::of(&running.service)).collect()
    }

    /// Follows the endpoints of a service.
    pub fn watch(&self, name: &str) -> Result<Watcher, BackendError> {
        self.get(name).map(Watcher::new)
    }

    /// Returns a service, or says which name looks like it.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Service>, BackendError> {
        let running = self.inner.running.read();
        match running.get(name) {
            Some(running) => Ok(Arc::clone(&running.service)),
            None => Err(unknown("service", name, running.keys())),
        }
    }
}

impl Given {
    fn make(&self, name: &str, settings: &ServiceSettings) -> Result<Arc<Service>, BackendError> {
        let resolver = self.resolver(name, settings)?;
        let balance = match (self.balances.get(name), settings.balance) {
            (Some(given), _) => Arc::clone(given),
            (None, Balancing::RoundRobin) => Arc::new(RoundRobin::default()),
            (None, Balancing::LeastLoaded) => Arc::new(LeastLoaded::of(self.chance.clone())),
        };
        Ok(Arc::new(Service::new(name, settings.clone(), resolver, balance, self.chance.clone())))
    }

    fn resolver(&self, name: &str, settings: &ServiceSettings) -> Result<Arc<dyn Resolver>, BackendError> {
        if let Some(dns) = &settings.dns {
            return Ok(Arc::new(DnsResolver::addresses(&dns.name, dns.port, dns.server)?));
        }
        if let Some(srv) = &settings.srv {
            return Ok(Arc::new(DnsResolver::services(&srv.name, srv.server)?));
        }
        if let Some(kubernetes) = &settings.kubernetes {
            return Ok(Arc::new(KubernetesResolver::new(kubernetes, Arc::clone(&self.client))?));
        }
        let Some(wanted) = &settings.resolver else {
            return Ok(Arc::new(ConfiguredEndpoints::new(settings.endpoints.clone())));
        };
        self.resolvers.get(wanted).cloned().ok_or_else(|| {
            let guess = guess(wanted, self.resolvers.keys());
            misconfigured(format!(
                "the service {name} names the resolver {wanted}, which nobody brought{guess}"
            ))
        })
    }

    fn run(&self, runtime: &Handle, service: Arc<Service>) -> Running {
        let mut work = vec![runtime.spawn(refresh::keep_fresh(Arc::clone(&service))).abort_handle()];
        if let Some(settings) = service.settings.health.clone() {
            let watch = health::watch(Arc::clone(&service), Arc::clone(&self.client), settings);
            work.push(runtime.spawn(watch).abort_handle());
        }
        Running { service, work }
    }
}

/// Says that nobody has the name, and which one looks like it.
pub(crate) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> BackendError {
    let message = format!("no {what} is named {name:?}{}", guess(name, known));
    BackendError::new(ErrorKind::NotFound, "gateway", "find a name", message).with_code(Code::NoEndpoint)
}

fn guess<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    match nearest(name, known) {
        Some(near) => format!("; did you mean {near}?"),
        None => "; see the settings for those there are".to_owned(),
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("names", &self.names()).finish_non_exhaustive()
    }
}
