//! Promise 7: no more than its limit passes a rule in its time, and that much does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::limiters::{Cases, FreshLimiters, HOUR, takes};
use crate::conformance::case::{CaseError, CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        7: no_more_than_the_limit_passes_however_many_ask_at_once,
        7: everything_may_be_taken_again_after_twice_the_time,
    ]
}

/// Promise 7. On all nodes together, and not one less.
async fn no_more_than_the_limit_passes_however_many_ask_at_once(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let nodes = limiters.nodes(&[limiters.rule(100, HOUR)]).await?;
    let callers = (0..8).map(|caller| {
        let node = Arc::clone(&nodes[caller % nodes.len()]);
        tokio::spawn(async move {
            let mut passed = 0;
            for _ in 0..40 {
                passed += u32::from(takes(&node, "ada", 1).await?);
                tokio::task::yield_now().await;
            }
            Ok::<_, CaseError>(passed)
        })
    });
    let passed: Result<Vec<u32>, CaseError> = try_join_all(callers).await?.into_iter().collect();
    assert_eq!(passed?.iter().sum::<u32>(), 100);
    Ok(())
}

/// Promise 7. A limiter that gives nothing back keeps the promise to nobody's use.
async fn everything_may_be_taken_again_after_twice_the_time(fresh: FreshLimiters) -> CaseResult {
    let limiters = fresh.store;
    let per = Duration::from_millis(500);
    let limiter = limiters.one(&[limiters.rule(4, per)]).await?;
    assert!(takes(&limiter, "ada", 4).await?);
    limiters.pass(per * 2).await;
    assert!(takes(&limiter, "ada", 4).await?);
    Ok(())
}
