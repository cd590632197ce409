//! A late call is asked once more, and the first answer wins.

use ledgerstone_core::ErrorKind;
use ledgerstone_resilience::{Hedge, Idempotent, Policy, Retry, RetryBudget};
use tokio::time::Instant;

use crate::upstream::{Does, Upstream, millis, seconds};

fn hedged(most: u32) -> Policy {
    Policy::builder("orders").hedge(Hedge::after(millis(50)).with_most(most)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_answers_in_time_is_not_hedged() {
    let upstream = Upstream::that([Does::AnswersAfter(millis(40))]);
    assert_eq!(hedged(3).run(Idempotent(|_| upstream.call())).await.unwrap(), 1);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_wins_and_the_others_are_cancelled() {
    let slow = Does::AnswersAfter(seconds(5));
    let upstream = Upstream::that([slow, slow, Does::AnswersAfter(millis(10)), Does::Answers]);
    let began = Instant::now();
    assert_eq!(hedged(3).run(Idempotent(|_| upstream.call())).await.unwrap(), 3);
    assert_eq!((began.elapsed(), upstream.under_way()), (millis(110), 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_no_attempt_would_mend_is_an_answer() {
    let upstream = Upstream::that([Does::AnswersAfter(seconds(5)), Does::Fails(ErrorKind::NotFound)]);
    let failed = hedged(1).run(Idempotent(|_| upstream.call())).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_waits_for_the_others() {
    let upstream = Upstream::that([Does::AnswersAfter(seconds(1)), Does::Fails(ErrorKind::Unavailable)]);
    assert_eq!(hedged(1).run(Idempotent(|_| upstream.call())).await.unwrap(), 1);
    let upstream = Upstream::that([Does::Fails(ErrorKind::Unavailable)]);
    hedged(3).run(Idempotent(|_| upstream.call())).await.unwrap_err();
    assert_eq!(upstream.calls(), 1, "one that fails at once is left to the retry slot");
}

#[tokio::test(start_paused = true)]
async fn hedges_that_the_budget_does_not_pay_for_are_not_begun() {
    let budget = RetryBudget { ratio: 0.0, reserve: 1 };
    let policy = Policy::builder("orders")
        .hedge(Hedge::after(millis(50)).with_most(5))
        .retry(Retry::fixed(millis(1)))
        .budget(budget)
        .attempt_timeout(seconds(1))
        .build()
        .unwrap();
    let upstream = Upstream::that([Does::Hangs]);
    policy.run(Idempotent(|_| upstream.call())).await.unwrap_err();
    assert_eq!(upstream.calls(), 2, "one hedge, and then nothing is left for a retry");
}
