//! The fallback of a call answers after the failures that the policy names.

use ledgerstone_core::ErrorKind;
use ledgerstone_resilience::{Failure, FallbackOn, Idempotent, Policy, Retry};

use crate::upstream::{Does, Upstream, error, millis, seconds};

fn on(on: FallbackOn) -> Policy {
    Policy::builder("orders").fallback(on).total_timeout(seconds(1)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_setting_covers_its_failures() {
    let missing = Does::Fails(ErrorKind::NotFound);
    let down = Does::Fails(ErrorKind::Unavailable);
    let cases = [
        (FallbackOn::Refused, [false, false, true]),
        (FallbackOn::Retryable, [false, true, true]),
        (FallbackOn::Any, [true, true, true]),
    ];
    for (setting, covered) in cases {
        for (does, is_covered) in [missing, down, Does::Hangs].into_iter().zip(covered) {
            let upstream = Upstream::that([does]);
            let answer = on(setting).run_or(|| upstream.call(), 99).await;
            assert_eq!(answer.ok(), is_covered.then_some(99), "{does:?} under {setting:?}");
        }
    }
    let upstream = Upstream::that([missing]);
    assert!(Policy::none("orders").run_or(|| upstream.call(), 99).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_function_sees_the_failure_after_the_last_retry() {
    let policy = Policy::builder("orders").retry(Retry::fixed(millis(1))).build().unwrap();
    let upstream = Upstream::that([Does::Fails(ErrorKind::Throttled)]);
    let answer = policy
        .run_or_else(Idempotent(|_| upstream.call()), async |failure| match failure {
            Failure::Call(error) if error.kind() == ErrorKind::Throttled => Ok(7),
            _ => Err(error(ErrorKind::Internal)),
        })
        .await;
    assert_eq!((answer.unwrap(), upstream.calls()), (7, 3));
    let upstream = Upstream::that([Does::Answers]);
    let never = async |_| panic!("nothing failed");
    assert_eq!(policy.run_or_else(|| upstream.call(), never).await.unwrap(), 1);
}
