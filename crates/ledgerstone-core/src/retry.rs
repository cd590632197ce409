//! The small retry core that everything shares: how often, how long between, and only what may be repeated.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;

use crate::document_store::DocumentStoreError;
use crate::error::BackendError;
use crate::event_store::EventStoreError;

/// Waits; a port, so that a test need not.
#[async_trait]
pub trait Sleeper: Debug + Send + Sync + 'static {
    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// An error that knows whether the same call may succeed if it is made again.
pub trait Retryable {
    /// Tells whether to try again.
    fn is_retryable(&self) -> bool;

    /// Returns how long whoever failed asked to be left alone, if it did.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl Retryable for BackendError {
    fn is_retryable(&self) -> bool {
        self.is_retryable()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after()
    }
}

impl Retryable for EventStoreError {
    fn is_retryable(&self) -> bool {
        self.is_retryable()
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Backend(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl Retryable for DocumentStoreError {
    fn is_retryable(&self) -> bool {
        self.is_retryable()
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Backend(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// How often to try, and how long to wait between: exponential, with full jitter.
///
/// The wait before attempt *n* + 1 is drawn evenly from 0 to `base` × 2ⁿ⁻¹, at most `cap` ("full
/// jitter": Marc Brooker, Exponential Backoff And Jitter, 2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The largest number of attempts, the first one included.
    pub attempts: u32,
    /// The longest wait after the first attempt.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, base: Duration::from_millis(20), cap: Duration::from_secs(2) }
    }
}

impl Retry {
    /// Tries once only.
    pub const NEVER: Self = Self { attempts: 1, base: Duration::ZERO, cap: Duration::ZERO };

    /// Returns the wait after attempt number `attempt` (from 1), or nothing if it was the last one.
    ///
    /// `random` is any number, evenly drawn.
    pub fn wait(&self, attempt: u32, random: u64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.base.saturating_mul(factor).min(self.cap);
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        let drawn = u128::from(nanos) * u128::from(random) / u128::from(u64::MAX);
        Some(Duration::from_nanos(u64::try_from(drawn).unwrap_or(nanos)))
    }

    /// Calls until it succeeds, fails for good, or the attempts are used up; then the last error is returned.
    pub async fn run<T, E, F>(
        &self,
        sleeper: &dyn Sleeper,
        mut random: impl FnMut() -> u64 + Send,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<T, E>
    where
        E: Retryable,
        F: Future<Output = Result<T, E>>,
    {
        let mut attempt = 1;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let wait = if error.is_retryable() { self.wait(attempt, random()) } else { None };
            let Some(wait) = wait else { return Err(error) };
            sleeper.sleep(wait).await;
            attempt += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_end_with_the_attempts() {
        let retry = Retry { attempts: 5, base: Duration::from_millis(10), cap: Duration::from_millis(25) };
        let longest: Vec<_> = (1..=5).map(|attempt| retry.wait(attempt, u64::MAX)).collect();
        let millis = |n| Some(Duration::from_millis(n));
        assert_eq!(longest, [millis(10), millis(20), millis(25), millis(25), None]);
        assert_eq!(retry.wait(1, 0), Some(Duration::ZERO));
    }
}
