//! Following the endpoints of a service as they come and go.

use std::sync::Arc;

use tokio::sync::watch;

use crate::gateway::members::View;
use crate::gateway::service::Service;
use crate::gateway::service_report::ServiceReport;

/// Tells each time that something about a service's endpoints changed.
///
/// Who is slow hears of several changes at once, and the last one is never among what it misses.
#[derive(Debug)]
pub struct Watcher {
    service: Arc<Service>,
    views: watch::Receiver<Arc<View>>,
}

impl Watcher {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        let mut views = service.watch();
        // The first call tells how things stand, so nothing falls between looking and watching.
        views.mark_changed();
        Self { service, views }
    }

    /// Waits until something changed since the last call, and returns how the service stands; the first call
    /// returns at once.
    pub async fn changed(&mut self) -> ServiceReport {
        // The sender lives as long as the service that is held here.
        let _ = self.views.changed().await;
        self.views.mark_unchanged();
        ServiceReport::of(&self.service)
    }
}
