//! Why the circuit breaker is our own: what tower-resilience-circuitbreaker 0.14 promises otherwise.
//!
//! It bounds half-open probes and takes back those of cancelled calls, as ours does. These tests hold what
//! it does differently; when one of them fails, the reason to keep our own has to be looked at again.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::ErrorKind;
use ledgerstone_resilience::{BreakerState, CircuitBreaker, Dependencies, Policy, Window};
use tokio::sync::Notify;
use tower::{Service, ServiceExt as _, service_fn};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, CircuitState, SlidingWindowType};

use crate::upstream::{Does, Upstream, error, seconds};

/// Its clock is the machine's, so these cases open it for no time at all instead of letting time pass.
fn layer() -> tower_resilience_circuitbreaker::CircuitBreakerConfigBuilder<
    tower_resilience_circuitbreaker::DefaultClassifier,
> {
    CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_type(SlidingWindowType::CountBased)
        .sliding_window_size(2)
        .minimum_number_of_calls(2)
        .wait_duration_in_open(Duration::ZERO)
        .permitted_calls_in_half_open(1)
}

fn ours(dependencies: &Dependencies) -> Policy {
    let rules = CircuitBreaker {
        minimum_calls: 2,
        window: Window::Calls(2),
        open_for: seconds(1),
        probes: 1,
        ..CircuitBreaker::default()
    };
    Policy::builder("orders").circuit_breaker(rules).build_in(dependencies).unwrap()
}

/// A call that began before it opened ends while it is half open: there it decides as if it were a probe.
#[tokio::test]
async fn theirs_takes_a_late_answer_for_a_probe() {
    let gate = Arc::new(Notify::new());
    let inner = {
        let gate = Arc::clone(&gate);
        service_fn(move |request: &'static str| {
            let gate = Arc::clone(&gate);
            async move {
                match request {
                    "late" => gate.notified().await,
                    "probe" => std::future::pending().await,
                    _ => return Err("down"),
                }
                Ok(())
            }
        })
    };
    let (layer, handle) = layer().build_with_handle().unwrap();
    let service = layer.layer_fn(inner);
    let mut caller = service.clone();
    let late = tokio::spawn(caller.ready().await.unwrap().call("late"));
    tokio::task::yield_now().await;
    for _ in 0..2 {
        service.clone().oneshot("down").await.unwrap_err();
    }
    let probe = tokio::spawn(service.clone().oneshot("probe"));
    while handle.state() != CircuitState::HalfOpen {
        tokio::task::yield_now().await;
    }
    gate.notify_one();
    late.await.unwrap().unwrap();
    assert_eq!(handle.state(), CircuitState::Closed, "though its only probe has not answered");
    probe.abort();
}

#[tokio::test(start_paused = true)]
async fn ours_lets_a_late_answer_count_for_nothing() {
    let dependencies = Dependencies::new();
    let policy = ours(&dependencies);
    let late = Upstream::that([Does::AnswersAfter(seconds(5))]);
    let others = async {
        for _ in 0..2 {
            policy.run(|| async { Err::<(), _>(error(ErrorKind::Unavailable)) }).await.unwrap_err();
        }
        tokio::time::sleep(seconds(2)).await;
        let hangs = Upstream::that([Does::Hangs]);
        tokio::time::timeout(seconds(60), policy.run(|| hangs.call())).await.unwrap_err();
    };
    let check = async {
        tokio::time::sleep(seconds(10)).await;
        dependencies.breakers()[0].state
    };
    let (answer, (), state) = tokio::join!(policy.run(|| late.call()), others, check);
    answer.unwrap();
    assert_eq!(state, BreakerState::HalfOpen, "it waits for its probe");
}

/// Opened by hand, theirs tries again by itself; ours stays isolated (the test in `breaker.rs`).
#[tokio::test]
async fn theirs_ends_an_isolation_by_itself() {
    let (layer, handle) = layer().build_with_handle().unwrap();
    let service = layer.layer_fn(service_fn(async |_: ()| Ok::<_, &str>(())));
    handle.force_open().await;
    service.oneshot(()).await.unwrap();
    assert_eq!(handle.state(), CircuitState::Closed);
}

/// Two layers of one name are two circuits; ours are one (the test in `breaker.rs`).
#[tokio::test]
async fn theirs_is_not_shared_by_name() {
    let (first, first_handle) = layer().name("orders").build_with_handle().unwrap();
    let (_second, second_handle) = layer().name("orders").build_with_handle().unwrap();
    let down = first.layer_fn(service_fn(async |_: ()| Err::<(), _>("down")));
    for _ in 0..2 {
        down.clone().oneshot(()).await.unwrap_err();
    }
    assert_eq!((first_handle.state(), second_handle.state()), (CircuitState::Open, CircuitState::Closed));
}

/// Its window of calls never slides: an old quiet time hides a dependency that fails now.
#[tokio::test(start_paused = true)]
async fn theirs_does_not_slide_its_window_of_calls() {
    let (layer, handle) =
        layer().sliding_window_size(10).minimum_number_of_calls(10).build_with_handle().unwrap();
    let service = layer.layer_fn(service_fn(async |works: bool| if works { Ok(()) } else { Err("down") }));
    for _ in 0..100 {
        service.clone().oneshot(true).await.unwrap();
    }
    for _ in 0..50 {
        service.clone().oneshot(false).await.unwrap_err();
    }
    assert_eq!(handle.state(), CircuitState::Closed, "the last fifty calls have failed");

    let dependencies = Dependencies::new();
    let rules = CircuitBreaker { minimum_calls: 10, window: Window::Calls(10), ..CircuitBreaker::default() };
    let policy = Policy::builder("orders").circuit_breaker(rules).build_in(&dependencies).unwrap();
    let upstream = Upstream::that([Does::Answers]);
    for _ in 0..100 {
        policy.run(|| upstream.call()).await.unwrap();
    }
    upstream.now_does(Does::Fails(ErrorKind::Unavailable));
    for _ in 0..5 {
        policy.run(|| upstream.call()).await.unwrap_err();
    }
    assert_eq!(dependencies.breakers()[0].state, BreakerState::Open);
}
