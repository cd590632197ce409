//! What a policy tells: its metrics by name and label, and its spans.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ledgerstone_core::ErrorKind;
use ledgerstone_resilience::{
    Bulkhead, CircuitBreaker, Hedge, Idempotent, Policy, RateLimitSlot, Retry, RetryBudget, Window,
};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tokio::time::timeout;
use tracing::Subscriber;
use tracing::span::{Attributes, Id, Record};

use crate::upstream::{Allows, Does, Upstream, millis, seconds};

/// Keeps what it is told: counts, the last value of gauges, and the number of observations.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<BTreeMap<String, f64>>>);

#[derive(Debug)]
struct One(Kept, String);

impl One {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(self.0.0.lock().unwrap().entry(self.1.clone()).or_default());
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.change(|kept| *kept += value as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|kept| *kept = value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.change(|kept| *kept += value);
    }

    fn decrement(&self, value: f64) {
        self.change(|kept| *kept -= value);
    }

    fn set(&self, value: f64) {
        self.change(|kept| *kept = value);
    }
}

impl HistogramFn for One {
    fn record(&self, _value: f64) {
        self.change(|kept| *kept += 1.0);
    }
}

impl Kept {
    fn one(&self, key: &Key) -> Arc<One> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Arc::new(One(self.clone(), name.trim_end().to_owned()))
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one(key))
    }
}

/// Runs calls that meet every slot.
async fn calls() {
    let policy = Policy::builder("orders")
        .dependency("db")
        .rate_limit(RateLimitSlot::new(Allows::calls(6), "orders"))
        .total_timeout(seconds(2))
        .retry(Retry::fixed(millis(10)).with_attempts(2))
        .budget(RetryBudget { ratio: 0.0, reserve: 2 })
        .hedge(Hedge::after(millis(50)))
        .circuit_breaker(CircuitBreaker {
            failure_rate: 1.0,
            minimum_calls: 2,
            window: Window::Calls(2),
            ..CircuitBreaker::default()
        })
        .bulkhead(Bulkhead::of(1).with_queue(1, millis(10)))
        .attempt_timeout(millis(100))
        .build()
        .unwrap();
    let upstream = Upstream::that([Does::Answers]);
    policy.run(|| upstream.call()).await.unwrap();
    upstream.now_does(Does::AnswersAfter(millis(90)));
    // Hedged while the only place is taken: the hedge waits for it and is refused.
    policy.run(Idempotent(|_| upstream.call())).await.unwrap();
    timeout(millis(5), policy.run(|| upstream.call())).await.unwrap_err();
    upstream.now_does(Does::Fails(ErrorKind::Unavailable));
    assert_eq!(policy.run_or(Idempotent(|_| upstream.call()), 9).await.unwrap(), 9);
    policy.run(|| upstream.call()).await.unwrap_err();
    upstream.now_does(Does::Hangs);
    policy.run(|| upstream.call()).await.unwrap_err();
    policy.run(|| upstream.call()).await.unwrap_err();
}

#[test]
fn every_slot_tells_what_it_did() {
    let kept = Kept::default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&kept, || runtime.block_on(calls()));
    let told = kept.0.lock().unwrap();
    let lines: Vec<_> = told.iter().map(|(name, value)| format!("{name} {value}")).collect();
    assert_eq!(
        lines,
        [
            "ledgerstone_breaker_state breaker=db 2",
            "ledgerstone_breaker_transitions_total breaker=db to=closed 1",
            "ledgerstone_breaker_transitions_total breaker=db to=open 1",
            "ledgerstone_bulkhead_wait_seconds bulkhead=db 1",
            "ledgerstone_policy_call_seconds policy=orders 7",
            "ledgerstone_policy_calls_total policy=orders outcome=cancelled 1",
            "ledgerstone_policy_calls_total policy=orders outcome=error 1",
            "ledgerstone_policy_calls_total policy=orders outcome=ok 2",
            "ledgerstone_policy_calls_total policy=orders outcome=refused 3",
            "ledgerstone_policy_fallbacks_total policy=orders 1",
            "ledgerstone_policy_hedges_total policy=orders 1",
            "ledgerstone_policy_refused_total policy=orders slot=bulkhead 1",
            "ledgerstone_policy_refused_total policy=orders slot=circuit_breaker 2",
            "ledgerstone_policy_refused_total policy=orders slot=rate_limit 1",
            "ledgerstone_policy_retries_denied_total policy=orders reason=attempts 1",
            "ledgerstone_policy_retries_total policy=orders 1",
        ]
    );
}

/// Keeps the names of the spans that are opened.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("ledgerstone_resilience")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut kept = self.0.lock().unwrap();
        *kept.entry(span.metadata().name()).or_default() += 1;
        Id::from_u64(kept.values().sum())
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_span_stands_wherever_time_passes() {
    let spans = Spans::default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tracing::subscriber::with_default(spans.clone(), || runtime.block_on(calls()));
    let names: Vec<_> = spans.0.lock().unwrap().keys().copied().collect();
    assert_eq!(names, ["attempt", "backoff", "bulkhead", "fallback", "policy", "rate_limit"]);
}
