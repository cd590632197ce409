//! The endpoints of a service and how each stands; pure decisions, from which a view is made for those who choose.

use std::sync::Arc;

use tokio::time::Instant;

use crate::gateway::endpoint::Endpoint;
use crate::gateway::health::{Health, HealthSettings};
use crate::gateway::live_endpoint::LiveEndpoint;
use crate::gateway::outliers::{OutlierSettings, Tally, Why};

/// Everything that is known of a service's endpoints.
#[derive(Debug, Default)]
pub(crate) struct Members {
    all: Vec<Member>,
    resolved_at: Option<Instant>,
    /// Why the resolver did not answer the last time, if it did not.
    failure: Option<Arc<str>>,
    window_ends: Option<Instant>,
}

#[derive(Debug)]
struct Member {
    endpoint: Arc<LiveEndpoint>,
    health: Health,
    ejection: Option<Ejection>,
    times_ejected: u32,
    returned_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Ejection {
    until: Instant,
    why: Why,
}

/// What those who choose and those who watch see: it never changes, but is replaced.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) all: Vec<Arc<LiveEndpoint>>,
    /// Those that may be chosen.
    pub(crate) usable: Vec<Arc<LiveEndpoint>>,
    /// Whether so many are out that all are used.
    pub(crate) is_panicking: bool,
    pub(crate) resolved_at: Option<Instant>,
    pub(crate) failure: Option<Arc<str>>,
    /// When the next ejected endpoint gets another try.
    pub(crate) next_return: Option<Instant>,
    pub(crate) standings: Vec<Standing>,
}

/// How an endpoint stands, for reports and metrics; in the order of [`View::all`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) is_healthy: Option<bool>,
    pub(crate) ejected: Option<(Instant, Why)>,
}

impl Members {
    /// Takes the resolver's answer: whoever stays keeps how it stands, whoever is new begins.
    ///
    /// Addresses that are none are left out and returned.
    pub(crate) fn resolve(&mut self, now: Instant, endpoints: &[Endpoint]) -> Vec<String> {
        let mut before = std::mem::take(&mut self.all);
        let mut wrong = Vec::new();
        for endpoint in endpoints {
            if self.all.iter().any(|member| member.endpoint.address() == endpoint.address) {
                continue;
            }
            let known = before.iter().position(|member| member.endpoint.address() == endpoint.address);
            if let Some(index) = known {
                let member = before.swap_remove(index);
                member.endpoint.adjust(endpoint);
                self.all.push(member);
            } else if let Ok(live) = LiveEndpoint::new(endpoint) {
                self.all.push(Member::new(live));
            } else {
                wrong.push(endpoint.address.clone());
            }
        }
        self.resolved_at = Some(now);
        self.failure = None;
        wrong
    }

    /// Takes that the resolver failed: whatever was known stays.
    pub(crate) fn fail_to_resolve(&mut self, why: Arc<str>) {
        self.failure = Some(why);
    }

    /// Takes an answer to a health check; says whether that changed anything.
    pub(crate) fn take_health(
        &mut self,
        of: &LiveEndpoint,
        settings: &HealthSettings,
        is_good: bool,
    ) -> bool {
        self.find(of).is_some_and(|index| self.all[index].health.take(settings, is_good))
    }

    /// Counts a failure and says why the endpoint is ejected for it, if it is.
    pub(crate) fn fail(
        &mut self,
        now: Instant,
        of: &LiveEndpoint,
        settings: &OutlierSettings,
    ) -> Option<Why> {
        if self.window_ends.is_none_or(|ends| ends <= now) {
            self.all.iter().for_each(|member| member.endpoint.begin_window());
            self.window_ends = Some(now + settings.window);
        }
        of.count_failure();
        let index = self.find(of)?;
        if self.all[index].is_out(now) {
            return None;
        }
        let out = self.all.iter().filter(|member| member.is_out(now)).count();
        if out >= settings.may_be_out(self.all.len()) {
            return None;
        }
        let peers = self.all.iter().enumerate().filter(|(other, _)| *other != index);
        let tallies: Vec<Tally> = peers.map(|(_, peer)| peer.endpoint.tally()).collect();
        let why = settings.judge(of.tally(), tallies.into_iter())?;
        self.all[index].eject(now, why, settings);
        Some(why)
    }

    fn find(&self, endpoint: &LiveEndpoint) -> Option<usize> {
        self.all.iter().position(|member| std::ptr::eq(&*member.endpoint, endpoint))
    }

    /// Lets those return whose time is over, and makes the view.
    pub(crate) fn view(&mut self, now: Instant, panic_below_percent: u8) -> View {
        self.all.iter_mut().for_each(|member| member.return_if_due(now));
        let (usable, is_panicking) = self.usable(usize::from(panic_below_percent));
        View {
            all: self.all.iter().map(|member| Arc::clone(&member.endpoint)).collect(),
            usable,
            is_panicking,
            resolved_at: self.resolved_at,
            failure: self.failure.clone(),
            next_return: self.all.iter().filter_map(|member| Some(member.ejection?.until)).min(),
            standings: self.all.iter().map(Member::standing).collect(),
        }
    }

    /// Returns the first group of equal priority of which enough can be used; if there is none, the first group
    /// whole, and that this is panic.
    fn usable(&self, panic_below: usize) -> (Vec<Arc<LiveEndpoint>>, bool) {
        // Weight 0 takes an endpoint out of use on purpose; if all are 0, it means nothing.
        let wanted: Vec<&Member> = self.all.iter().filter(|member| member.endpoint.weight() > 0).collect();
        let wanted = if wanted.is_empty() { self.all.iter().collect() } else { wanted };
        let mut priorities: Vec<u32> = wanted.iter().map(|member| member.endpoint.priority()).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let of = |priority: u32| wanted.iter().filter(move |member| member.endpoint.priority() == priority);
        let take = |member: &&Member| Arc::clone(&member.endpoint);
        for &priority in &priorities {
            let able: Vec<_> = of(priority).filter(|member| member.is_able()).map(take).collect();
            let size = of(priority).count();
            if !able.is_empty() && able.len() * 100 >= panic_below * size {
                return (able, false);
            }
        }
        match priorities.first() {
            Some(&first) => (of(first).map(take).collect(), true),
            None => (Vec::new(), false),
        }
    }
}

impl Member {
    fn new(endpoint: LiveEndpoint) -> Self {
        Self {
            endpoint: Arc::new(endpoint),
            health: Health::default(),
            ejection: None,
            times_ejected: 0,
            returned_at: None,
        }
    }

    fn is_out(&self, now: Instant) -> bool {
        self.ejection.is_some_and(|ejection| now < ejection.until)
    }

    fn is_able(&self) -> bool {
        self.ejection.is_none() && self.health.is_healthy != Some(false)
    }

    fn eject(&mut self, now: Instant, why: Why, settings: &OutlierSettings) {
        if self.returned_at.is_some_and(|returned| now - returned >= settings.max_ejection) {
            self.times_ejected = 0;
        }
        self.times_ejected = self.times_ejected.saturating_add(1);
        self.ejection = Some(Ejection { until: now + settings.lasts(self.times_ejected), why });
    }

    fn return_if_due(&mut self, now: Instant) {
        if let Some(ejection) = self.ejection
            && ejection.until <= now
        {
            self.ejection = None;
            self.returned_at = Some(now);
            // What it did before it was sent away was paid for.
            self.endpoint.forgive();
        }
    }

    fn standing(&self) -> Standing {
        Standing {
            is_healthy: self.health.is_healthy,
            ejected: self.ejection.map(|ejection| (ejection.until, ejection.why)),
        }
    }
}
