//! The limiter of one process: the suite over each algorithm, and many threads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ledgerstone_core::{RateAlgorithm, RateLimiter, RateRule};
use ledgerstone_resilience::LocalRateLimiter;
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::{CaseError, Fresh, rate_limiter::Limiters};
use parking_lot::Mutex;

use super::rules;
use super::suite::passes;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_limiter_keeps_every_promise_under_each_algorithm() {
    for algorithm in RateAlgorithm::ALL {
        passes(algorithm.as_str(), |clock| async move { Ok(limiters(*algorithm, clock)) }).await;
    }
}

fn limiters(algorithm: RateAlgorithm, clock: Arc<FixedClock>) -> Fresh<Limiters> {
    let opened: Arc<Mutex<Vec<LocalRateLimiter>>> = Arc::default();
    let (counted, read) = (Arc::clone(&opened), Arc::clone(&clock));
    let open = move |rules: Vec<RateRule>| {
        let clock = Arc::clone(&read);
        let limiter = LocalRateLimiter::with_max_keys("suite", &rules, clock, 100);
        let opened = Arc::clone(&opened);
        async move {
            let limiter = limiter?;
            opened.lock().push(limiter.clone());
            let limiter: Arc<dyn RateLimiter> = Arc::new(limiter);
            Ok::<_, CaseError>(vec![limiter])
        }
    };
    let kept = move || {
        let kept = counted.lock().iter().map(LocalRateLimiter::keys).sum();
        async move { Ok::<usize, CaseError>(kept) }
    };
    Fresh::new(Limiters::new(algorithm, open, kept).by_clock(Arc::clone(&clock)), clock)
}

#[test]
fn threads_that_take_and_reload_at_once_never_pass_more_than_the_limit() {
    for algorithm in RateAlgorithm::ALL {
        let rule = rules(&[&format!("1000/d {}", algorithm.as_str())]);
        let clock = Arc::new(FixedClock::default());
        let limiter = LocalRateLimiter::new("t", &rule, clock).expect("a limiter");
        let passed = AtomicUsize::new(0);
        thread::scope(|scope| {
            for thread in 0..4 {
                let (limiter, passed, rule) = (&limiter, &passed, &rule);
                scope.spawn(move || {
                    for call in 0..1_000 {
                        let verdict = limiter.try_take("ada", 1).expect("a verdict");
                        passed.fetch_add(usize::from(verdict.is_allowed), Ordering::Relaxed);
                        if thread == 0 && call % 100 == 0 {
                            limiter.set_rules(rule).expect("the same rules");
                        }
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 1_000, "{algorithm:?}");
    }
}

#[test]
fn memory_is_bounded_however_many_keys_come() {
    let clock = Arc::new(FixedClock::default());
    let limiter = LocalRateLimiter::with_max_keys("t", &rules(&["10/d"]), clock, 10_000).expect("a limiter");
    for key in 0..50_000 {
        limiter.try_take(&format!("key-{key}"), 10).expect("a verdict");
    }
    assert!(limiter.keys() <= 10_000 + 64, "{}", limiter.keys());
}

#[test]
fn a_window_of_a_day_begins_at_midnight_whenever_the_process_began() {
    let clock = Arc::new(FixedClock::default());
    clock.advance(Duration::from_secs(23 * 60 * 60));
    let day = rules(&["5/d fixed_window"]);
    let limiter = LocalRateLimiter::new("t", &day, Arc::clone(&clock) as _).expect("a limiter");
    let verdict = limiter.try_take("ada", 5).expect("a verdict");
    assert_eq!(verdict.tightest.expect("a state").resets_in, Duration::from_secs(60 * 60));
    // The wall clock is set back a year, and nobody is locked out for it.
    clock.set(ledgerstone_core::Timestamp::from_micros(0));
    clock.advance(Duration::from_secs(60 * 60));
    assert!(limiter.try_take("ada", 5).expect("a verdict").is_allowed);
}
