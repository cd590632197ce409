//! A service: its endpoints now, the choice among them, and what is learnt from each call.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledgerstone_core::{BackendError, Code, ErrorKind};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::gateway::balance::Balance;
use crate::gateway::chance::Chance;
use crate::gateway::health::HealthSettings;
use crate::gateway::lease::Lease;
use crate::gateway::live_endpoint::LiveEndpoint;
use crate::gateway::members::{Members, View};
use crate::gateway::operation::Operation;
use crate::gateway::resolver::{Resolution, Resolver};
use crate::gateway::service_settings::ServiceSettings;

/// A named service in use.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    pub(crate) settings: ServiceSettings,
    pub(crate) operations: BTreeMap<String, Arc<Operation>>,
    pub(crate) resolver: Arc<dyn Resolver>,
    balance: Arc<dyn Balance>,
    chance: Chance,
    members: Mutex<Members>,
    view: watch::Sender<Arc<View>>,
    /// Asks for the endpoints anew before their age is reached.
    pub(crate) doubts: Notify,
}

impl Service {
    pub(crate) fn new(
        name: &str,
        settings: ServiceSettings,
        resolver: Arc<dyn Resolver>,
        balance: Arc<dyn Balance>,
        chance: Chance,
    ) -> Self {
        let declared = settings.operations.iter();
        // What is wrong with one was said when the settings were checked.
        let operations = declared.filter_map(|(name, declared)| {
            Some((name.clone(), Arc::new(Operation::from_settings(declared).ok()?)))
        });
        Self {
            name: name.into(),
            operations: operations.collect(),
            settings,
            resolver,
            balance,
            chance,
            members: Mutex::default(),
            view: watch::Sender::default(),
            doubts: Notify::new(),
        }
    }

    pub(crate) fn chance(&self) -> &Chance {
        &self.chance
    }

    /// Returns how things stand; whoever was out and whose time is over is back in it.
    pub(crate) fn view(&self) -> Arc<View> {
        let view = Arc::clone(&self.view.borrow());
        if view.next_return.is_none_or(|due| due > Instant::now()) {
            return view;
        }
        self.publish(&mut self.members.lock());
        Arc::clone(&self.view.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// Returns the URL of a path and query at an endpoint.
    pub(crate) fn url(&self, endpoint: &LiveEndpoint, target: &str) -> String {
        format!("{}://{}{target}", self.settings.scheme.as_str(), endpoint.address())
    }

    /// Returns the `host` header that the settings ask for.
    pub(crate) fn host_header(&self) -> Option<(String, String)> {
        self.settings.host.as_ref().map(|host| ("host".to_owned(), host.clone()))
    }

    /// Chooses an endpoint, another than those `tried` if there is one; waits for the first answer of the
    /// resolver, and for no later one.
    pub(crate) async fn choose(self: &Arc<Self>, tried: &[Arc<LiveEndpoint>]) -> Result<Lease, BackendError> {
        if let Some(lease) = self.try_choose(tried) {
            return Ok(lease);
        }
        if self.view.borrow().is_waiting() {
            // Boxed, since it happens once and every call would carry it about.
            let _ = Box::pin(timeout(self.settings.resolve_timeout, self.first_answer())).await;
        }
        self.try_choose(tried).ok_or_else(|| self.no_endpoint())
    }

    async fn first_answer(&self) {
        let mut receiver = self.view.subscribe();
        let _ = receiver.wait_for(|view| !view.is_waiting()).await;
    }

    fn try_choose(self: &Arc<Self>, tried: &[Arc<LiveEndpoint>]) -> Option<Lease> {
        let view = self.view();
        let is_new = |endpoint: &&Arc<LiveEndpoint>| !tried.iter().any(|other| Arc::ptr_eq(endpoint, other));
        let others: Vec<_>;
        let mut among = view.usable.as_slice();
        if !tried.is_empty() {
            others = among.iter().filter(is_new).cloned().collect();
            if !others.is_empty() {
                among = &others;
            }
        }
        let chosen = among.get(self.balance.choose(among)?)?;
        Some(Lease::new(Arc::clone(self), Arc::clone(chosen)))
    }

    fn no_endpoint(&self) -> BackendError {
        let view = self.view();
        let name = &self.name;
        let message = match (&view.failure, view.resolved_at) {
            (Some(why), None) => format!("the service {name} was never found: {why}"),
            (None, None) => {
                format!("the service {name} was not found in time; is what resolves its name slow?")
            }
            (_, Some(_)) => format!("the service {name} has no endpoint now; is it scaled to nothing?"),
        };
        BackendError::new(ErrorKind::Unavailable, "gateway", "choose an endpoint", message)
            .with_code(Code::NoEndpoint)
    }

    /// Takes the resolver's answer.
    pub(crate) fn take_resolution(&self, resolution: &Resolution) {
        let mut members = self.members.lock();
        let wrong = members.resolve(Instant::now(), &resolution.endpoints);
        self.publish(&mut members);
        drop(members);
        for address in wrong {
            tracing::warn!(service = &*self.name, address, "the resolver gave an address that is none");
        }
    }

    /// Takes that the resolver failed; what was known stays in use.
    pub(crate) fn take_failure(&self, error: &BackendError) {
        let why: Arc<str> = error.to_string().into();
        let mut members = self.members.lock();
        members.fail_to_resolve(Arc::clone(&why));
        self.publish(&mut members);
        drop(members);
        tracing::warn!(
            service = &*self.name,
            why = &*why,
            "endpoints could not be resolved; the last are kept"
        );
    }

    pub(crate) fn take_health(&self, endpoint: &LiveEndpoint, settings: &HealthSettings, is_good: bool) {
        let mut members = self.members.lock();
        if members.take_health(endpoint, settings, is_good) {
            self.publish(&mut members);
            drop(members);
            let address = endpoint.address();
            tracing::info!(service = &*self.name, address, is_good, "the health of an endpoint changed");
        }
    }

    /// Takes a failure of a call, by which the endpoint may be ejected.
    pub(crate) fn take_call_failure(&self, endpoint: &LiveEndpoint) {
        let mut members = self.members.lock();
        let Some(why) = members.fail(Instant::now(), endpoint, &self.settings.outliers) else { return };
        self.publish(&mut members);
        drop(members);
        let service = Arc::clone(&self.name);
        metrics::counter!("ledgerstone_service_ejections_total", "service" => service, "reason" => why.label())
            .increment(1);
        let address = endpoint.address();
        tracing::warn!(service = &*self.name, address, %why, "an endpoint is ejected for a while");
    }

    fn publish(&self, members: &mut Members) {
        let view = members.view(Instant::now(), self.settings.panic_below_percent);
        let gauge = |state: &'static str, count: usize| {
            let service = Arc::clone(&self.name);
            metrics::gauge!("ledgerstone_service_endpoints", "service" => service, "state" => state)
                .set(count as f64);
        };
        gauge("usable", view.usable.len());
        gauge("ejected", view.standings.iter().filter(|standing| standing.ejected.is_some()).count());
        gauge(
            "unhealthy",
            view.standings.iter().filter(|standing| standing.is_healthy == Some(false)).count(),
        );
        self.view.send_replace(Arc::new(view));
    }
}

impl View {
    /// Whether the resolver has not said anything yet.
    fn is_waiting(&self) -> bool {
        self.resolved_at.is_none() && self.failure.is_none()
    }
}
