//! A thousand callers before a dependency that fails: it sees at most 1.2 times its load.

use futures_util::future::join_all;
use ledgerstone_core::ErrorKind;
use ledgerstone_resilience::{Hedge, Idempotent, Policy, PolicyBuilder, Retry, RetryBudget, SeededJitter};

use crate::upstream::{Does, Upstream, millis, seconds};

const CALLERS: u32 = 1_000;
const CALLS_EACH: u32 = 20;
const CALLS: u32 = CALLERS * CALLS_EACH;

fn policy() -> PolicyBuilder {
    Policy::builder("upstream")
        .retry(Retry::exponential(millis(10), millis(200)).with_attempts(5))
        .attempt_timeout(millis(50))
        .jitter(SeededJitter::new(4))
}

/// Lets every caller call, one call after the other, while the upstream does the same bad thing.
async fn storm(policy: Policy, does: Does) -> Upstream {
    let upstream = Upstream::that([does]);
    let caller = |number: u32| {
        let (policy, upstream) = (policy.clone(), upstream.clone());
        async move {
            for _ in 0..CALLS_EACH {
                let answer = policy.run(Idempotent(|_| upstream.call())).await;
                assert!(answer.is_err());
                tokio::time::sleep(millis(10 + u64::from(number % 17))).await;
            }
        }
    };
    join_all((0..CALLERS).map(caller)).await;
    upstream
}

#[tokio::test(start_paused = true)]
async fn a_dead_dependency_sees_at_most_one_and_a_fifth_of_its_load() {
    for does in [Does::Fails(ErrorKind::Unavailable), Does::Hangs, Does::AsksToWait(millis(20))] {
        let upstream = storm(policy().build().unwrap(), does).await;
        let (attempts, reserve) = (upstream.calls(), RetryBudget::default().reserve);
        assert!(attempts <= CALLS + CALLS / 5 + reserve, "{attempts} attempts of {CALLS} calls: {does:?}");
        assert!(attempts >= CALLS + CALLS / 10, "and what may be retried is: {attempts}, {does:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn hedges_spend_the_same_budget() {
    let policy = policy().hedge(Hedge::after(millis(20)).with_most(2)).build().unwrap();
    let attempts = storm(policy, Does::Hangs).await.calls();
    assert!(attempts <= CALLS + CALLS / 5 + 10, "{attempts} attempts of {CALLS} calls");
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_the_same_callers_storm_it() {
    let attempts = storm(policy().without_budget().build().unwrap(), Does::Hangs).await.calls();
    assert_eq!(attempts, CALLS * 5, "else the tests above prove nothing");
}

#[tokio::test(start_paused = true)]
async fn policies_of_one_dependency_share_its_budget() {
    let dependencies = ledgerstone_resilience::Dependencies::new();
    let upstream = Upstream::that([Does::Fails(ErrorKind::Unavailable)]);
    let retry = || Retry::fixed(millis(1)).with_attempts(100);
    for name in ["reads", "writes"] {
        let policy = Policy::builder(name).dependency("orders").retry(retry()).total_timeout(seconds(9));
        let policy = policy.build_in(&dependencies).unwrap();
        policy.run(Idempotent(|_| upstream.call())).await.unwrap_err();
    }
    assert_eq!(upstream.calls(), 2 + 10, "two calls, and the reserve once");
}
