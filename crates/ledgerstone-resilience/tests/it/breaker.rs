//! The circuit breaker in a policy: what counts, what it refuses, and who shares it.

use ledgerstone_core::{BackendError, Code, ErrorKind};
use ledgerstone_resilience::{
    BreakerState, Call as _, CircuitBreaker, Deadline, Dependencies, Idempotent, Policy, Retry, Window,
};

use crate::upstream::{Does, Upstream, error, millis, seconds};

fn rules() -> CircuitBreaker {
    CircuitBreaker {
        failure_rate: 0.5,
        minimum_calls: 4,
        window: Window::Time(seconds(30)),
        open_for: seconds(10),
        probes: 2,
        ..CircuitBreaker::default()
    }
}

fn policy(dependencies: &Dependencies) -> Policy {
    Policy::builder("orders").circuit_breaker(rules()).build_in(dependencies).unwrap()
}

fn state(dependencies: &Dependencies) -> BreakerState {
    dependencies.breakers()[0].state
}

#[tokio::test(start_paused = true)]
async fn it_opens_refuses_probes_and_closes() {
    let dependencies = Dependencies::new();
    let (policy, upstream) = (policy(&dependencies), Upstream::that([Does::Fails(ErrorKind::Unavailable)]));
    for _ in 0..4 {
        policy.run(|| upstream.call()).await.unwrap_err();
    }
    tokio::time::advance(seconds(4)).await;
    let refused = policy.run(|| upstream.call()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Unavailable, Code::CircuitOpen));
    assert_eq!(refused.retry_after(), Some(seconds(6)));
    assert!(refused.message().contains("orders"), "{refused}");
    let report = dependencies.breakers().remove(0);
    assert_eq!((report.failure_rate, report.calls, report.opened_since), (1.0, 4, Some(seconds(4))));

    tokio::time::advance(seconds(6)).await;
    upstream.now_does(Does::AnswersAfter(seconds(1)));
    let call = || policy.run(|| upstream.call());
    let answers = tokio::join!(call(), call(), call(), call());
    let answers = [answers.0, answers.1, answers.2, answers.3];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2, "two probes at once, no more");
    assert_eq!((state(&dependencies), upstream.calls()), (BreakerState::Closed, 6));
}

#[tokio::test(start_paused = true)]
async fn answers_that_no_attempt_would_mend_are_no_failures_unless_the_call_says_so() {
    let dependencies = Dependencies::new();
    let (policy, upstream) = (policy(&dependencies), Upstream::that([Does::Fails(ErrorKind::Internal)]));
    for _ in 0..20 {
        policy.run(|| upstream.call()).await.unwrap_err();
    }
    assert_eq!(state(&dependencies), BreakerState::Closed);
    let counts = |error: &BackendError| error.kind() == ErrorKind::Internal;
    for _ in 0..20 {
        policy.run((|| upstream.call()).counts_as_failure(counts)).await.unwrap_err();
    }
    assert_eq!(state(&dependencies), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_never_answers_opens_it_by_the_time_of_the_policy() {
    let timed = [
        Policy::builder("orders").attempt_timeout(seconds(1)),
        Policy::builder("orders").total_timeout(seconds(1)),
    ];
    for builder in timed {
        let dependencies = Dependencies::new();
        let policy = builder.circuit_breaker(rules()).build_in(&dependencies).unwrap();
        let upstream = Upstream::that([Does::Hangs]);
        for _ in 0..4 {
            policy.run(|| upstream.call()).await.unwrap_err();
        }
        assert_eq!(state(&dependencies), BreakerState::Open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_total_timeout_that_cuts_an_attempt_before_its_own_does_opens_it_too() {
    let retry = || Retry::fixed(millis(1)).with_attempts(2);
    let one_each = CircuitBreaker { minimum_calls: 8, failure_rate: 1.0, ..rules() };
    for (total, first) in [
        (seconds(1), Does::Hangs),
        (seconds(1), Does::Fails(ErrorKind::Unavailable)),
        (millis(1_500), Does::Hangs),
    ] {
        let dependencies = Dependencies::new();
        // Where the first attempt takes the whole total there is no second one, so half as many are enough.
        let is_single = total == seconds(1) && matches!(first, Does::Hangs);
        let rules = CircuitBreaker { minimum_calls: if is_single { 4 } else { 8 }, ..one_each.clone() };
        let policy = Policy::builder("orders")
            .attempt_timeout(seconds(1))
            .total_timeout(total)
            .retry(retry())
            .without_budget()
            .circuit_breaker(rules)
            .build_in(&dependencies)
            .unwrap();
        for _ in 0..4 {
            let upstream = Upstream::that([first, Does::Hangs]);
            policy.run(Idempotent(|_| upstream.call())).await.unwrap_err();
        }
        assert_eq!(state(&dependencies), BreakerState::Open, "{total:?} {first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_impatient_caller_does_not_open_it() {
    let dependencies = Dependencies::new();
    let policy = Policy::builder("orders")
        .total_timeout(seconds(60))
        .attempt_timeout(seconds(10))
        .circuit_breaker(rules())
        .build_in(&dependencies)
        .unwrap();
    let upstream = Upstream::that([Does::AnswersAfter(seconds(1))]);
    for _ in 0..20 {
        let call = policy.run(|| upstream.call());
        Deadline::after(millis(5)).scope(call).await.unwrap_err();
    }
    let report = dependencies.breakers().remove(0);
    assert_eq!((report.state, report.calls), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn slow_answers_open_it() {
    let dependencies = Dependencies::new();
    let slow = CircuitBreaker { slow_call: Some(seconds(1)), slow_call_rate: 0.75, ..rules() };
    let policy = Policy::builder("orders").circuit_breaker(slow).build_in(&dependencies).unwrap();
    let fast = Does::AnswersAfter(millis(999));
    let upstream = Upstream::that([fast, Does::AnswersAfter(seconds(1))]);
    for _ in 0..4 {
        policy.run(|| upstream.call()).await.unwrap();
    }
    let report = dependencies.breakers().remove(0);
    assert_eq!((report.state, report.slow_call_rate, report.failure_rate), (BreakerState::Open, 0.75, 0.0));
}

#[tokio::test(start_paused = true)]
async fn it_is_shared_by_name_among_policies_and_their_clones() {
    let dependencies = Dependencies::new();
    let reads = Policy::builder("reads").dependency("db").circuit_breaker(rules());
    let writes = Policy::builder("writes").dependency("db").circuit_breaker(rules());
    let (reads, writes) = (reads.build_in(&dependencies).unwrap(), writes.build_in(&dependencies).unwrap());
    let upstream = Upstream::that([Does::Fails(ErrorKind::Unavailable)]);
    for _ in 0..4 {
        reads.clone().run(|| upstream.call()).await.unwrap_err();
    }
    let refused = writes.run(|| upstream.call()).await.unwrap_err();
    assert_eq!((refused.code(), upstream.calls()), (Code::CircuitOpen, 4));
    assert_eq!(dependencies.breakers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn isolated_by_hand_it_stays_so_until_it_is_closed_by_hand() {
    let dependencies = Dependencies::new();
    let (policy, upstream) = (policy(&dependencies), Upstream::that([Does::Answers]));
    assert!(dependencies.isolate("orders") && !dependencies.isolate("order"));
    tokio::time::advance(seconds(1_000_000)).await;
    let refused = policy.run(|| upstream.call()).await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after()), (Code::CircuitOpen, None));
    assert!(dependencies.breakers()[0].is_isolated);
    assert!(dependencies.close("orders") && !dependencies.close("order"));
    policy.run(|| upstream.call()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn retries_stop_when_it_opens() {
    let dependencies = Dependencies::new();
    let policy = Policy::builder("orders")
        .retry(Retry::fixed(millis(1)).with_attempts(50))
        .without_budget()
        .circuit_breaker(rules())
        .build_in(&dependencies)
        .unwrap();
    let call = || async { Err::<(), _>(error(ErrorKind::Unavailable)) };
    let failed = policy.run(Idempotent(|_| call())).await.unwrap_err();
    assert_eq!((failed.code(), dependencies.breakers()[0].calls), (Code::CircuitOpen, 4));
}
