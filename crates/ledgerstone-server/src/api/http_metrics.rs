//! The counters of the interface, looked up once and kept, so that a request only adds to them.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerstone::core::Code;
use ledgerstone::http::Exchange;
use metrics::{Counter, Gauge, Histogram};

use crate::api::routes::ROUTES;

/// What a request adds to.
struct RouteMetrics {
    seconds: Histogram,
    /// By the first digit of the status.
    requests: [Counter; 6],
}

/// The counters that handlers and the edge add to.
pub(crate) struct HttpMetrics {
    routes: HashMap<&'static str, Vec<(&'static str, RouteMetrics)>>,
    unmatched: OnceLock<RouteMetrics>,
    appended: Counter,
    read: Counter,
    refusals: HashMap<Code, Counter>,
    /// Whether the store itself was to blame for the newest append that failed, and none was recorded since.
    fails: AtomicBool,
    followers: Gauge,
}

impl HttpMetrics {
    /// Looks every counter up.
    pub(crate) fn new() -> Self {
        describe();
        let mut routes: HashMap<_, Vec<_>> = HashMap::new();
        for route in ROUTES {
            let metrics = RouteMetrics::of(route.method, route.path);
            routes.entry(route.path).or_default().push((route.method, metrics));
        }
        let refusal = |code: &Code| {
            (*code, metrics::counter!("ledgerstone_append_refusals_total", "code" => code.as_str()))
        };
        Self {
            routes,
            unmatched: OnceLock::new(),
            appended: metrics::counter!("ledgerstone_appended_events_total"),
            read: metrics::counter!("ledgerstone_read_events_total"),
            fails: AtomicBool::new(false),
            refusals: Code::ALL.iter().map(refusal).collect(),
            followers: metrics::gauge!("ledgerstone_followers"),
        }
    }

    /// Counts a request by the template of its route, never by its path.
    pub(crate) fn answered(&self, exchange: &Exchange<'_>) {
        let method = exchange.method.as_str();
        let of_path = exchange.route.and_then(|route| self.routes.get(route));
        let found = of_path.and_then(|methods| methods.iter().find(|(name, _)| *name == method));
        let metrics = match found {
            Some((_, metrics)) => metrics,
            None => self.unmatched.get_or_init(|| RouteMetrics::of("other", "other")),
        };
        metrics.seconds.record(exchange.took);
        if let Some(counter) = metrics.requests.get(usize::from(exchange.status / 100)) {
            counter.increment(1);
        }
    }

    /// Counts appended events.
    pub(crate) fn appended(&self, events: usize) {
        self.appended.increment(events as u64);
        self.fails.store(false, Ordering::Relaxed);
    }

    /// Counts events that were read.
    pub(crate) fn read(&self, events: usize) {
        self.read.increment(events as u64);
    }

    /// Counts a batch that was not appended.
    pub(crate) fn refused(&self, code: Code) {
        if matches!(
            code,
            Code::DiskFull | Code::ReadOnly | Code::Corrupt | Code::Indeterminate | Code::Internal
        ) {
            self.fails.store(true, Ordering::Relaxed);
        }
        if let Some(counter) = self.refusals.get(&code) {
            counter.increment(1);
        }
    }

    /// Tells whether the newest append failed for a reason that is the store's.
    pub(crate) fn appends_fail(&self) -> bool {
        self.fails.load(Ordering::Relaxed)
    }

    /// Sets the number of open streams of events.
    pub(crate) fn following(&self, followers: usize) {
        self.followers.set(followers as f64);
    }
}

impl RouteMetrics {
    fn of(method: &'static str, path: &'static str) -> Self {
        let requests = |status: &'static str| {
            metrics::counter!(
                "ledgerstone_http_requests_total", "method" => method, "route" => path, "status" => status
            )
        };
        Self {
            seconds: metrics::histogram!(
                "ledgerstone_http_request_seconds", "method" => method, "route" => path
            ),
            requests: ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"].map(requests),
        }
    }
}

impl fmt::Debug for HttpMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetrics").finish_non_exhaustive()
    }
}

fn describe() {
    metrics::describe_histogram!(
        "ledgerstone_http_request_seconds",
        metrics::Unit::Seconds,
        "Time until a response begins, by route."
    );
    metrics::describe_counter!("ledgerstone_http_requests_total", "Requests by route and status.");
    metrics::describe_counter!("ledgerstone_appended_events_total", "Events appended over HTTP.");
    metrics::describe_counter!("ledgerstone_read_events_total", "Events read over HTTP.");
    metrics::describe_counter!("ledgerstone_append_refusals_total", "Batches not appended, by error code.");
    metrics::describe_gauge!("ledgerstone_followers", "Open streams of events.");
    metrics::describe_gauge!("ledgerstone_head_position", "The newest position, by count.");
    metrics::describe_gauge!("ledgerstone_read_model_lag_events", "Events that a read model has not seen.");
    metrics::describe_gauge!(
        "ledgerstone_read_model_lag_seconds",
        metrics::Unit::Seconds,
        "Age of the oldest event that a read model has not seen."
    );
    metrics::describe_gauge!("ledgerstone_read_model_stopped", "Whether a read model has stopped: 1 or 0.");
    metrics::describe_gauge!("ledgerstone_read_model_parked_keys", "Keys that a read model parked.");
}
