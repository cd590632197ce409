//! What is made again, and what never is.

use std::time::Duration;

use ledgerstone_core::{BackendError, ErrorKind};
use ledgerstone_http::{Http, HttpCall, HttpFault};
use ledgerstone_resilience::{CircuitBreaker, Deadline, Policy};

use crate::client::scripted::{Scripted, fails, says};
use crate::client::{over, trying};

/// Counts how often a call is sent to a server that is away.
async fn sent(make: impl FnOnce(&Http) -> HttpCall) -> usize {
    let client = Scripted::new(vec![says(503, &[], "")]);
    let http = over(&client).policy(trying(4)).build().expect("a client");
    make(&http).send().await.expect_err("a failure");
    client.asked().len()
}

#[tokio::test(start_paused = true)]
async fn idempotent_methods_are_retried_and_others_run_once() {
    assert_eq!(sent(|http| http.get("/a")).await, 4);
    assert_eq!(sent(|http| http.head("/a")).await, 4);
    assert_eq!(sent(|http| http.put("/a")).await, 4);
    assert_eq!(sent(|http| http.delete("/a")).await, 4);
    assert_eq!(sent(|http| http.post("/a")).await, 1);
    assert_eq!(sent(|http| http.patch("/a")).await, 1);
    assert_eq!(sent(|http| http.post("/a").retries(Some(9))).await, 1);
    assert_eq!(sent(|http| http.post("/a").idempotent()).await, 4);
}

#[tokio::test(start_paused = true)]
async fn no_retries_means_none_and_more_means_more() {
    assert_eq!(sent(|http| http.get("/a").retries(Some(0))).await, 1);
    assert_eq!(sent(|http| http.get("/a").retries(Some(1))).await, 2);
    assert_eq!(sent(|http| http.get("/a").retries(None)).await, 4);
    assert_eq!(sent(|http| http.post("/a").idempotency_key("k").retries(Some(0))).await, 1);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_carries_the_same_idempotency_key() {
    let client = Scripted::new(vec![says(502, &[], ""), says(200, &[], "")]);
    let http = over(&client).policy(trying(3)).build().expect("a client");
    http.post("/orders").idempotency_key("order-7").send().await.expect("an answer");
    assert_eq!(client.header(0, "idempotency-key").as_deref(), Some("order-7"));
    assert_eq!(client.header(1, "idempotency-key").as_deref(), Some("order-7"));
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_a_read_is_tried_four_times() {
    let client = Scripted::new(vec![says(503, &[], "")]);
    let http = over(&client).build().expect("a client");
    http.get("/a").send().await.expect_err("a failure");
    assert_eq!(client.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_not_retried() {
    for status in [400, 401, 403, 404, 409, 422, 500, 501] {
        let client = Scripted::new(vec![says(status, &[], "")]);
        let http = over(&client).policy(trying(4));
        http.build().expect("a client").get("/a").send().await.expect_err("a failure");
        assert_eq!(client.asked().len(), 1, "{status}");
    }
    let misconfigured =
        || BackendError::new(ErrorKind::Misconfigured, "http", "send", "no TLS with this server");
    let client = Scripted::new(vec![fails(misconfigured)]);
    let http = over(&client).policy(trying(4)).build().expect("a client");
    let error = http.get("/a").send().await.expect_err("a failure");
    assert_eq!((error.fault(), client.asked().len()), (HttpFault::Connection, 1));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_counts_what_broke_at_the_server_and_nothing_else() {
    let breaker = CircuitBreaker { minimum_calls: 4, ..CircuitBreaker::default() };
    for (status, reached) in [(500, 4), (503, 4), (404, 9), (422, 9)] {
        let policy = Policy::builder("orders").circuit_breaker(breaker.clone()).build().expect("a policy");
        let client = Scripted::new(vec![says(status, &[], "")]);
        let http = over(&client).policy(policy).build().expect("a client");
        for _ in 0..9 {
            http.get("/a").send().await.expect_err("a failure");
        }
        assert_eq!(client.asked().len(), reached, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_tighter_of_a_timeout_and_the_tasks_deadline_holds() {
    let client = Scripted::new(vec![says(200, &[], "")]);
    let http = over(&client).policy(Policy::none("orders"));
    let http = http.timeout(Duration::from_secs(9)).build().expect("a client");
    http.get("/a").send().await.expect("an answer");
    http.get("/a").timeout(Duration::from_secs(2)).send().await.expect("an answer");
    let outer = Deadline::after(Duration::from_secs(1));
    outer.scope(http.get("/a").timeout(Duration::from_secs(2)).send()).await.expect("an answer");
    let given: Vec<_> = client.asked().into_iter().filter_map(|request| request.timeout).collect();
    // What is the call's own ends a little before the call does, and what is the caller's with it.
    assert_eq!(given, [8995, 1995, 1000].map(Duration::from_millis));
    let told: Vec<_> =
        (0..3).filter_map(|number| client.header(number, "x-ledgerstone-deadline-ms")).collect();
    assert_eq!(told, ["9000", "2000", "1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_is_over_is_not_sent() {
    let client = Scripted::new(vec![says(200, &[], "")]);
    let http = over(&client).policy(trying(3)).build().expect("a client");
    let over = Deadline::after(Duration::ZERO);
    let error = over.scope(http.get("/a").send()).await.expect_err("too late");
    assert_eq!((error.kind(), error.fault()), (ErrorKind::TimedOut, HttpFault::Timeout));
    assert!(client.asked().is_empty());
}
