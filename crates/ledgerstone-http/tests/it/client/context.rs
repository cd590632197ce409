//! What goes along with a call: who asks, on whose behalf, in which trace.

use axum::http::{HeaderMap, HeaderValue};
use ledgerstone_core::TimeOrderedIds;
use ledgerstone_http::{Correlation, Credentials, TraceContext};
use ledgerstone_resilience::Policy;

use crate::client::over;
use crate::client::scripted::{Scripted, says};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn correlation_and_trace_of_the_request_being_handled_go_out() {
    let client = Scripted::new(vec![says(200, &[], "")]);
    let http = over(&client).policy(Policy::none("orders"));
    let http = http.build().expect("a client");
    let mut came = HeaderMap::new();
    came.insert("traceparent", HeaderValue::from_static(PARENT));
    came.insert("tracestate", HeaderValue::from_static("a=b"));
    came.insert("x-correlation-id", HeaderValue::from_static("order-7"));
    let correlation = Correlation::of(&came, &TimeOrderedIds);
    let trace = TraceContext::of(&came).expect("a trace");
    correlation.scope(trace.scope(http.get("/a").send())).await.expect("an answer");
    assert_eq!(client.header(0, "x-correlation-id").as_deref(), Some("order-7"));
    assert_eq!(client.header(0, "traceparent").as_deref(), Some(PARENT));
    assert_eq!(client.header(0, "tracestate").as_deref(), Some("a=b"));
    http.get("/a").send().await.expect("an answer");
    assert_eq!(client.header(1, "x-correlation-id"), None);
    assert_eq!(client.header(1, "traceparent"), None);
}

#[tokio::test]
async fn a_calls_own_header_wins_over_the_clients() {
    let client = Scripted::new(vec![says(200, &[], "")]);
    let http = over(&client).policy(Policy::none("orders"));
    let http = http.header("X-Tenant", "a").header("x-version", "1").credentials(Credentials::bearer("t"));
    let http = http.build().expect("a client");
    http.get("/a").header("x-tenant", "b").header("Authorization", "own").send().await.expect("an answer");
    assert_eq!(client.header(0, "x-tenant").as_deref(), Some("b"));
    assert_eq!(client.header(0, "x-version").as_deref(), Some("1"));
    assert_eq!(client.header(0, "authorization").as_deref(), Some("own"));
    assert_eq!(client.asked()[0].headers.iter().filter(|(name, _)| name == "x-tenant").count(), 1);
}
