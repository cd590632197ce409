//! How read models are projected: the sizes of batches, the bounds, and the ports to time and chance.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{Clock, IdSource, Retry, Sleeper, SystemClock, TimeOrderedIds};

use crate::sleeper::TokioSleeper;

/// How read models are projected.
#[derive(Debug, Clone)]
pub struct ReadModelOptions {
    /// The largest number of events in one commit.
    pub batch_events: usize,
    /// About how many bytes of events end a batch.
    pub batch_bytes: usize,
    /// How many keys a read model parks before it stops.
    pub max_parked: usize,
    /// How often a store is called again if it cannot be reached.
    pub retry: Retry,
    /// How long a model that failed waits at most before it is tried again.
    pub backoff_cap: Duration,
    /// How often things that nobody announces are looked at: another process's checkpoints and marks.
    pub poll: Duration,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where ids of system events come from.
    pub ids: Arc<dyn IdSource>,
    /// What waits between attempts.
    pub sleeper: Arc<dyn Sleeper>,
}

impl Default for ReadModelOptions {
    fn default() -> Self {
        Self {
            batch_events: 4_000,
            batch_bytes: 4 * 1024 * 1024,
            max_parked: 1_000,
            retry: Retry::default(),
            backoff_cap: Duration::from_secs(30),
            poll: Duration::from_millis(500),
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(TimeOrderedIds),
            sleeper: Arc::new(TokioSleeper),
        }
    }
}
