//! What a case gets: limiters with the rules that it asks for, over one store, and time that passes.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ledgerstone_core::{RateAlgorithm, RateLimiter, RateRule};

use crate::conformance::case::{Case, CaseError};
use crate::conformance::fresh::Fresh;
use crate::fixed_clock::FixedClock;

pub(super) type FreshLimiters = Fresh<Limiters>;
pub(super) type Cases = Vec<Case<Limiters>>;

type Nodes = Vec<Arc<dyn RateLimiter>>;
type Open = dyn Fn(Vec<RateRule>) -> BoxFuture<'static, Result<Nodes, CaseError>> + Send + Sync;
type Kept = dyn Fn() -> BoxFuture<'static, Result<usize, CaseError>> + Send + Sync;

/// Opens limiters with any rules, all over one store with nothing in it.
pub struct Limiters {
    algorithm: RateAlgorithm,
    clock: Option<Arc<FixedClock>>,
    open: Box<Open>,
    kept: Box<Kept>,
}

impl Limiters {
    /// Takes how to open one limiter or several that share what keys have, and how to count remembered keys.
    ///
    /// The rules that cases ask for count by `algorithm`. A limiter in a process should have room for
    /// about a hundred keys, so that a case sees them forgotten. Time passes by sleeping, unless there is
    /// a [clock](Self::by_clock).
    pub fn new<F, G>(
        algorithm: RateAlgorithm,
        open: impl Fn(Vec<RateRule>) -> F + Send + Sync + 'static,
        kept: impl Fn() -> G + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Nodes, CaseError>> + Send + 'static,
        G: Future<Output = Result<usize, CaseError>> + Send + 'static,
    {
        let open = Box::new(move |rules| open(rules).boxed());
        Self { algorithm, clock: None, open, kept: Box::new(move || kept().boxed()) }
    }

    /// Lets time pass by the clock that the limiters read.
    #[must_use]
    pub fn by_clock(mut self, clock: Arc<FixedClock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes a rule that is called after its time.
    pub(super) fn rule(&self, limit: u32, per: Duration) -> RateRule {
        let name = format!("per_{}ms", per.as_millis());
        RateRule { name, limit, per, burst: None, algorithm: self.algorithm }
    }

    /// Opens all nodes.
    pub(super) async fn nodes(&self, rules: &[RateRule]) -> Result<Nodes, CaseError> {
        let nodes = (self.open)(rules.to_vec()).await?;
        if nodes.is_empty() { Err("no limiter was opened".into()) } else { Ok(nodes) }
    }

    /// Opens one limiter.
    pub(super) async fn one(&self, rules: &[RateRule]) -> Result<Arc<dyn RateLimiter>, CaseError> {
        self.nodes(rules).await?.pop().ok_or_else(|| "no limiter was opened".into())
    }

    /// Opens one limiter with so much an hour, in which nothing comes back while a case runs.
    pub(super) async fn hourly(&self, limit: u32) -> Result<Arc<dyn RateLimiter>, CaseError> {
        self.one(&[self.rule(limit, HOUR)]).await
    }

    /// Lets time pass.
    pub(super) async fn pass(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.advance(time),
            // The server's clock cannot be moved; a little more, since it and ours do not tick together.
            None => tokio::time::sleep(time + Duration::from_millis(5)).await,
        }
    }

    /// Counts the keys that are remembered.
    pub(super) async fn kept(&self) -> Result<usize, CaseError> {
        (self.kept)().await
    }
}

pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes, and tells whether that was allowed.
pub(super) async fn takes(limiter: &Arc<dyn RateLimiter>, key: &str, cost: u32) -> Result<bool, CaseError> {
    Ok(limiter.take(key, cost).await?.is_allowed)
}

/// Returns what is left of each rule.
pub(super) async fn left(limiter: &Arc<dyn RateLimiter>, key: &str) -> Result<Vec<u32>, CaseError> {
    Ok(limiter.states(key).await?.iter().map(|state| state.remaining).collect())
}

impl fmt::Debug for Limiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiters").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
