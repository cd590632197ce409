//! What stands between this process and others, as configured: limits, policies, services, routes and caches.

mod cache_section;
mod event_template;
mod stored_value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ledgerstone::cache::{Cache, CacheInvalidator, Caches};
use ledgerstone::core::{BackendError, ErrorKind, EventStore, InvalidName, RateLimiter, nearest};
use ledgerstone::http::{Authenticator, PolicySource, Proxy, RouteSettings, ServiceSettings, Services};
use ledgerstone::resilience::{Policies, PolicyParts, PolicySettings, RateLimits, RateSettings};
use parking_lot::Mutex;

use self::cache_section::CacheSection;
pub(crate) use self::stored_value::StoredValue;
use crate::compose::Adapters;
use crate::settings::{InvalidSettings, Sections, find_idle_rule};

/// The limits, policies, services, routes and caches of a server; a clone is the same ones.
#[derive(Clone)]
pub struct Outward(Arc<Parts>);

struct Parts {
    limits: RateLimits,
    policies: Policies,
    services: Services,
    routes: Vec<RouteSettings>,
    caches: BTreeMap<String, (Cache<StoredValue>, CacheSection)>,
    registry: Caches,
    /// What holds now, so that a reload that fails can be taken back.
    holds: Mutex<Configured>,
}

/// What the configuration says, checked as far as each part can be checked alone.
#[derive(Debug, Clone, Default)]
struct Configured {
    limits: BTreeMap<String, RateSettings>,
    policies: BTreeMap<String, PolicySettings>,
    services: BTreeMap<String, ServiceSettings>,
    routes: BTreeMap<String, RouteSettings>,
    caches: BTreeMap<String, CacheSection>,
}

impl Configured {
    fn read(sections: &Sections) -> Result<Self, InvalidSettings> {
        let limits: BTreeMap<String, RateSettings> = sections.read("limits")?;
        for (name, limit) in &limits {
            if let Some(why) = find_idle_rule(&limit.rules) {
                return Err(sections.wrong("limits", name, why));
            }
        }
        let policies: BTreeMap<String, PolicySettings> = sections.read("policies")?;
        let services: BTreeMap<String, ServiceSettings> = sections.read("services")?;
        for (name, service) in &services {
            let named =
                service.operations.values().map(|operation| &operation.policy).chain([&service.policy]);
            if let Some(policy) = named.flatten().find(|policy| !policies.contains_key(*policy)) {
                let policy = missing("policy", policy, policies.keys().map(String::as_str));
                return Err(sections.wrong("services", name, policy.message()));
            }
        }
        Ok(Self {
            limits,
            policies,
            services,
            routes: sections.read("routes")?,
            caches: sections.read("caches")?,
        })
    }
}

impl Configured {
    /// Builds the limits and the policies, which need nothing else.
    fn policies(&self, adapters: &Adapters) -> Result<(RateLimits, Policies), BackendError> {
        let limits = adapters.rate_limits();
        limits.load(&self.limits)?;
        let parts = PolicyParts { limiters: limiters(&limits), ..PolicyParts::default() };
        let policies = Policies::from_settings(&self.policies, parts).map_err(misconfigured)?;
        Ok((limits, policies))
    }

    /// Refuses what would leave a route without its service, its policy or its limiter.
    fn check_routes(&self, routes: &BTreeMap<String, RouteSettings>) -> Result<(), BackendError> {
        for (name, route) in routes {
            let lost = |kind: &str, of: &str| {
                misconfigured(format!(
                    "routes.{name} holds until a restart and needs the {kind} {of}; keep it"
                ))
            };
            if !self.services.contains_key(&route.service) {
                return Err(lost("service", &route.service));
            }
            if let Some(policy) = route.policy.as_ref().filter(|policy| !self.policies.contains_key(*policy))
            {
                return Err(lost("policy", policy));
            }
            if let Some(limiter) =
                route.limiter.as_ref().filter(|limiter| !self.limits.contains_key(*limiter))
            {
                return Err(lost("limiter", limiter));
            }
        }
        Ok(())
    }
}

/// Builds the policies of some sections to be looked at; no service is asked for.
pub(crate) fn policies_of(sections: &Sections, adapters: &Adapters) -> Result<Policies, BackendError> {
    let mut configured = Configured::read(sections).map_err(misconfigured)?;
    // Whoever only looks is no node among those that share.
    configured.limits.values_mut().for_each(|limits| limits.shared = false);
    let built = configured.policies(adapters).map_err(|error| misconfigured(error.message()))?;
    Ok(built.1)
}

impl Outward {
    /// Builds everything that the sections name, with what reaches other systems.
    pub fn open(sections: &Sections, adapters: &Adapters) -> Result<Self, BackendError> {
        Self::build(sections, adapters).map_err(|error| misconfigured(error.message()))
    }

    fn build(sections: &Sections, adapters: &Adapters) -> Result<Self, BackendError> {
        let configured = Configured::read(sections).map_err(misconfigured)?;
        let (limits, policies) = configured.policies(adapters)?;
        let services = Services::builder(Arc::clone(&adapters.http)).start(&configured.services)?;
        let registry = Caches::default();
        let mut caches = BTreeMap::new();
        for (name, section) in &configured.caches {
            section.settings.check().map_err(|error| misconfigured(format!("caches.{name}: {error}")))?;
            let cache = adapters.cache(name, section.settings.clone(), section.shared)?;
            registry.add(&cache)?;
            caches.insert(name.clone(), (cache, section.clone()));
        }
        let routes = configured.routes.values().cloned().collect();
        let holds = Mutex::new(configured);
        Ok(Self(Arc::new(Parts { limits, policies, services, routes, caches, registry, holds })))
    }

    /// Puts the limits, policies and services of other sections in the place of those that hold: all of them, or,
    /// if anything is wrong, none. Breakers, budgets and what keys have used stay as they are.
    ///
    /// Routes and caches hold until the process is started anew; the names of those that differ are returned.
    pub fn reload(&self, sections: &Sections) -> Result<Vec<String>, BackendError> {
        let next = Configured::read(sections).map_err(misconfigured)?;
        let mut holds = self.0.holds.lock();
        next.check_routes(&holds.routes)?;
        if let Err(error) = self.take(&next) {
            // It was sound when it was taken before, and nothing has gone since.
            if let Err(lost) = self.take(&holds) {
                tracing::error!(%lost, "the configuration that held cannot be put back; start the server anew");
            }
            return Err(error);
        }
        let later = (holds.routes != next.routes).then(|| "routes".to_owned());
        let caches = (holds.caches != next.caches).then(|| "caches".to_owned());
        let (routes, cached) = (holds.routes.clone(), holds.caches.clone());
        *holds = Configured { routes, caches: cached, ..next };
        Ok(later.into_iter().chain(caches).collect())
    }

    fn take(&self, configured: &Configured) -> Result<(), BackendError> {
        self.0.limits.load(&configured.limits)?;
        self.0.policies.reload(&configured.policies).map_err(misconfigured)?;
        self.0.services.reload(&configured.services)
    }

    /// Returns the reverse proxy, if there are routes.
    pub fn proxy(
        &self,
        authenticator: Option<Arc<dyn Authenticator>>,
    ) -> Result<Option<Proxy>, BackendError> {
        if self.0.routes.is_empty() {
            return Ok(None);
        }
        let policies = self.0.policies.clone();
        let mut builder = Proxy::builder(self.0.services.clone())
            .with_policies(PolicySource::new(move |name| policies.get(name)));
        builder = match authenticator {
            Some(authenticator) => builder.with_authenticator(authenticator),
            None => builder.trusting_everybody(),
        };
        for (name, limiter) in limiters(&self.0.limits) {
            builder = builder.with_limiter(name, limiter);
        }
        let built = builder.build(&self.0.routes);
        built.map(Some).map_err(|error| misconfigured(error.message()))
    }

    /// Returns what invalidates the caches by the events of a log, if any cache wants it.
    pub fn invalidator(&self, events: Arc<dyn EventStore>) -> Result<Option<CacheInvalidator>, InvalidName> {
        let followed = self.0.caches.values().filter(|(_, section)| !section.invalidate_on.is_empty());
        let mut followed = followed.peekable();
        if followed.peek().is_none() {
            return Ok(None);
        }
        let mut invalidator = CacheInvalidator::new(events);
        for (cache, section) in followed {
            invalidator = section.follow(invalidator, cache)?;
        }
        Ok(Some(invalidator))
    }

    /// Returns the rate limits.
    pub fn limits(&self) -> &RateLimits {
        &self.0.limits
    }

    /// Returns the policies.
    pub fn policies(&self) -> &Policies {
        &self.0.policies
    }

    /// Returns the services.
    pub fn services(&self) -> &Services {
        &self.0.services
    }

    /// Returns the registry of caches: their health and what they count.
    pub fn caches(&self) -> &Caches {
        &self.0.registry
    }

    /// Finds a cache, or names the nearest.
    pub(crate) fn cache(&self, name: &str) -> Result<&Cache<StoredValue>, BackendError> {
        let found = self.0.caches.get(name).map(|(cache, _)| cache);
        found.ok_or_else(|| missing("cache", name, self.0.caches.keys().map(String::as_str)))
    }

    /// Finds a limiter, or names the nearest.
    pub(crate) fn limiter(&self, name: &str) -> Result<Arc<dyn RateLimiter>, BackendError> {
        let names = self.0.limits.names();
        self.0.limits.get(name).ok_or_else(|| missing("limiter", name, names.iter().map(String::as_str)))
    }
}

impl fmt::Debug for Outward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outward").field("holds", &*self.0.holds.lock()).finish_non_exhaustive()
    }
}

fn limiters(limits: &RateLimits) -> BTreeMap<String, Arc<dyn RateLimiter>> {
    let named = limits.names().into_iter();
    named.filter_map(|name| limits.get(&name).map(|limiter| (name, limiter))).collect()
}

fn misconfigured(why: impl fmt::Display) -> BackendError {
    BackendError::new(ErrorKind::Misconfigured, "configuration", "read", why.to_string())
}

/// Says that nothing of a kind has a name, and which one was perhaps meant.
pub(crate) fn missing<'a>(
    kind: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> BackendError {
    let hint = match (nearest(name, known.clone()), known.clone().next()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, None) => "the configuration has none".to_owned(),
        (None, Some(_)) => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
    };
    let message = format!("there is no {kind} {name:?}; {hint}");
    BackendError::new(ErrorKind::NotFound, "configuration", "find", message)
}
