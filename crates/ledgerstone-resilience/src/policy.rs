//! A policy: how calls to one dependency are limited, timed, repeated, spaced and stopped.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ledgerstone_core::{BackendError, Retryable};
use tokio::time::Instant;
use tracing::{Instrument as _, debug_span};

use crate::call::Call;
use crate::dependencies::Dependencies;
use crate::failure::Failure;
use crate::jitter::ThreadJitter;
use crate::onion::Onion;
use crate::policy_builder::PolicyBuilder;
use crate::policy_metrics::{Outcome, PolicyMetrics};
use crate::run;
use crate::slots::Slots;

/// A policy around calls to one dependency: named slots in one fixed order.
///
/// From the outside in: fallback, rate limit, total timeout, retry, hedge, circuit breaker, bulkhead,
/// attempt timeout. A slot that is left out does nothing. The order in which a builder or a file names them
/// is of no account, so nobody has to work out what encloses what; [`explain`](Self::explain) prints it.
///
/// 1. Whether a call is repeated is decided by its type first ([`Call`]); a bare closure runs once.
/// 2. It keeps to the [`Deadline`](crate::Deadline) of the task, whatever its slots are, and hands the
///    tighter of that and its own on to what it calls.
/// 3. A caller that gives up gives everything back: places, probes, and its place in a queue.
/// 4. A policy taken from [`Policies`](crate::Policies) follows reloads; a call under way ends under the
///    rules that it began with.
///
/// Clones are cheap and share everything.
#[derive(Clone)]
pub struct Policy {
    name: Arc<str>,
    onion: Arc<ArcSwap<Onion>>,
}

impl Policy {
    /// Begins a policy of this name; it has no slot yet.
    pub fn builder(name: &str) -> PolicyBuilder {
        PolicyBuilder::new(name)
    }

    /// Makes a policy without any slot: calls go through, within the deadline of the task.
    pub fn none(name: &str) -> Self {
        let name: Arc<str> = name.into();
        let jitter = Arc::new(ThreadJitter);
        let (of, none) = (Arc::clone(&name), Slots::default());
        Self::of(Onion::new(name, of, none, jitter, &Dependencies::new()))
    }

    pub(crate) fn of(onion: Onion) -> Self {
        Self { name: Arc::clone(&onion.name), onion: Arc::new(ArcSwap::from_pointee(onion)) }
    }

    /// Puts another onion in place, for this handle and all its clones.
    pub(crate) fn replace(&self, onion: Onion) {
        self.onion.store(Arc::new(onion));
    }

    /// Returns the name of the policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the dependency that it stands before: what its breaker, bulkhead and budget are shared by.
    pub fn dependency(&self) -> Arc<str> {
        Arc::clone(&self.onion.load().dependency)
    }

    /// Prints the onion, outermost first: every slot with its values, on a line of its own.
    pub fn explain(&self) -> String {
        let onion = self.onion.load();
        onion.slots.explain(&onion.name, &onion.dependency)
    }

    /// Runs a call through every slot; a refusal of one becomes the error of the call.
    ///
    /// # Errors
    ///
    /// The error of the last attempt; or, if a slot refused the call or gave it up, a [`BackendError`] of
    /// kind `Throttled`, `TimedOut` or `Unavailable` whose code tells the slot.
    pub async fn run<C>(&self, call: C) -> Result<C::Output, C::Error>
    where
        C: Call,
        C::Error: Retryable + From<BackendError>,
    {
        self.try_run(call).await.map_err(Failure::into_error)
    }

    /// Runs a call through every slot and tells refusals from errors of the call.
    ///
    /// # Errors
    ///
    /// The error of the last attempt, or what a slot decided.
    pub async fn try_run<C>(&self, call: C) -> Result<C::Output, Failure<C::Error>>
    where
        C: Call,
        C::Error: Retryable,
    {
        let onion = self.onion.load_full();
        let started = Instant::now();
        let mut told = Told { metrics: &onion.metrics, started, outcome: Outcome::Cancelled };
        let span = debug_span!("policy", policy = %onion.name);
        let answer = run::run(&onion, call.into_attempts(), started).instrument(span).await;
        told.outcome = match &answer {
            Ok(_) => Outcome::Ok,
            Err(Failure::Call(_)) => Outcome::Error,
            Err(Failure::Refused(_)) => Outcome::Refused,
        };
        answer
    }

    /// Runs a call, and answers `value` after a failure that the fallback slot covers.
    ///
    /// Without that slot those are refusals and retryable errors: an answer such as "there is no such
    /// thing" is never replaced unless somebody asked for it.
    ///
    /// # Errors
    ///
    /// What [`run`](Self::run) fails with, where the slot does not cover it.
    pub async fn run_or<C>(&self, call: C, value: C::Output) -> Result<C::Output, C::Error>
    where
        C: Call,
        C::Error: Retryable + From<BackendError>,
    {
        self.run_or_else(call, |_| std::future::ready(Ok(value))).await
    }

    /// Runs a call, and lets `fallback` answer after a failure that the fallback slot covers.
    ///
    /// # Errors
    ///
    /// What `fallback` fails with, and what [`run`](Self::run) fails with where the slot does not cover it.
    pub async fn run_or_else<C, F, Fut>(&self, call: C, fallback: F) -> Result<C::Output, C::Error>
    where
        C: Call,
        C::Error: Retryable + From<BackendError>,
        F: FnOnce(Failure<C::Error>) -> Fut,
        Fut: Future<Output = Result<C::Output, C::Error>>,
    {
        let failure = match self.try_run(call).await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let onion = self.onion.load_full();
        if !onion.slots.fallback.unwrap_or_default().covers(&failure) {
            return Err(failure.into_error());
        }
        onion.metrics.fell_back();
        fallback(failure).instrument(debug_span!("fallback", policy = %onion.name)).await
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("name", &self.name).field("onion", &self.explain()).finish()
    }
}

/// Tells how a call ended once it is dropped, so that a cancelled one is told as well.
struct Told<'a> {
    metrics: &'a PolicyMetrics,
    started: Instant,
    outcome: Outcome,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let took: Duration = self.started.elapsed();
        self.metrics.ended(self.outcome, took);
    }
}
