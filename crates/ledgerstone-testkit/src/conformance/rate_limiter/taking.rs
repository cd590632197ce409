//! Promises 1 and 2: all or nothing, and a refusal costs nothing.

use super::limiters::{Cases, DAY, FreshLimiters, HOUR, left, takes};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        1: a_cost_is_taken_from_every_rule,
        1: a_call_that_one_rule_refuses_takes_from_none,
        2: a_refused_call_takes_nothing,
        2: asking_on_does_not_lock_out_for_longer,
    ]
}

/// Promise 1. From each by the same cost.
async fn a_cost_is_taken_from_every_rule(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let limiter = limiters.one(&[limiters.rule(10, HOUR), limiters.rule(100, DAY)]).await?;
    assert!(takes(&limiter, "ada", 4).await?);
    assert_eq!(left(&limiter, "ada").await?, [6, 96]);
    assert!(takes(&limiter, "ada", 1).await?);
    assert_eq!(left(&limiter, "ada").await?, [5, 95]);
    Ok(())
}

/// Promise 1. Whether the rule that refuses is asked first or last.
async fn a_call_that_one_rule_refuses_takes_from_none(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let (wide, narrow) = (limiters.rule(10, HOUR), limiters.rule(5, DAY));
    let limiter = limiters.one(&[wide, narrow]).await?;
    let other = limiters.one(&[limiters.rule(5, HOUR), limiters.rule(10, DAY)]).await?;
    for (limiter, key, expected) in [(limiter, "ada", [7, 2]), (other, "bob", [2, 7])] {
        assert!(takes(&limiter, key, 3).await?);
        assert!(!takes(&limiter, key, 3).await?);
        assert_eq!(left(&limiter, key).await?, expected);
    }
    Ok(())
}

/// Promise 2. What is left may still be taken.
async fn a_refused_call_takes_nothing(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    assert!(takes(&limiter, "ada", 8).await?);
    for _ in 0..10 {
        assert!(!takes(&limiter, "ada", 5).await?);
    }
    assert!(takes(&limiter, "ada", 2).await?);
    Ok(())
}

/// Promise 2. The time to wait only becomes shorter.
async fn asking_on_does_not_lock_out_for_longer(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    assert!(takes(&limiter, "ada", 10).await?);
    let first = limiter.take("ada", 1).await?.retry_after.ok_or("a refusal without a time")?;
    for _ in 0..20 {
        let wait = limiter.take("ada", 1).await?.retry_after.ok_or("a refusal without a time")?;
        assert!(wait <= first, "{wait:?} after {first:?}");
    }
    Ok(())
}
