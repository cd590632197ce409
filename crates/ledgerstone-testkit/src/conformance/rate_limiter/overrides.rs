//! Promise 6: an override binds one key at once on every node, and nothing else.

use ledgerstone_core::{ErrorKind, RateOverride};

use super::limiters::{Cases, DAY, FreshLimiters, HOUR, left, takes};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        6: an_override_binds_its_key_and_no_other,
        6: an_override_binds_on_every_node,
        6: a_blocked_key_may_do_nothing,
        6: an_unlimited_key_may_do_anything,
        6: a_lifted_override_lets_the_common_rules_bind_again,
        6: an_override_with_a_mistake_changes_nothing,
    ]
}

/// Promise 6. Its rules are told as well.
async fn an_override_binds_its_key_and_no_other(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let limiter = limiters.hourly(10).await?;
    let rules = vec![limiters.rule(30, HOUR), limiters.rule(20, DAY)];
    limiter.set_override("ada", Some(RateOverride::Rules(rules.clone()))).await?;
    assert!(takes(&limiter, "ada", 15).await?);
    assert_eq!(left(&limiter, "ada").await?, [15, 5]);
    assert!(!takes(&limiter, "ada", 6).await?);
    let told: Vec<_> = limiter.states("ada").await?.into_iter().map(|state| (*state.rule).clone()).collect();
    assert_eq!(told, rules);
    assert_eq!(left(&limiter, "bob").await?, [10]);
    assert_eq!(limiter.rules(), [limiters.rule(10, HOUR)]);
    Ok(())
}

/// Promise 6. Whichever node was told.
async fn an_override_binds_on_every_node(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let nodes = limiters.nodes(&[limiters.rule(10, HOUR)]).await?;
    for node in &nodes {
        assert!(takes(node, "ada", 1).await?);
    }
    nodes[0].set_override("ada", Some(RateOverride::Blocked)).await?;
    for node in &nodes {
        assert!(!takes(node, "ada", 1).await?);
    }
    Ok(())
}

/// Promise 6. It is refused without a time, since none would help.
async fn a_blocked_key_may_do_nothing(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    limiter.set_override("ada", Some(RateOverride::Blocked)).await?;
    let verdict = limiter.take("ada", 1).await?;
    assert!(!verdict.is_allowed && verdict.retry_after.is_none(), "got {verdict:?}");
    assert!(takes(&limiter, "bob", 1).await?);
    Ok(())
}

/// Promise 6. More than the rules could ever have, too.
async fn an_unlimited_key_may_do_anything(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    limiter.set_override("ada", Some(RateOverride::Unlimited)).await?;
    for cost in [1, 10, 11, u32::MAX] {
        assert!(takes(&limiter, "ada", cost).await?);
    }
    Ok(())
}

/// Promise 6. At once.
async fn a_lifted_override_lets_the_common_rules_bind_again(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    for set in [RateOverride::Blocked, RateOverride::Unlimited] {
        limiter.set_override("ada", Some(set)).await?;
        limiter.set_override("ada", None).await?;
        assert_eq!(left(&limiter, "ada").await?, [10]);
    }
    assert!(takes(&limiter, "ada", 10).await?);
    assert!(!takes(&limiter, "ada", 1).await?);
    limiter.set_override("bob", None).await?;
    Ok(())
}

/// Promise 6. The rules of an override are held to what the common ones are.
async fn an_override_with_a_mistake_changes_nothing(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let limiter = limiters.hourly(10).await?;
    assert!(takes(&limiter, "ada", 4).await?);
    let twice = vec![limiters.rule(5, HOUR), limiters.rule(6, HOUR)];
    for rules in [vec![limiters.rule(0, HOUR)], Vec::new(), twice] {
        let refused = limiter.set_override("ada", Some(RateOverride::Rules(rules))).await;
        assert!(matches!(&refused, Err(error) if error.kind() == ErrorKind::Invalid), "got {refused:?}");
    }
    assert_eq!(left(&limiter, "ada").await?, [6]);
    Ok(())
}
