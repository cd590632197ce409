//! Promises 3 and 4: the time that is told is true, and what no time helps is refused for good.

use std::time::Duration;

use ledgerstone_core::{ErrorKind, RateRule};

use super::limiters::{Cases, FreshLimiters, left, takes};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        3: after_the_time_that_was_told_the_same_cost_is_allowed,
        3: the_time_that_was_told_holds_for_all_rules_together,
        4: a_cost_above_what_a_rule_can_have_is_invalid,
        4: an_empty_key_or_one_too_long_is_invalid,
    ]
}

/// Takes until it is refused, and returns how long to wait; windows may end in between.
macro_rules! exhaust {
    ($limiter:expr, $cost:expr) => {{
        let mut wait = None;
        for _ in 0..10 {
            let verdict = $limiter.take("ada", $cost).await?;
            if !verdict.is_allowed {
                wait = verdict.retry_after;
                break;
            }
        }
        wait.ok_or("it is never refused for a time")?
    }};
}

/// Promise 3. For a small cost and for a large one.
async fn after_the_time_that_was_told_the_same_cost_is_allowed(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let per = Duration::from_secs(2);
    let limiter = limiters.one(&[limiters.rule(4, per)]).await?;
    for cost in [1, 3] {
        let wait = exhaust!(limiter, cost);
        assert!(wait <= per * 2, "{wait:?}");
        limiters.pass(wait).await;
        assert!(takes(&limiter, "ada", cost).await?, "refused {wait:?} later");
    }
    Ok(())
}

/// Promise 3. The longest of the times.
async fn the_time_that_was_told_holds_for_all_rules_together(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let rules = [limiters.rule(2, Duration::from_millis(500)), limiters.rule(3, Duration::from_secs(2))];
    let limiter = limiters.one(&rules).await?;
    assert!(takes(&limiter, "ada", 2).await?);
    let wait = exhaust!(limiter, 2);
    limiters.pass(wait).await;
    assert!(takes(&limiter, "ada", 2).await?, "refused {wait:?} later");
    Ok(())
}

/// Promise 4. It is the caller's mistake, whatever the key has.
async fn a_cost_above_what_a_rule_can_have_is_invalid(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    for _ in 0..2 {
        let refused = limiter.take("ada", 11).await;
        assert!(matches!(&refused, Err(error) if error.kind() == ErrorKind::Invalid), "got {refused:?}");
    }
    assert_eq!(left(&limiter, "ada").await?, [10]);
    assert!(takes(&limiter, "ada", 10).await?);
    let refused = limiter.take("ada", u32::MAX).await;
    assert!(matches!(&refused, Err(error) if error.kind() == ErrorKind::Invalid), "got {refused:?}");
    Ok(())
}

/// Promise 4. The longest that is allowed is allowed.
async fn an_empty_key_or_one_too_long_is_invalid(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    assert!(takes(&limiter, &"k".repeat(RateRule::MAX_KEY_BYTES), 1).await?);
    for key in [String::new(), "k".repeat(RateRule::MAX_KEY_BYTES + 1)] {
        let refused = limiter.take(&key, 1).await;
        assert!(matches!(&refused, Err(error) if error.kind() == ErrorKind::Invalid), "got {refused:?}");
    }
    Ok(())
}
