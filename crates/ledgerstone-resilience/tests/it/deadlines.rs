//! A deadline travels with the task, and nothing is begun that cannot end before it.

use std::sync::Mutex;

use ledgerstone_core::{Code, ErrorKind};
use ledgerstone_resilience::{Attempt, Deadline, Failure, Idempotent, Policy, Refusal, Retry};
use tokio::time::Instant;

use crate::upstream::{Does, Upstream, millis, seconds};

const DOWN: Does = Does::Fails(ErrorKind::Unavailable);

#[tokio::test(start_paused = true)]
async fn the_total_timeout_ends_a_call_that_hangs() {
    let policy = Policy::builder("orders").total_timeout(seconds(2)).build().unwrap();
    let upstream = Upstream::that([Does::Hangs]);
    let began = Instant::now();
    let failed = policy.run(|| upstream.call()).await.unwrap_err();
    assert_eq!((failed.kind(), failed.code()), (ErrorKind::TimedOut, Code::DeadlineExceeded));
    assert_eq!((began.elapsed(), upstream.under_way()), (seconds(2), 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_cannot_end_in_time_is_not_begun() {
    let retry = Retry::fixed(millis(400)).with_attempts(10);
    let total = Policy::builder("orders").total_timeout(seconds(1)).retry(retry.clone()).build().unwrap();
    let upstream = Upstream::that([DOWN]);
    let began = Instant::now();
    let failed = total.run(Idempotent(|_| upstream.call())).await.unwrap_err();
    // At 800 ms another wait of 400 would pass the deadline: the caller hears the error at once.
    assert_eq!((upstream.calls(), began.elapsed()), (3, millis(800)));
    assert_eq!(failed.kind(), ErrorKind::Unavailable, "and it is what the dependency said");

    let ambient = Policy::builder("orders").retry(retry.with_attempt_needs(millis(300))).build().unwrap();
    let upstream = Upstream::that([DOWN]);
    let began = Instant::now();
    let call = ambient.run(Idempotent(|_| upstream.call()));
    Deadline::after(seconds(1)).scope(call).await.unwrap_err();
    assert_eq!((upstream.calls(), began.elapsed()), (2, millis(400)));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_task_ends_a_call_under_any_policy() {
    for policy in
        [Policy::none("orders"), Policy::builder("orders").total_timeout(seconds(60)).build().unwrap()]
    {
        let upstream = Upstream::that([Does::Hangs]);
        let began = Instant::now();
        let failed = Deadline::after(seconds(3)).scope(policy.try_run(|| upstream.call())).await.unwrap_err();
        assert!(matches!(failed, Failure::Refused(Refusal::DeadlineExceeded { .. })));
        assert_eq!(began.elapsed(), seconds(3));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_when_the_deadline_is_over() {
    let upstream = Upstream::that([Does::Answers]);
    let deadline = Deadline::after(seconds(1));
    tokio::time::advance(seconds(1)).await;
    let failed = deadline.scope(Policy::none("orders").run(|| upstream.call())).await.unwrap_err();
    assert_eq!((failed.code(), upstream.calls()), (Code::DeadlineExceeded, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_called_sees_the_tightest_deadline() {
    let policy = Policy::builder("orders")
        .total_timeout(seconds(10))
        .retry(Retry::fixed(seconds(1)))
        .attempt_timeout(seconds(4))
        .build()
        .unwrap();
    let seen = Mutex::new(Vec::new());
    let call = Idempotent(|attempt: Attempt| {
        let seen = &seen;
        async move {
            assert_eq!(attempt.deadline, Deadline::current());
            seen.lock().unwrap().push(Deadline::current().unwrap().remaining());
            std::future::pending::<Result<(), ledgerstone_core::BackendError>>().await
        }
    });
    policy.run(call).await.unwrap_err();
    // The first two have the attempt timeout; when the third began no more than this was left of the total.
    assert_eq!(*seen.lock().unwrap(), [seconds(4), seconds(4)]);

    let call = || async { Ok::<_, ledgerstone_core::BackendError>(Deadline::current().unwrap().remaining()) };
    let left = Deadline::after(seconds(2)).scope(policy.run(call)).await.unwrap();
    assert_eq!(left, seconds(2), "the caller's own, which is tighter");
}
