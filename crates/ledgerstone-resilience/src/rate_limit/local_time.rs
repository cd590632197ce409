//! The time that windows and buckets are counted by: it begins at the wall clock's, and never jumps.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::Clock;

use super::scale::micros;

/// Microseconds since 1970 by the wall clock when this was made, and by the monotonic one from then on.
///
/// So a window of a day begins at midnight UTC, and no one who sets the clock back locks anybody out.
#[derive(Debug)]
pub(crate) struct LocalTime {
    clock: Arc<dyn Clock>,
    began_at: u64,
    began: Duration,
}

impl LocalTime {
    /// Begins to count.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let began_at = u64::try_from(clock.now().as_micros()).unwrap_or_default();
        let began = clock.monotonic();
        Self { clock, began_at, began }
    }

    /// Returns the time in microseconds.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.began_at + micros(self.clock.monotonic().saturating_sub(self.began))
    }
}
