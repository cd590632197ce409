//! The limiter in Redis: one script decides for all rules of a key, by the server's own clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, ErrorKind, RateLimiter, RateOverride, RateRule, RateState, RateVerdict,
};
use parking_lot::RwLock;
use redis::Script;

use super::redis_link::RedisLink;
use super::stored_rules::StoredRules;
use crate::rate_limit::invalid_rule::InvalidRule;
use crate::rate_limit::limit_counters::LimitCounters;
use crate::rate_limit::rule_set::{check_key, too_much};
use crate::rate_limit::shared_rates::{SharedRates, WholeVerdict};

/// Where the keys are kept, and how long Redis may take to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisRateOptions {
    /// What every key in Redis begins with; without braces.
    pub prefix: String,
    /// How long a call may take, connecting included.
    pub bound: Duration,
}

impl Default for RedisRateOptions {
    fn default() -> Self {
        Self { prefix: "ledgerstone:limits".into(), bound: Duration::from_millis(250) }
    }
}

/// Limits by key over all nodes that use the same Redis, prefix and name.
///
/// A key is two entries in Redis, what it has used and its override, both in one slot of a cluster. The
/// first expires once the key has everything again. Redis may be down when this is made, and go down.
#[derive(Debug, Clone)]
pub struct RedisRateLimiter {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    prefix: String,
    link: RedisLink,
    take: Script,
    lease: Script,
    ready: RwLock<Arc<Ready>>,
    /// What decisions under an override are counted by.
    overridden: LimitCounters,
}

/// The common rules, checked, and as the script reads them.
#[derive(Debug)]
struct Ready {
    rules: Vec<(Arc<RateRule>, LimitCounters)>,
    json: String,
}

impl Ready {
    fn of(name: &str, rules: &[RateRule]) -> Result<Self, BackendError> {
        let json = StoredRules::of(rules)?.to_json()?;
        let counted = |rule: &RateRule| (Arc::new(rule.clone()), LimitCounters::of(Some(name), &rule.name));
        Ok(Self { rules: rules.iter().map(counted).collect(), json })
    }
}

/// What the script answers.
type Answer = (i64, u64, u64, String, Vec<u64>, usize);

impl RedisRateLimiter {
    /// Creates a limiter without connecting; within a Tokio runtime.
    pub fn new(
        name: &str,
        rules: &[RateRule],
        url: &str,
        options: RedisRateOptions,
    ) -> Result<Self, BackendError> {
        let prefix = format!("{}:{name}", options.prefix);
        if prefix.contains(['{', '}']) {
            let message =
                format!("the prefix and name `{prefix}` must be without braces, which mark the slot");
            return Err(BackendError::new(ErrorKind::Misconfigured, "redis", "open", message));
        }
        let inner = Inner {
            name: name.to_owned(),
            prefix,
            link: RedisLink::new(url, options.bound)?,
            take: Script::new(include_str!("take.lua")),
            lease: Script::new(include_str!("lease.lua")),
            ready: RwLock::new(Arc::new(Ready::of(name, rules)?)),
            overridden: LimitCounters::of(Some(name), "override"),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the key under which Redis keeps something of a key.
    fn stored(&self, key: &str, what: char) -> String {
        // A brace within would move the two entries of a key to two slots.
        let key = key.replace('%', "%25").replace('{', "%7B").replace('}', "%7D");
        format!("{}:{{{key}}}:{what}", self.inner.prefix)
    }

    async fn decide(&self, key: &str, cost: u32, only_look: bool) -> Result<WholeVerdict, BackendError> {
        check_key(key)?;
        let ready = Arc::clone(&self.inner.ready.read());
        let mut call = self.inner.take.prepare_invoke();
        call.key(self.stored(key, 't')).key(self.stored(key, 'o'));
        call.arg(cost).arg(&ready.json).arg(u8::from(only_look));
        let operation = if only_look { "states" } else { "take" };
        let answer: Answer = self.inner.link.invoke(operation, &call).await?;
        let overridden = match answer.3.as_str() {
            "" => None,
            json => Some(StoredRules::override_of(json)?),
        };
        let whole = whole(&ready, answer, overridden, cost)?;
        if !only_look && cost > 0 {
            self.count(&ready, &whole);
        }
        Ok(whole)
    }

    fn count(&self, ready: &Ready, whole: &WholeVerdict) {
        let tightest = whole.verdict.tightest.as_ref();
        let rule = tightest.and_then(|state| ready.rules.iter().find(|(rule, _)| *rule == state.rule));
        let counters = match (&whole.overridden, rule) {
            (None, Some((_, counters))) => counters,
            _ => &self.inner.overridden,
        };
        if whole.verdict.is_allowed { counters.allowed() } else { counters.refused() }
    }
}

fn whole(
    ready: &Ready,
    answer: Answer,
    overridden: Option<RateOverride>,
    cost: u32,
) -> Result<WholeVerdict, BackendError> {
    let (status, wait, _, _, numbers, refused_by) = answer;
    let rules: Vec<Arc<RateRule>> = match &overridden {
        None => ready.rules.iter().map(|(rule, _)| Arc::clone(rule)).collect(),
        Some(RateOverride::Rules(rules)) => rules.iter().map(|rule| Arc::new(rule.clone())).collect(),
        Some(_) => Vec::new(),
    };
    let refusing = refused_by.checked_sub(1);
    if status < 0 {
        return match refusing.and_then(|index| rules.get(index)) {
            Some(rule) => Err(too_much(cost, rule)),
            None => Err(unreadable()),
        };
    }
    if numbers.len() != 2 * rules.len() {
        return Err(unreadable());
    }
    let state = |(rule, numbers): (Arc<RateRule>, &[u64])| RateState {
        rule,
        remaining: u32::try_from(numbers[0]).unwrap_or(u32::MAX),
        resets_in: Duration::from_micros(numbers[1]),
    };
    let states: Vec<_> = rules.into_iter().zip(numbers.chunks_exact(2)).map(state).collect();
    let tightest = match refusing {
        Some(index) => states.get(index),
        None => states.iter().min_by_key(|state| state.remaining),
    };
    let verdict = RateVerdict {
        is_allowed: status == 1,
        tightest: tightest.cloned(),
        retry_after: refusing.map(|_| Duration::from_micros(wait)),
        is_degraded: false,
    };
    Ok(WholeVerdict { verdict, states, overridden })
}

fn unreadable() -> BackendError {
    let message = "the answer of the script does not fit its rules; see that all nodes run the same version";
    BackendError::new(ErrorKind::Internal, "redis", "take", message)
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    fn rules(&self) -> Vec<RateRule> {
        self.inner.ready.read().rules.iter().map(|(rule, _)| RateRule::clone(rule)).collect()
    }

    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        Ok(self.decide(key, cost, false).await?.verdict)
    }

    async fn states(&self, key: &str) -> Result<Vec<RateState>, BackendError> {
        Ok(self.decide(key, 0, true).await?.states)
    }

    async fn set_override(&self, key: &str, rules: Option<RateOverride>) -> Result<(), BackendError> {
        check_key(key)?;
        let place = self.stored(key, 'o');
        let command = match rules {
            None => redis::cmd("DEL").arg(place).to_owned(),
            Some(rules) => {
                let json = StoredRules::of_override(&rules)?.to_json()?;
                redis::cmd("SET").arg(place).arg(json).to_owned()
            }
        };
        self.inner.link.query("set_override", &command).await
    }

    async fn reset(&self, key: &str) -> Result<(), BackendError> {
        check_key(key)?;
        let command = redis::cmd("DEL").arg(self.stored(key, 't')).to_owned();
        self.inner.link.query("reset", &command).await
    }
}

#[async_trait]
impl SharedRates for RedisRateLimiter {
    async fn take_whole(&self, key: &str, cost: u32) -> Result<WholeVerdict, BackendError> {
        self.decide(key, cost, false).await
    }

    async fn renew_lease(&self, node: &str, keep_for: Duration) -> Result<u32, BackendError> {
        let mut call = self.inner.lease.prepare_invoke();
        let millis = u64::try_from(keep_for.as_millis()).unwrap_or(u64::MAX);
        call.key(format!("{}:{{nodes}}:n", self.inner.prefix)).arg(node).arg(millis);
        self.inner.link.invoke("renew_lease", &call).await
    }

    fn set_rules(&self, rules: &[RateRule]) -> Result<(), InvalidRule> {
        StoredRules::of(rules)?;
        match Ready::of(&self.inner.name, rules) {
            Ok(ready) => *self.inner.ready.write() = Arc::new(ready),
            // They are checked above, and JSON holds whatever they can be.
            Err(error) => tracing::error!(%error, "the rules of a limiter were not changed"),
        }
        Ok(())
    }
}
