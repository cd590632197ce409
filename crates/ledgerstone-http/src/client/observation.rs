//! The metrics of calls: by client, method, template and outcome, and never by URL.

use std::sync::Arc;

use tokio::time::Instant;

use crate::client::http_error::{CallName, HttpError, HttpFault};

/// How long an exchange took, by how it ended.
const SECONDS: &str = "ledgerstone_http_client_seconds";

/// One exchange being measured; one that is given up on the way is measured as `cancelled`.
#[derive(Debug)]
pub(crate) struct Observation<'a> {
    call: &'a CallName,
    begun: Instant,
    outcome: &'static str,
}

impl<'a> Observation<'a> {
    pub(crate) fn begin(call: &'a CallName) -> Self {
        Self { call, begun: Instant::now(), outcome: "cancelled" }
    }

    /// Ends it: the class of the status where there was one, else where it failed.
    pub(crate) fn end(mut self, ended: Result<u16, &HttpError>) {
        self.outcome = match ended {
            Ok(status) => class(status),
            Err(error) => match error.status() {
                // A good status with a bad body is not a success.
                Some(status) if error.fault() == HttpFault::Status => class(status),
                _ => error.fault().as_str(),
            },
        };
    }
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        let CallName { client, method, route } = self.call;
        metrics::histogram!(
            SECONDS,
            "client" => metrics::SharedString::from(Arc::clone(client)),
            "method" => method.as_str(),
            "route" => route.to_metric(),
            "outcome" => self.outcome
        )
        .record(self.begun.elapsed());
    }
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}
