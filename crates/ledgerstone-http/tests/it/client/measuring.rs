//! Metrics of calls: by template, and never by URL.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_http::{Http, Route};
use ledgerstone_resilience::Policy;
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;

use crate::client::hostile_server::{Hostile, Step};
use crate::client::plain;
use crate::client::scripted::{Scripted, says};

/// Remembers the labels of everything that is recorded.
#[derive(Debug, Clone, Default)]
struct Remembering(Arc<Mutex<Vec<String>>>);

struct Recorded {
    labels: String,
    into: Remembering,
}

impl HistogramFn for Recorded {
    fn record(&self, _: f64) {
        self.into.0.lock().push(self.labels.clone());
    }
}

impl Recorder for Remembering {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if key.name() != "ledgerstone_http_client_seconds" {
            return Histogram::noop();
        }
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Histogram::from_arc(Arc::new(Recorded { labels: labels.join(" "), into: self.clone() }))
    }
}

#[tokio::test]
async fn calls_are_measured_by_template_and_outcome_and_never_by_url() {
    let recorder = Remembering::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let client =
        Scripted::new(vec![says(200, &[], ""), says(404, &[], ""), says(200, &[], "x".repeat(99).as_str())]);
    let http = Http::builder("orders", client, "http://h").policy(Policy::none("orders"));
    let http = http.max_response_bytes(50).build().expect("a client");
    http.get("/orders/{id}").parameter("id", "secret-7").send().await.expect("an answer");
    http.delete("/orders/{id}").parameter("id", "secret-8").send().await.expect_err("absent");
    http.get(format!("/orders/{}", "secret-9")).send().await.expect_err("too large");
    http.get(Route::path("/orders/secret-1").measured_as("/orders/{id}"))
        .send()
        .await
        .expect_err("too large");
    http.get("/orders/{id}").send().await.expect_err("not sent, so not measured");
    assert_eq!(
        *recorder.0.lock(),
        [
            "client=orders method=GET route=/orders/{id} outcome=2xx",
            "client=orders method=DELETE route=/orders/{id} outcome=4xx",
            "client=orders method=GET route=unmatched outcome=too_large",
            "client=orders method=GET route=/orders/{id} outcome=too_large",
        ]
    );
}

#[tokio::test]
async fn what_is_given_up_on_the_way_is_measured_too() {
    let recorder = Remembering::default();
    let _here = metrics::set_default_local_recorder(&recorder);
    let server = Hostile::start(vec![Step::Request, Step::Stall]).await;
    let http = plain(&server.url("")).build().expect("a client");
    let late = http.get("/slow").timeout(Duration::from_millis(60)).send().await;
    late.expect_err("too late");
    let given_up = tokio::time::timeout(Duration::from_millis(30), http.get("/slow").send()).await;
    assert!(given_up.is_err());
    let recorded = recorder.0.lock().clone();
    let outcomes: Vec<_> = recorded.iter().filter_map(|labels| labels.rsplit('=').next()).collect();
    assert_eq!(outcomes, ["timeout", "cancelled"]);
}
