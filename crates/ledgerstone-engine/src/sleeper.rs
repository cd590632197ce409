//! The sleeper of the tokio runtime.

use std::time::Duration;

use async_trait::async_trait;

use ledgerstone_core::Sleeper;

/// Waits on tokio's timer, without holding a thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioSleeper;

#[async_trait]
impl Sleeper for TokioSleeper {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
