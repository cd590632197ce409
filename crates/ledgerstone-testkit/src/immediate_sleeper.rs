//! A sleeper that does not sleep.

use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::Sleeper;
use parking_lot::Mutex;

/// Returns at once, and remembers how long it should have slept.
#[derive(Debug, Default)]
pub struct ImmediateSleeper {
    slept: Mutex<Vec<Duration>>,
}

impl ImmediateSleeper {
    /// Returns the sleeps asked for so far, in order.
    pub fn slept(&self) -> Vec<Duration> {
        self.slept.lock().clone()
    }
}

#[async_trait]
impl Sleeper for ImmediateSleeper {
    async fn sleep(&self, duration: Duration) {
        self.slept.lock().push(duration);
        // Whoever waits for another task in a loop must let it run.
        tokio::task::yield_now().await;
    }
}
