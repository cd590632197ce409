//! Keeping endpoints fresh: asked for in the background, by their age, by a hint, or when the source tells.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, ErrorKind};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::gateway::chance::Chance;
use crate::gateway::service::Service;

/// The shortest time between two questions, whatever a source or a failed connection says.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long changes that come one after another are collected.
const SETTLING: Duration = Duration::from_millis(100);

/// Asks for ever.
pub(crate) async fn keep_fresh(service: Arc<Service>) {
    let mut failures = 0;
    loop {
        let asked_at = Instant::now();
        let max_age = service.settings.max_age;
        let (outcome, wait) = match ask(&service).await {
            Ok(ttl) => {
                failures = 0;
                ("resolved", until_next(max_age, ttl, service.chance()))
            }
            Err(error) => {
                failures += 1;
                service.take_failure(&error);
                ("failed", until_retry(max_age, failures, service.chance()))
            }
        };
        let name = Arc::clone(&service.name);
        metrics::counter!("ledgerstone_service_refreshes_total", "service" => name, "outcome" => outcome)
            .increment(1);
        tokio::select! {
            () = sleep(wait) => {}
            () = service.resolver.changed(&service.name) => {
                sleep_until((Instant::now() + SETTLING).max(asked_at + SHORTEST)).await;
            }
            () = service.doubts.notified() => sleep_until(asked_at + SHORTEST).await,
        }
    }
}

/// Asks once, and returns how long the answer is said to be true.
async fn ask(service: &Service) -> Result<Option<Duration>, BackendError> {
    let patience = service.settings.resolve_timeout;
    let asked = timeout(patience, service.resolver.resolve(&service.name)).await;
    let resolution = asked.map_err(|_| {
        let message = format!("{} did not answer within {patience:?}", service.resolver.source());
        BackendError::new(ErrorKind::TimedOut, "gateway", "resolve a service", message)
    })??;
    service.take_resolution(&resolution);
    Ok(resolution.ttl)
}

/// Returns how long an answer is used: its age is bounded, and what it says of itself is kept.
fn until_next(max_age: Duration, ttl: Option<Duration>, chance: &Chance) -> Duration {
    let age = ttl.map_or(max_age, |ttl| ttl.min(max_age));
    // Earlier and never later: the maximum age is a promise.
    chance.shorten(age, 10).max(SHORTEST.min(max_age))
}

/// Returns when a source that failed is asked again: soon, then ever later up to the maximum age.
fn until_retry(max_age: Duration, failures: u32, chance: &Chance) -> Duration {
    let doubled = SHORTEST.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
    chance.shorten(doubled.min(max_age.max(SHORTEST)), 50)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledgerstone_resilience::Jitter;

    #[derive(Debug)]
    struct Always(u64);

    impl Jitter for Always {
        fn draw(&self) -> u64 {
            self.0
        }
    }

    fn always(drawn: u64) -> Chance {
        Chance::new(Arc::new(Always(drawn)))
    }

    const MAX_AGE: Duration = Duration::from_secs(30);

    #[test]
    fn an_answer_is_never_used_beyond_its_age() {
        for drawn in [0, u64::MAX / 2, u64::MAX] {
            let chance = always(drawn);
            assert!(until_next(MAX_AGE, None, &chance) <= MAX_AGE);
            assert!(until_next(MAX_AGE, Some(Duration::from_secs(5)), &chance) <= Duration::from_secs(5));
            // A source that says 0 would be asked without a pause.
            assert_eq!(until_next(MAX_AGE, Some(Duration::ZERO), &chance), SHORTEST);
        }
    }

    #[test]
    fn a_source_that_fails_is_asked_ever_later_up_to_the_age() {
        let chance = always(0);
        let waits: Vec<_> = (1..=7).map(|n| until_retry(MAX_AGE, n, &chance).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert!(until_retry(MAX_AGE, 99, &always(u64::MAX)) >= MAX_AGE / 2);
    }
}
