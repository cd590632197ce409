//! The limiters of a process by name, made from its settings and changed with them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ledgerstone_core::{BackendError, Clock, ErrorKind, RateLimiter, RateRule};
use parking_lot::RwLock;

use super::local_rate_limiter::LocalRateLimiter;
use super::rate_report::RateReport;
use super::rate_settings::RateSettings;
use super::shared_rate_limiter::{SharedRateLimiter, SharedRateOptions};
use super::shared_rates::SharedRates;

type OpenShared = dyn Fn(&str, &[RateRule]) -> Result<Arc<dyn SharedRates>, BackendError> + Send + Sync;

/// Limiters by name.
pub struct RateLimits {
    clock: Arc<dyn Clock>,
    shared: Option<(SharedRateOptions, Box<OpenShared>)>,
    limiters: RwLock<BTreeMap<String, Named>>,
}

#[derive(Debug, Clone)]
enum Named {
    Local(LocalRateLimiter, usize),
    Shared(SharedRateLimiter, usize),
}

impl Named {
    fn limiter(&self) -> Arc<dyn RateLimiter> {
        match self {
            Self::Local(limiter, _) => Arc::new(limiter.clone()),
            Self::Shared(limiter, _) => Arc::new(limiter.clone()),
        }
    }
}

impl RateLimits {
    /// Creates a registry without limiters.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shared: None, limiters: RwLock::default() }
    }

    /// Says how limiters whose settings are `shared` reach what they share.
    #[must_use]
    pub fn with_shared(
        mut self,
        options: SharedRateOptions,
        open: impl Fn(&str, &[RateRule]) -> Result<Arc<dyn SharedRates>, BackendError> + Send + Sync + 'static,
    ) -> Self {
        self.shared = Some((options, Box::new(open)));
        self
    }

    /// Makes the limiters be those of the settings, all of them or, if one is wrong, none.
    ///
    /// A limiter that was there already stays, with its keys and overrides, and tallies of rules that
    /// did not change stand. One that is no longer named goes on for whoever holds it, but is not found.
    pub fn load(&self, settings: &BTreeMap<String, RateSettings>) -> Result<(), BackendError> {
        for (name, settings) in settings {
            settings.check().map_err(|invalid| wrong(name, &invalid.to_string()))?;
        }
        let mut limiters = self.limiters.write();
        let mut next = BTreeMap::new();
        for (name, settings) in settings {
            let kept = limiters.get(name).filter(|named| named.may_become(settings));
            let named = match kept {
                Some(named) => named.clone(),
                None => self.open(name, settings)?,
            };
            next.insert(name.clone(), named);
        }
        // Nothing fails from here on: the rules are checked.
        for (name, named) in &next {
            let rules = &settings[name].rules;
            match named {
                Named::Local(limiter, _) => limiter.set_rules(rules)?,
                Named::Shared(limiter, _) => limiter.set_rules(rules)?,
            }
        }
        *limiters = next;
        Ok(())
    }

    /// Returns a limiter by its name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn RateLimiter>> {
        self.limiters.read().get(name).map(Named::limiter)
    }

    /// Returns the names.
    pub fn names(&self) -> Vec<String> {
        self.limiters.read().keys().cloned().collect()
    }

    /// Returns the names of limiters that enforce this node's share because the shared store is lost.
    pub fn degraded(&self) -> Vec<String> {
        let is_degraded = |named: &Named| matches!(named, Named::Shared(limiter, _) if limiter.is_degraded());
        let limiters = self.limiters.read();
        limiters.iter().filter(|(_, named)| is_degraded(named)).map(|(name, _)| name.clone()).collect()
    }

    /// Tells where a key stands under a limiter, what binds it, and whether the node is degraded.
    pub async fn explain(&self, name: &str, key: &str) -> Result<RateReport, BackendError> {
        let named = self.limiters.read().get(name).cloned();
        match named {
            Some(Named::Local(limiter, _)) => {
                let states = limiter.states(key).await?;
                Ok(RateReport::new(name, key, states, limiter.override_of(key)))
            }
            Some(Named::Shared(limiter, _)) => limiter.report(key).await,
            None => {
                let known = self.names().join(", ");
                let message = format!("there is no limiter {name}; there are: {known}");
                Err(BackendError::new(ErrorKind::NotFound, "rate_limit", "explain", message))
            }
        }
    }

    fn open(&self, name: &str, settings: &RateSettings) -> Result<Named, BackendError> {
        let RateSettings { rules, max_keys, shared } = settings;
        if !shared {
            let clock = Arc::clone(&self.clock);
            let limiter = LocalRateLimiter::with_max_keys(name, rules, clock, *max_keys)?;
            return Ok(Named::Local(limiter, *max_keys));
        }
        let Some((options, open)) = &self.shared else {
            return Err(wrong(
                name,
                "it is shared, but no shared store is configured; name one, or leave `shared` out",
            ));
        };
        let options = SharedRateOptions { max_keys: *max_keys, ..options.clone() };
        let shared = open(name, rules)?;
        let limiter = SharedRateLimiter::new(name, shared, Arc::clone(&self.clock), options)?;
        Ok(Named::Shared(limiter, *max_keys))
    }
}

impl Named {
    /// Tells whether new settings change no more than rules.
    fn may_become(&self, settings: &RateSettings) -> bool {
        match self {
            Self::Local(_, max_keys) => !settings.shared && *max_keys == settings.max_keys,
            Self::Shared(_, max_keys) => settings.shared && *max_keys == settings.max_keys,
        }
    }
}

impl fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimits").field("limiters", &*self.limiters.read()).finish_non_exhaustive()
    }
}

fn wrong(name: &str, why: &str) -> BackendError {
    BackendError::new(ErrorKind::Misconfigured, "rate_limit", "load", format!("limits.{name}: {why}"))
}

#[cfg(test)]
mod tests {
    use ledgerstone_core::SystemClock;

    use super::super::rule_text::parse_rule;
    use super::*;

    fn settings(rules: &[&str]) -> BTreeMap<String, RateSettings> {
        let rules = rules.iter().map(|text| parse_rule(text).unwrap()).collect();
        BTreeMap::from([("api".to_owned(), RateSettings::local(rules))])
    }

    #[tokio::test]
    async fn a_reload_keeps_what_keys_have_used_of_rules_that_stay() {
        let limits = RateLimits::new(Arc::new(SystemClock::new()));
        limits.load(&settings(&["100/d", "50/h"])).unwrap();
        let limiter = limits.get("api").unwrap();
        limiter.take("ada", 40).await.unwrap();
        limits.load(&settings(&["100/d", "80/h"])).unwrap();
        let left: Vec<_> = limiter.states("ada").await.unwrap().iter().map(|state| state.remaining).collect();
        assert_eq!(left, [60, 80]);
        let explained = limits.explain("api", "ada").await.unwrap().to_string();
        assert!(explained.contains("per_day  100/1d gcra: 60 of 100 left, all again in"), "{explained}");
        assert!(explained.contains("per_hour  80/1h gcra: 80 of 80 left, which is all"), "{explained}");
    }

    #[tokio::test]
    async fn a_reload_with_a_mistake_changes_nothing() {
        let limits = RateLimits::new(Arc::new(SystemClock::new()));
        limits.load(&settings(&["100/d"])).unwrap();
        let mut wrong = settings(&["5/d"]);
        wrong.insert(
            "jobs".into(),
            RateSettings { shared: true, ..RateSettings::local(wrong["api"].rules.clone()) },
        );
        let refused = limits.load(&wrong).unwrap_err();
        assert!(refused.to_string().contains("limits.jobs: it is shared"), "{refused}");
        assert_eq!(limits.get("api").unwrap().rules(), [parse_rule("100/d").unwrap()]);
        assert!(limits.get("jobs").is_none());
        assert_eq!(limits.explain("jobs", "k").await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
