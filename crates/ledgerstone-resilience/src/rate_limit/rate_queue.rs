//! The queue before a limiter: who is refused for a time waits for it, in order.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind, RateLimiter, RateVerdict};
use tokio::time::Instant;

use super::concurrency_limiter::{ConcurrencyLimiter, ConcurrencyOptions};

/// How long a queue may be, and how long one may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateQueueOptions {
    /// How many calls of one key may wait.
    pub max_waiting: u32,
    /// How long a call may wait.
    pub max_wait: Duration,
    /// How many keys may have a queue.
    pub max_keys: usize,
}

impl Default for RateQueueOptions {
    fn default() -> Self {
        Self { max_waiting: 100, max_wait: Duration::from_secs(5), max_keys: 10_000 }
    }
}

/// Waits until a limiter allows a call, behind those of the same key who came earlier.
///
/// Only the first of a queue asks the limiter, so no one overtakes, and a large cost is not starved by
/// small ones. A call that cannot be allowed in its time is refused at once. Giving up costs nothing.
#[derive(Debug, Clone)]
pub struct RateQueue {
    limiter: Arc<dyn RateLimiter>,
    turns: ConcurrencyLimiter,
    max_wait: Duration,
}

impl RateQueue {
    /// Creates queues before a limiter, whose metrics bear this name.
    pub fn new(name: &str, limiter: Arc<dyn RateLimiter>, options: RateQueueOptions) -> Self {
        let RateQueueOptions { max_waiting, max_wait, max_keys } = options;
        let turns = ConcurrencyOptions { limit: 1, max_waiting, max_wait, max_keys };
        Self { limiter, turns: ConcurrencyLimiter::new(name, turns), max_wait }
    }

    /// Returns the limiter.
    pub fn limiter(&self) -> &Arc<dyn RateLimiter> {
        &self.limiter
    }

    /// Returns how many keys have a queue.
    pub fn keys(&self) -> usize {
        self.turns.keys()
    }

    /// Takes `cost` for `key` as soon as that is allowed.
    ///
    /// Refused are calls that find the queue full, or whose time would come too late: by an error with
    /// the code of a rate limit, which says when to come again if that is known.
    pub async fn pass(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        let until = Instant::now() + self.max_wait;
        let _turn = self.turns.acquire_within(key, self.max_wait).await?;
        loop {
            let verdict = self.limiter.take(key, cost).await?;
            if verdict.is_allowed {
                return Ok(verdict);
            }
            let wait = verdict.retry_after;
            let Some(wait_now) = wait.filter(|wait| Instant::now() + *wait <= until) else {
                return Err(too_late(wait));
            };
            // A limiter that says "at once" and then refuses must not be asked in a loop.
            tokio::time::sleep(wait_now.max(Duration::from_millis(1))).await;
        }
    }
}

fn too_late(wait: Option<Duration>) -> BackendError {
    let message = match wait {
        Some(wait) => {
            format!("the call would have to wait {wait:?}, which is longer than it may; try again then")
        }
        None => "the key is blocked; waiting does not help".to_owned(),
    };
    let error =
        BackendError::new(ErrorKind::Throttled, "rate_limit", "pass", message).with_code(Code::RateLimited);
    match wait {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}
