//! What a policy tells about its calls; the names stand in the documentation of the crate.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Key, Label, Level, Metadata, counter, with_recorder};

use crate::refusal::Refusal;
use crate::retry::GivenUp;

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// How a call ended, as metrics label it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Error,
    Refused,
    Cancelled,
}

const OUTCOMES: [&str; 4] = ["ok", "error", "refused", "cancelled"];

/// The metrics of one policy.
///
/// The keys of what every call tells are made once, since making one allocates.
#[derive(Debug)]
pub(crate) struct PolicyMetrics {
    policy: Arc<str>,
    calls: [Key; OUTCOMES.len()],
    seconds: Key,
}

impl PolicyMetrics {
    pub(crate) fn new(policy: Arc<str>) -> Self {
        let label = || Label::new("policy", Arc::clone(&policy));
        let calls = OUTCOMES.map(|outcome| {
            let labels = vec![label(), Label::new("outcome", outcome)];
            Key::from_parts("ledgerstone_policy_calls_total", labels)
        });
        let seconds = Key::from_parts("ledgerstone_policy_call_seconds", vec![label()]);
        Self { policy, calls, seconds }
    }

    pub(crate) fn ended(&self, outcome: Outcome, took: Duration) {
        let [ok, error, refused, cancelled] = &self.calls;
        let calls = match outcome {
            Outcome::Ok => ok,
            Outcome::Error => error,
            Outcome::Refused => refused,
            Outcome::Cancelled => cancelled,
        };
        with_recorder(|recorder| {
            recorder.register_counter(calls, &METADATA).increment(1);
            recorder.register_histogram(&self.seconds, &METADATA).record(took.as_secs_f64());
        });
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        tracing::debug!(policy = %self.policy, slot = refusal.slot(), "refused");
        let slot = refusal.slot();
        counter!("ledgerstone_policy_refused_total", "policy" => Arc::clone(&self.policy), "slot" => slot)
            .increment(1);
    }

    pub(crate) fn retried(&self, attempt: u32, wait: Duration) {
        tracing::debug!(policy = %self.policy, attempt, ?wait, "tries again");
        counter!("ledgerstone_policy_retries_total", "policy" => Arc::clone(&self.policy)).increment(1);
    }

    pub(crate) fn gave_up(&self, why: GivenUp) {
        let reason = why.as_str();
        tracing::debug!(policy = %self.policy, reason, "does not try again");
        counter!(
            "ledgerstone_policy_retries_denied_total",
            "policy" => Arc::clone(&self.policy), "reason" => reason
        )
        .increment(1);
    }

    pub(crate) fn hedged(&self) {
        tracing::debug!(policy = %self.policy, "hedges");
        counter!("ledgerstone_policy_hedges_total", "policy" => Arc::clone(&self.policy)).increment(1);
    }

    pub(crate) fn fell_back(&self) {
        counter!("ledgerstone_policy_fallbacks_total", "policy" => Arc::clone(&self.policy)).increment(1);
    }

    pub(crate) fn waited(&self, bulkhead: &Arc<str>, took: Duration) {
        metrics::histogram!("ledgerstone_bulkhead_wait_seconds", "bulkhead" => Arc::clone(bulkhead))
            .record(took.as_secs_f64());
    }
}
