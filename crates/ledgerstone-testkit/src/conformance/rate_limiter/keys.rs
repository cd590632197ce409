//! Promise 5: keys do not touch one another, and those that are idle are forgotten.

use std::time::Duration;

use super::limiters::{Cases, FreshLimiters, left, takes};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        5: keys_do_not_touch_one_another,
        5: a_key_that_has_everything_again_is_forgotten,
    ]
}

/// Promise 5. However alike they look, and whatever they are made of.
async fn keys_do_not_touch_one_another(fresh: FreshLimiters) -> CaseResult {
    let limiter = fresh.store.hourly(10).await?;
    let keys =
        ["a", "aa", "A", " a", "a:t", "a:o", "{a}", "}{", "}", "%7D", "{", "%", "ключ", "a\nb", "a\0b", "*"];
    for (taken, key) in (1..).zip(keys.iter().map(|key| (*key).to_owned())).map(|(n, key)| (n % 10 + 1, key))
    {
        assert_eq!(left(&limiter, &key).await?, [10], "{key:?} was touched");
        assert!(takes(&limiter, &key, taken).await?);
    }
    for (taken, key) in (1..).zip(keys).map(|(n, key)| (n % 10 + 1, key)) {
        assert_eq!(left(&limiter, key).await?, [10 - taken], "{key:?} was touched");
    }
    Ok(())
}

/// Promise 5. At the latest when others come.
async fn a_key_that_has_everything_again_is_forgotten(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let per = Duration::from_millis(500);
    let limiter = limiters.one(&[limiters.rule(2, per)]).await?;
    for number in 0..40 {
        takes(&limiter, &format!("early-{number}"), 1).await?;
    }
    limiters.pass(per * 3).await;
    for number in 0..40 {
        takes(&limiter, &format!("late-{number}"), 1).await?;
    }
    let kept = limiters.kept().await?;
    assert!(kept <= 45, "{kept} keys are remembered, of which 40 have nothing to remember");
    Ok(())
}
