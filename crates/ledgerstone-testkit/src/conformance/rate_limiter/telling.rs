//! Promise 8: what is told of a key is what is decided by.

use super::limiters::{Cases, DAY, FreshLimiters, HOUR, left, takes};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        8: states_take_nothing,
        8: a_verdict_tells_of_the_rule_that_has_least_left,
        8: a_cost_of_nothing_takes_nothing,
        8: a_reset_gives_everything_back,
    ]
}

/// Promise 8. However often they are asked for.
async fn states_take_nothing(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    for _ in 0..20 {
        assert_eq!(left(&limiter, "ada").await?, [10]);
    }
    assert!(takes(&limiter, "ada", 4).await?);
    let states = limiter.states("ada").await?;
    assert_eq!(left(&limiter, "ada").await?, [6]);
    assert!(!states[0].resets_in.is_zero() && states[0].resets_in <= HOUR * 2, "{states:?}");
    assert!(takes(&limiter, "ada", 6).await?);
    Ok(())
}

/// Promise 8. Of the rule that refused, if one did.
async fn a_verdict_tells_of_the_rule_that_has_least_left(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let rules = [limiters.rule(10, HOUR), limiters.rule(5, DAY)];
    let limiter = limiters.one(&rules).await?;
    let allowed = limiter.take("ada", 1).await?;
    let state = allowed.tightest.ok_or("a verdict without a state")?;
    assert_eq!((&*state.rule, state.remaining), (&rules[1], 4));
    assert!(allowed.is_allowed && allowed.retry_after.is_none() && !allowed.is_degraded);
    let refused = limiter.take("ada", 5).await?;
    let state = refused.tightest.ok_or("a verdict without a state")?;
    assert_eq!((&*state.rule, state.remaining), (&rules[1], 4));
    assert!(!refused.is_allowed);
    Ok(())
}

/// Promise 8. It is allowed even to who has nothing left.
async fn a_cost_of_nothing_takes_nothing(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(2).await?;
    for _ in 0..5 {
        assert!(takes(&limiter, "ada", 0).await?);
    }
    assert!(takes(&limiter, "ada", 2).await?);
    assert!(takes(&limiter, "ada", 0).await?);
    Ok(())
}

/// Promise 8. To one key.
async fn a_reset_gives_everything_back(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    assert!(takes(&limiter, "ada", 10).await?);
    assert!(takes(&limiter, "bob", 10).await?);
    limiter.reset("ada").await?;
    assert_eq!(left(&limiter, "ada").await?, [10]);
    assert_eq!(left(&limiter, "bob").await?, [0]);
    limiter.reset("nobody").await?;
    Ok(())
}
