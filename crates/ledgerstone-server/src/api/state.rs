//! What every handler shares: the application, its limits, and whether it is going down.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledgerstone::core::Problem;
use ledgerstone::engine::Scoped;
use ledgerstone::http::Failure;
use tokio_util::sync::CancellationToken;

use crate::api::call::Call;
use crate::api::http_metrics::HttpMetrics;
use crate::app::App;
use crate::outward::Outward;

/// The sizes up to which requests are taken and answers given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiLimits {
    /// The largest request body in bytes; it should hold the store's largest batch as JSON.
    pub body_bytes: usize,
    /// The number of events in a page unless asked otherwise.
    pub page_events: u64,
    /// The largest number of events in a page.
    pub page_events_max: u64,
    /// The size in bytes of payloads after which a page ends early.
    pub page_bytes: usize,
    /// The number of holes after which a page ends early.
    pub page_holes: usize,
    /// How long a page looks for matches before it ends early, to be read on from where it came.
    pub page_time: Duration,
    /// The largest number of live streams of events at a time.
    pub followers: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024 * 1024,
            page_events: 1_000,
            page_events_max: 10_000,
            page_bytes: 16 * 1024 * 1024,
            page_holes: 10_000,
            page_time: Duration::from_secs(2),
            followers: 1_000,
        }
    }
}

/// A cheap handle on what the handlers share.
#[derive(Debug, Clone)]
pub struct Api(Arc<Shared>);

/// What stands behind the handle.
#[derive(Debug)]
pub struct Shared {
    pub(crate) app: App,
    pub(crate) limits: ApiLimits,
    /// Whether callers may write any system event, and not only removals by their rule.
    pub(crate) system_appends: bool,
    pub(crate) metrics: HttpMetrics,
    pub(crate) followers: Arc<tokio::sync::Semaphore>,
    /// Whether read models were loaded.
    started: AtomicBool,
    /// Ends readiness.
    pub(crate) draining: CancellationToken,
    /// Ends streams of events.
    pub(crate) ending: CancellationToken,
}

impl Api {
    /// Makes the handle; the server counts as starting until [`started`](Shared::set_started).
    pub fn new(app: App, limits: ApiLimits, system_appends: bool) -> Self {
        Self(Arc::new(Shared {
            app,
            limits,
            system_appends,
            metrics: HttpMetrics::new(),
            followers: Arc::new(tokio::sync::Semaphore::new(limits.followers)),
            started: AtomicBool::new(false),
            draining: CancellationToken::new(),
            ending: CancellationToken::new(),
        }))
    }
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    /// Says that all was loaded.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// Returns the events of a caller's tenant, which is all that a handler reads, appends or removes.
    pub(crate) fn events(&self, call: &Call) -> Scoped {
        Scoped::new(Arc::clone(&self.app.events), call.tenant.clone())
    }

    /// Returns what stands between the server and others, or says that nothing does.
    pub(crate) fn outward(&self) -> Result<&Outward, Failure> {
        let nothing =
            || Problem::not_found("this server was started without limits, policies, services and caches");
        self.app.outward.as_ref().ok_or_else(|| nothing().into())
    }

    /// Tells whether all was loaded.
    pub fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }
}
