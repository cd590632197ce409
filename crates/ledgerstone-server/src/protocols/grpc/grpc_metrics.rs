//! The counters of calls over gRPC, looked up once and kept, so that a call only adds to them.

use std::fmt;
use std::time::Duration;

use metrics::{Counter, Histogram};
use tonic::Code;

/// The names of the status codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// What the calls of one method add to.
pub(crate) struct GrpcMetrics {
    seconds: Histogram,
    calls: [Counter; 17],
}

impl GrpcMetrics {
    /// Looks the counters of a method up, named as in its path: `service/method`.
    pub(crate) fn of(method: &'static str) -> Self {
        describe();
        let calls =
            |code| metrics::counter!("ledgerstone_grpc_calls_total", "method" => method, "code" => code);
        Self {
            seconds: metrics::histogram!("ledgerstone_grpc_call_seconds", "method" => method),
            calls: CODES.map(calls),
        }
    }

    /// Counts a call whose answer has begun, or that failed.
    pub(crate) fn answered(&self, code: Code, took: Duration) {
        self.seconds.record(took);
        if let Some(counter) = self.calls.get(code as usize) {
            counter.increment(1);
        }
    }
}

impl fmt::Debug for GrpcMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcMetrics").finish_non_exhaustive()
    }
}

fn describe() {
    metrics::describe_counter!("ledgerstone_grpc_calls_total", "Calls over gRPC by method and status code.");
    metrics::describe_histogram!(
        "ledgerstone_grpc_call_seconds",
        metrics::Unit::Seconds,
        "Time until an answer over gRPC begins, by method."
    );
}
