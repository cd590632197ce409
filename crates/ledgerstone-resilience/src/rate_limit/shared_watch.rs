//! The watch over a shared store: whether it is there, and how many nodes share it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ledgerstone_core::{BackendError, Clock, ErrorKind};
use metrics::{Counter, Gauge};
use tokio::sync::Notify;

use super::invalid_rule::InvalidRule;
use super::keyed_tallies::KeyedTallies;
use super::shared_rate_limiter::SharedRateOptions;
use super::shared_rates::SharedRates;

/// A shared store, what this node noted of it, and whether it is lost.
#[derive(Debug)]
pub(crate) struct SharedWatch {
    pub(crate) name: String,
    pub(crate) shared: Arc<dyn SharedRates>,
    /// Where keys stood when the store was last asked for them.
    pub(crate) shadow: KeyedTallies,
    options: SharedRateOptions,
    nodes: AtomicU32,
    is_degraded: AtomicBool,
    lost: Notify,
    counters: Counters,
}

struct Counters {
    allowed: Counter,
    refused: Counter,
    is_degraded: Gauge,
}

impl SharedWatch {
    pub(crate) fn new(
        name: &str,
        shared: Arc<dyn SharedRates>,
        clock: Arc<dyn Clock>,
        options: SharedRateOptions,
    ) -> Result<Self, InvalidRule> {
        let shadow = KeyedTallies::new(&shared.rules(), Some(name.to_owned()), options.max_keys, clock)?;
        let degraded = |verdict: &str| {
            let labels = [("limiter", name.to_owned()), ("verdict", verdict.to_owned())];
            metrics::counter!("ledgerstone_rate_limit_degraded_total", &labels)
        };
        let counters = Counters {
            allowed: degraded("allowed"),
            refused: degraded("refused"),
            is_degraded: metrics::gauge!("ledgerstone_rate_limit_is_degraded", "limiter" => name.to_owned()),
        };
        Ok(Self {
            name: name.to_owned(),
            shared,
            shadow,
            nodes: AtomicU32::new(options.nodes_unseen.max(1)),
            options,
            is_degraded: AtomicBool::new(false),
            lost: Notify::new(),
            counters,
        })
    }

    pub(crate) fn is_degraded(&self) -> bool {
        self.is_degraded.load(Ordering::Relaxed)
    }

    pub(crate) fn nodes(&self) -> u32 {
        self.nodes.load(Ordering::Relaxed)
    }

    pub(crate) fn count_degraded(&self, is_allowed: bool) {
        let Counters { allowed, refused, .. } = &self.counters;
        if is_allowed { allowed.increment(1) } else { refused.increment(1) }
    }

    /// Asks the store, within the bound; nothing if it is lost, so that this node must decide itself.
    pub(crate) async fn ask<T>(
        &self,
        call: impl Future<Output = Result<T, BackendError>>,
    ) -> Option<Result<T, BackendError>> {
        if self.is_degraded() {
            return None;
        }
        match tokio::time::timeout(self.options.bound, call).await {
            Ok(Ok(answer)) => Some(Ok(answer)),
            // That is the caller's mistake, and would be one on any node.
            Ok(Err(error)) if error.kind() == ErrorKind::Invalid => Some(Err(error)),
            Ok(Err(error)) => {
                self.degrade(&error.to_string());
                None
            }
            Err(_) => {
                self.degrade("it did not answer in time");
                None
            }
        }
    }

    fn degrade(&self, why: &str) {
        if !self.is_degraded.swap(true, Ordering::Relaxed) {
            let nodes = self.nodes();
            tracing::warn!(
                limiter = self.name,
                why,
                nodes,
                "the shared store is lost; this node enforces its share"
            );
            self.counters.is_degraded.set(1.0);
            self.lost.notify_one();
        }
    }

    /// Renews this node's lease, and asks a lost store whether it is back, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        let SharedRateOptions { node, lease, probe, .. } = &self.options;
        // A store that is slow to come back may take longer than a call would wait for it.
        let patience = (*probe).max(self.options.bound);
        loop {
            let renewal = self.shared.renew_lease(node, *lease);
            let wait = match tokio::time::timeout(patience, renewal).await {
                Ok(Ok(nodes)) => {
                    self.nodes.store(nodes.max(1), Ordering::Relaxed);
                    if self.is_degraded.swap(false, Ordering::Relaxed) {
                        tracing::info!(limiter = self.name, nodes, "the shared store is back");
                    }
                    self.counters.is_degraded.set(0.0);
                    *lease / 3
                }
                Ok(Err(error)) => {
                    self.degrade(&error.to_string());
                    *probe
                }
                Err(_) => {
                    self.degrade("it did not answer in time");
                    *probe
                }
            };
            // A call that finds the store lost shortens a long wait, but never the one between two probes.
            tokio::time::sleep((*probe).min(wait)).await;
            if wait > *probe {
                let _ = tokio::time::timeout(wait - *probe, self.lost.notified()).await;
            }
        }
    }
}

impl std::fmt::Debug for Counters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counters")
    }
}
