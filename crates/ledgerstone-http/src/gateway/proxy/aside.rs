//! What a caller is to blame for, taken past the policy of a service: no breaker is to learn from it.

use std::future::{Future, pending};

use axum::body::Body;
use axum::http::Response;
use ledgerstone_core::{BackendError, ErrorKind};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::gateway::proxy::upstream::PassFailure;

/// Where attempts leave what says nothing about the service.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    failure: Mutex<Option<BackendError>>,
    told: Notify,
}

impl Aside {
    /// Makes an attempt, which does not end if the caller is to blame: whoever waits drops it.
    pub(crate) async fn around(
        &self,
        attempt: impl Future<Output = Result<Response<Body>, PassFailure>>,
    ) -> Result<Response<Body>, PassFailure> {
        match attempt.await {
            Err(PassFailure::Callers(error)) => {
                *self.failure.lock() = Some(error);
                self.told.notify_one();
                pending().await
            }
            answer => answer,
        }
    }

    /// Waits until something was left.
    pub(crate) async fn taken(&self) -> PassFailure {
        self.told.notified().await;
        let left = self.failure.lock().take();
        PassFailure::Callers(left.unwrap_or_else(|| {
            BackendError::new(ErrorKind::TimedOut, "proxy", "pass a request on", "the request was given up")
        }))
    }
}
