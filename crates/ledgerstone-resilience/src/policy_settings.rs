//! A policy as configuration writes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{RateLimiter, nearest};
use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;
use crate::bulkhead::Bulkhead;
use crate::circuit_breaker::CircuitBreaker;
use crate::duration_text;
use crate::fallback_on::FallbackOn;
use crate::hedge::Hedge;
use crate::jitter::Jitter;
use crate::policy_builder::PolicyBuilder;
use crate::rate_limit_slot::RateLimitSlot;
use crate::retry::Retry;
use crate::retry_budget::RetryBudget;
use crate::slots::{Budget, Slots};
use crate::window::Window;

/// A policy as configuration writes it; the default has no slot.
///
/// Spans of time are text: `250ms`, `2s`, `1m`. A key that is not known is an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySettings {
    /// What breaker, bulkhead and budget are shared by; the policy's name if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependency: Option<String>,
    /// After which failures the fallback of a call answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackOn>,
    /// Which limiter a call takes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitSettings>,
    /// How long a call may take in all.
    #[serde(with = "duration_text::optional", skip_serializing_if = "Option::is_none")]
    pub total_timeout: Option<Duration>,
    /// How often a call is repeated, and with which waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySettings>,
    /// What retries and hedges may cost the dependency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetSettings>,
    /// When a late call is asked once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgeSettings>,
    /// When calls are stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<BreakerSettings>,
    /// How many calls may be under way at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulkhead: Option<BulkheadSettings>,
    /// How long one attempt may take.
    #[serde(with = "duration_text::optional", skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<Duration>,
}

/// The rate limit slot as configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitSettings {
    /// The name of the limiter.
    pub limiter: String,
    /// The key that all calls take from; the policy's name if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What a call costs.
    #[serde(default = "one")]
    pub cost: u32,
}

fn one() -> u32 {
    1
}

/// The retry slot as configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// How many attempts a call has in all; 1 means no retry.
    pub attempts: u32,
    /// `fixed`, `exponential`, `decorrelated`, or the name of a strategy that the program brought.
    pub backoff: String,
    /// The fixed wait; the longest first one of `exponential`; the shortest one of `decorrelated`.
    #[serde(with = "duration_text")]
    pub base: Duration,
    /// The longest wait.
    #[serde(with = "duration_text")]
    pub cap: Duration,
    /// The longest `Retry-After` that is waited out.
    #[serde(with = "duration_text")]
    pub longest_retry_after: Duration,
    /// The least time that an attempt needs.
    #[serde(with = "duration_text")]
    pub attempt_needs: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: Retry::ATTEMPTS,
            backoff: "exponential".to_owned(),
            base: Duration::from_millis(50),
            cap: Duration::from_secs(2),
            longest_retry_after: Retry::LONGEST_RETRY_AFTER,
            attempt_needs: Duration::ZERO,
        }
    }
}

/// The retry budget as configuration writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSettings {
    /// Whether there is one at all.
    pub enabled: bool,
    /// What a call pays in, from 0 to 1.
    pub ratio: f64,
    /// What is held at most.
    pub reserve: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        let RetryBudget { ratio, reserve } = RetryBudget::default();
        Self { enabled: true, ratio, reserve }
    }
}

/// The hedge slot as configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HedgeSettings {
    /// How late an answer is before another attempt begins.
    #[serde(with = "duration_text")]
    pub delay: Duration,
    /// How many attempts may be begun beside the first.
    #[serde(default = "one")]
    pub most: u32,
}

/// The circuit breaker slot as configuration writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// The part of the calls that may fail.
    pub failure_rate: f64,
    /// How long a call takes that is slow.
    #[serde(with = "duration_text::optional", skip_serializing_if = "Option::is_none")]
    pub slow_call: Option<Duration>,
    /// The part of the calls that may be slow.
    pub slow_call_rate: f64,
    /// How many calls the window needs before a rate means anything.
    pub minimum_calls: u32,
    /// Over which time the rates are reckoned; 30 seconds if `window_calls` is left out as well.
    #[serde(with = "duration_text::optional", skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// Over how many calls the rates are reckoned, instead of a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_calls: Option<u32>,
    /// How long it stays open before it tries again.
    #[serde(with = "duration_text")]
    pub open_for: Duration,
    /// How many calls may try at once, and have to succeed.
    pub probes: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let rules = CircuitBreaker::default();
        Self {
            failure_rate: rules.failure_rate,
            slow_call: rules.slow_call,
            slow_call_rate: rules.slow_call_rate,
            minimum_calls: rules.minimum_calls,
            window: None,
            window_calls: None,
            open_for: rules.open_for,
            probes: rules.probes,
        }
    }
}

/// The bulkhead slot as configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkheadSettings {
    /// How many calls may be under way at once.
    pub concurrency: usize,
    /// How many further ones may wait.
    #[serde(default)]
    pub queue: usize,
    /// How long one waits at most.
    #[serde(with = "duration_text", default = "second")]
    pub longest_wait: Duration,
}

fn second() -> Duration {
    Duration::from_secs(1)
}

/// What settings name and cannot hold: limiters, strategies, the source of randomness.
#[derive(Debug, Clone, Default)]
pub struct PolicyParts {
    /// The rate limiters by the names that settings give.
    pub limiters: BTreeMap<String, Arc<dyn RateLimiter>>,
    /// Further backoff strategies by the names that settings give.
    pub backoffs: BTreeMap<String, Arc<dyn Backoff>>,
    /// The random part of waits; the thread's generator if it is left out.
    pub jitter: Option<Arc<dyn Jitter>>,
}

impl PolicySettings {
    /// Turns the settings into a policy in the making, or says what is wrong with them.
    pub(crate) fn builder(&self, name: &str, parts: &PolicyParts) -> Result<PolicyBuilder, String> {
        let slots = Slots {
            fallback: self.fallback,
            rate_limit: self.rate_limit.as_ref().map(|slot| slot.slot(name, parts)).transpose()?,
            total_timeout: self.total_timeout,
            retry: self.retry.as_ref().map(|slot| slot.slot(parts)).transpose()?,
            hedge: self.hedge.as_ref().map(|slot| Hedge::after(slot.delay).with_most(slot.most)),
            circuit_breaker: self.circuit_breaker.as_ref().map(BreakerSettings::slot).transpose()?,
            bulkhead: self
                .bulkhead
                .as_ref()
                .map(|slot| Bulkhead::of(slot.concurrency).with_queue(slot.queue, slot.longest_wait)),
            attempt_timeout: self.attempt_timeout,
            budget: self.budget.as_ref().map_or(Budget::Usual, BudgetSettings::budget),
        };
        let mut builder = PolicyBuilder::new(name).slots(slots);
        if let Some(dependency) = &self.dependency {
            builder = builder.dependency(dependency);
        }
        if let Some(jitter) = &parts.jitter {
            builder = builder.shared_jitter(Arc::clone(jitter));
        }
        Ok(builder)
    }
}

impl RateLimitSettings {
    fn slot(&self, policy: &str, parts: &PolicyParts) -> Result<RateLimitSlot, String> {
        let limiter = find(&parts.limiters, "rate limiter", &self.limiter, &[])?;
        let key = self.key.as_deref().unwrap_or(policy);
        Ok(RateLimitSlot::new(limiter, key).with_cost(self.cost))
    }
}

impl RetrySettings {
    const STRATEGIES: &[&str] = &["fixed", "exponential", "decorrelated"];

    fn slot(&self, parts: &PolicyParts) -> Result<Retry, String> {
        let retry = match self.backoff.as_str() {
            "fixed" => Retry::fixed(self.base),
            "exponential" => Retry::exponential(self.base, self.cap),
            "decorrelated" => Retry::decorrelated(self.base, self.cap),
            custom => Retry::shared(find(&parts.backoffs, "backoff", custom, Self::STRATEGIES)?),
        };
        Ok(retry
            .with_attempts(self.attempts)
            .with_longest_retry_after(self.longest_retry_after)
            .with_attempt_needs(self.attempt_needs))
    }
}

impl BudgetSettings {
    fn budget(&self) -> Budget {
        let Self { enabled, ratio, reserve } = *self;
        if enabled { Budget::Of(RetryBudget { ratio, reserve }) } else { Budget::Unlimited }
    }
}

impl BreakerSettings {
    fn slot(&self) -> Result<CircuitBreaker, String> {
        let window = match (self.window, self.window_calls) {
            (Some(_), Some(_)) => {
                return Err(
                    "the circuit breaker has a window of time and one of calls; leave one out".to_owned()
                );
            }
            (Some(time), None) => Window::Time(time),
            (None, Some(calls)) => Window::Calls(calls),
            (None, None) => CircuitBreaker::default().window,
        };
        Ok(CircuitBreaker {
            failure_rate: self.failure_rate,
            slow_call: self.slow_call,
            slow_call_rate: self.slow_call_rate,
            minimum_calls: self.minimum_calls,
            window,
            open_for: self.open_for,
            probes: self.probes,
        })
    }
}

/// Finds a part by its name, or tells the names that there are.
fn find<T: ?Sized>(
    parts: &BTreeMap<String, Arc<T>>,
    what: &str,
    name: &str,
    built_in: &[&str],
) -> Result<Arc<T>, String> {
    if let Some(part) = parts.get(name) {
        return Ok(Arc::clone(part));
    }
    let known = || built_in.iter().copied().chain(parts.keys().map(String::as_str));
    let hint = match nearest(name, known()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("known are: {}", known().collect::<Vec<_>>().join(", ")),
    };
    Err(format!("there is no {what} named {name}; {hint}"))
}
