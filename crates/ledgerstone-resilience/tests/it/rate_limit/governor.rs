//! Why the local limiter is not a wrapper: what governor cannot do of what the port promises.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter as Governor};
use ledgerstone_resilience::LocalRateLimiter;
use ledgerstone_testkit::FixedClock;

use super::rules;

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("not 0")
}

#[test]
fn two_governors_lose_what_the_first_took_when_the_second_refuses() {
    let clock = FakeRelativeClock::default();
    let hour = Governor::dashmap_with_clock(Quota::per_hour(number(10)), clock.clone());
    let minute = Governor::dashmap_with_clock(Quota::per_minute(number(5)), clock.clone());
    let take = |cost| {
        let first = hour.check_key_n(&"ada", number(cost)).is_ok_and(|taken| taken.is_ok());
        first && minute.check_key_n(&"ada", number(cost)).is_ok_and(|taken| taken.is_ok())
    };
    assert!(take(3));
    assert!(!take(3), "the minute has 2 left");
    // It was refused, and yet the hour is the poorer for it: 4 are left instead of 7.
    let left = |cost| hour.check_key_n(&"ada", number(cost)).is_ok_and(|taken| taken.is_ok());
    assert!(!left(5));

    let ours = LocalRateLimiter::new("t", &rules(&["10/h", "5/m"]), Arc::new(FixedClock::default()));
    let ours = ours.expect("a limiter");
    assert!(ours.try_take("ada", 3).expect("a verdict").is_allowed);
    assert!(!ours.try_take("ada", 3).expect("a verdict").is_allowed);
    assert!(ours.try_take("ada", 2).expect("a verdict").is_allowed);
}

#[test]
fn a_governor_rounds_what_does_not_divide_and_ours_does_not() {
    // 700 million a second are one in 1.43 nanoseconds, of which governor keeps 1.
    let clock = FakeRelativeClock::default();
    let theirs = Governor::direct_with_clock(Quota::per_second(number(700_000_000)), clock.clone());
    let ours = rules(&["700000000/s burst 700000000"]);
    let our_clock = Arc::new(FixedClock::default());
    let ours = LocalRateLimiter::new("t", &ours, Arc::clone(&our_clock) as _).expect("a limiter");
    assert!(theirs.check_n(number(700_000_000)).is_ok_and(|taken| taken.is_ok()));
    assert!(ours.try_take("ada", 700_000_000).expect("a verdict").is_allowed);
    clock.advance(Duration::from_millis(800));
    our_clock.advance(Duration::from_millis(800));
    assert!(theirs.check_n(number(700_000_000)).is_ok_and(|taken| taken.is_ok()), "too many, too soon");
    assert!(!ours.try_take("ada", 700_000_000).expect("a verdict").is_allowed);
    assert!(ours.try_take("ada", 560_000_000).expect("a verdict").is_allowed);
}
