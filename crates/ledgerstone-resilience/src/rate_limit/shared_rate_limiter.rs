//! The limiter of many nodes that outlives its shared store: each node then enforces its share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, Clock, ErrorKind, RateLimiter, RateOverride, RateRule, RateState, RateVerdict,
};
use tokio::task::AbortHandle;

use super::invalid_rule::InvalidRule;
use super::rate_report::RateReport;
use super::rule_set::check_key;
use super::shared_rates::SharedRates;
use super::shared_watch::SharedWatch;

/// How a limiter behaves towards a shared store that may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedRateOptions {
    /// What this node is called among the others; it must not be another's name.
    pub node: String,
    /// How long a call waits for the shared store before this node decides itself.
    pub bound: Duration,
    /// How long a node that is not heard of counts as alive.
    pub lease: Duration,
    /// How often a lost store is asked whether it is back.
    pub probe: Duration,
    /// How many nodes share a limit, as long as none were ever counted.
    pub nodes_unseen: u32,
    /// How many keys this node remembers.
    pub max_keys: usize,
}

impl SharedRateOptions {
    /// Makes the usual options for a node.
    pub fn of_node(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            bound: Duration::from_millis(50),
            lease: Duration::from_secs(10),
            probe: Duration::from_millis(250),
            nodes_unseen: 1,
            max_keys: super::local_rate_limiter::LocalRateLimiter::MAX_KEYS,
        }
    }
}

/// Limits by key over all nodes, and by this node's share while the shared store is lost.
///
/// While it is there the store decides, and this node notes where each key stands. When it is lost, or
/// does not answer within the bound, this node goes on from what it noted: a call weighs as many times
/// as there were nodes alive, so that all together let through what is left and no more. A key that a
/// node never asked for begins with that node's whole share. A cost above the share passes when the
/// share is whole. A lost store is asked in the background; no call waits for it.
///
/// What degraded nodes let through is not told to the store when it is back.
#[derive(Debug, Clone)]
pub struct SharedRateLimiter {
    watch: Arc<SharedWatch>,
    _watching: Arc<Watching>,
}

/// Ends the watch with the last handle.
#[derive(Debug)]
struct Watching(AbortHandle);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl SharedRateLimiter {
    /// Creates a limiter, and begins to watch the store; within a Tokio runtime.
    pub fn new(
        name: &str,
        shared: Arc<dyn SharedRates>,
        clock: Arc<dyn Clock>,
        options: SharedRateOptions,
    ) -> Result<Self, InvalidRule> {
        let watch = Arc::new(SharedWatch::new(name, shared, clock, options)?);
        let task = tokio::spawn(Arc::clone(&watch).run());
        Ok(Self { watch, _watching: Arc::new(Watching(task.abort_handle())) })
    }

    /// Tells whether this node enforces its own share because the shared store is lost.
    pub fn is_degraded(&self) -> bool {
        self.watch.is_degraded()
    }

    /// Returns how many nodes were last counted.
    pub fn nodes(&self) -> u32 {
        self.watch.nodes()
    }

    /// Lets other rules bind every key without an override; a rule that stays the same keeps its tallies.
    pub fn set_rules(&self, rules: &[RateRule]) -> Result<(), InvalidRule> {
        self.watch.shadow.set_rules(rules)?;
        self.watch.shared.set_rules(rules)
    }

    /// Tells where a key stands, what binds it, and who says so.
    pub async fn report(&self, key: &str) -> Result<RateReport, BackendError> {
        check_key(key)?;
        let name = &self.watch.name;
        if let Some(answer) = self.watch.ask(self.watch.shared.take_whole(key, 0)).await {
            let whole = answer?;
            return Ok(RateReport::new(name, key, whole.states, whole.overridden));
        }
        let states = self.watch.shadow.states(key, self.nodes())?;
        let mut report = RateReport::new(name, key, states, self.watch.shadow.override_of(key));
        report.share_of = Some(self.nodes());
        Ok(report)
    }

    fn lost(operation: &'static str) -> BackendError {
        let message = "the shared store is lost, and this must hold on every node; try again when it is back";
        BackendError::new(ErrorKind::Unavailable, "rate_limit", operation, message)
    }
}

#[async_trait]
impl RateLimiter for SharedRateLimiter {
    fn rules(&self) -> Vec<RateRule> {
        self.watch.shadow.rules()
    }

    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        check_key(key)?;
        if let Some(answer) = self.watch.ask(self.watch.shared.take_whole(key, cost)).await {
            let whole = answer?;
            self.watch.shadow.mirror(key, whole.overridden.as_ref(), &whole.states);
            return Ok(whole.verdict);
        }
        let verdict = self.watch.shadow.take(key, cost, self.nodes())?;
        self.watch.count_degraded(verdict.is_allowed);
        Ok(RateVerdict { is_degraded: true, ..verdict })
    }

    async fn states(&self, key: &str) -> Result<Vec<RateState>, BackendError> {
        check_key(key)?;
        match self.watch.ask(self.watch.shared.states(key)).await {
            Some(answer) => answer,
            None => self.watch.shadow.states(key, self.nodes()),
        }
    }

    async fn set_override(&self, key: &str, rules: Option<RateOverride>) -> Result<(), BackendError> {
        let answer = self.watch.ask(self.watch.shared.set_override(key, rules.clone())).await;
        answer.unwrap_or_else(|| Err(Self::lost("set_override")))?;
        self.watch.shadow.set_override(key, rules.as_ref())
    }

    async fn reset(&self, key: &str) -> Result<(), BackendError> {
        let answer = self.watch.ask(self.watch.shared.reset(key)).await;
        answer.unwrap_or_else(|| Err(Self::lost("reset")))?;
        self.watch.shadow.reset(key)
    }
}
