//! Tokio's clock, which runs ahead in a test while everybody sleeps.

use std::time::Duration;

use ledgerstone_core::{Clock, Timestamp};
use tokio::time::Instant;

/// Tells the time that Tokio tells.
#[derive(Debug)]
pub(super) struct TokioClock(Instant);

impl TokioClock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_577_836_800_000_000)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}
