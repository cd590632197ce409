//! Calls through the gateway: how they are put together, and which are made again.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{Code, ErrorKind, HttpClient as _, HttpRequest};
use ledgerstone_http::{Correlation, Gateway, PolicySource, ServiceSettings};
use ledgerstone_resilience::{Deadline, Idempotent, Policy, Retry};

use super::fakes::{Scripted, Told, gateway, host, refused, response};

fn settings() -> ServiceSettings {
    let mut settings: ServiceSettings = serde_json::from_str(
        r#"{"resolver": "told", "host": "orders.internal", "operations": {
            "get_order": {"path": "/orders/{id}/lines/{line}", "timeout": "2s"},
            "add_order": {"method": "POST", "path": "/orders"},
            "touch": {"method": "POST", "path": "/touch", "idempotent": true},
            "guarded": {"path": "/", "policy": "patient"},
            "lost": {"path": "/", "policy": "patien"}}}"#,
    )
    .expect("settings");
    settings.timeout = Duration::from_secs(9);
    settings
}

fn patient() -> Policy {
    let retry = Retry::exponential(Duration::from_millis(1), Duration::from_millis(5));
    Policy::builder("patient").retry(retry).build().expect("a policy")
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// A client for which nobody is at the endpoint `a:1`.
fn half_there() -> Arc<Scripted> {
    Scripted::new(|request| if host(request) == "a:1" { Err(refused()) } else { Ok(response(200)) })
}

fn ready(client: &Arc<Scripted>) -> Gateway {
    gateway(settings(), &Told::of(&["a:1", "b:1"]), client)
}

#[tokio::test(start_paused = true)]
async fn a_call_is_put_together_as_it_was_given() {
    let client = Scripted::good();
    let gateway = ready(&client);
    let sent = gateway
        .call("orders", "get_order")
        .expect("known")
        .path("id", "4/2 ü")
        .path("line", "..7")
        .query("q", "a&b=c")
        .query("full", "")
        .header("accept", "text/plain")
        .send();
    let correlation = Correlation::of(&Default::default(), &ledgerstone_core::TimeOrderedIds);
    sent_in(correlation.clone(), sent).await;
    let request = client.requests.lock().pop().expect("a request");
    assert_eq!(request.url, "http://a:1/orders/4%2F2%20%C3%BC/lines/..7?q=a%26b%3Dc&full=");
    assert_eq!((request.method, request.timeout), ("GET", Some(Duration::from_secs(2))));
    assert_eq!(header(&request, "host"), Some("orders.internal"));
    assert_eq!(header(&request, "accept"), Some("text/plain"));
    assert_eq!(header(&request, "x-correlation-id"), Some(correlation.as_str()));

    let call = gateway.call("orders", "add_order").expect("known").json(&vec![1, 2]);
    call.send().await.expect("an answer");
    let request = client.requests.lock().pop().expect("a request");
    assert_eq!((request.method, &request.body[..]), ("POST", &b"[1,2]"[..]));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(request.timeout, Some(Duration::from_secs(9)));
}

async fn sent_in(
    correlation: Correlation,
    sent: impl Future<Output = Result<ledgerstone_core::HttpResponse, ledgerstone_core::BackendError>>,
) {
    correlation.scope(sent).await.expect("an answer");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_call_is_refused_before_anything_is_sent() {
    let client = Scripted::good();
    let gateway = ready(&client);
    let call = || gateway.call("orders", "get_order").expect("known").path("id", "1");
    for (wrong, reason) in [
        (call(), "{line}"),
        (call().path("lines", "2"), "did you mean {line}?"),
        (call().path("line", ".."), "cannot stand in a path"),
        (call().path("line", ""), "cannot stand in a path"),
    ] {
        let error = wrong.send().await.expect_err("no call");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(reason), "{error}");
    }
    assert!(gateway.request("orders", "FETCH", "/").is_err());
    assert!(gateway.request("orders", "GET", "orders").is_err());
    assert!(client.requests.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_endpoint() {
    let client = half_there();
    let gateway = ready(&client);
    for _ in 0..4 {
        let call = gateway.request("orders", "GET", "/").expect("sound").policy(patient());
        assert_eq!(call.send().await.expect("an answer").status, 200);
        let hosts = client.hosts();
        assert!(hosts == ["b:1"] || hosts == ["a:1", "b:1"], "{hosts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_may_be_repeated_is_repeated() {
    let client = Scripted::new(|_| Err(refused()));
    let gateway = ready(&client);
    let operation = |name: &str| gateway.call("orders", name).expect("known").policy(patient());
    operation("add_order").send().await.expect_err("nobody");
    assert_eq!(client.requests.lock().len(), 1, "an operation that adds was made again");
    client.hosts();

    operation("touch").send().await.expect_err("nobody");
    assert!(client.requests.lock().len() > 1, "the settings say that it may be repeated");
    client.hosts();

    operation("add_order").idempotency_key("order-7").send().await.expect_err("nobody");
    let requests = client.requests.lock();
    assert!(requests.len() > 1);
    assert!(requests.iter().all(|request| header(request, "idempotency-key") == Some("order-7")));
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_nothing_is_repeated() {
    let client = Scripted::new(|_| Err(refused()));
    let gateway = ready(&client);
    let call = gateway.request("orders", "GET", "/").expect("sound");
    call.send().await.expect_err("nobody");
    assert_eq!(client.requests.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_is_an_answer_whatever_its_status() {
    let client = Scripted::new(|_| Ok(response(503)));
    let gateway = ready(&client);
    let call = gateway.request("orders", "GET", "/").expect("sound").policy(patient());
    assert_eq!(call.send().await.expect("an answer").status, 503);
    assert!(client.requests.lock().len() > 1, "a 503 asks to come again");
    client.hosts();
    let client = Scripted::new(|_| Ok(response(404)));
    let gateway = ready(&client);
    let call = gateway.request("orders", "GET", "/").expect("sound").policy(patient());
    assert_eq!(call.send().await.expect("an answer").status, 404);
    assert_eq!(client.requests.lock().len(), 1, "a 404 was asked for again");
}

#[tokio::test(start_paused = true)]
async fn policies_are_found_by_name_at_each_call() {
    let client = half_there();
    let source = PolicySource::new(|name| (name == "patient").then(patient));
    let gateway = ready(&client).with_policies(source);
    for _ in 0..4 {
        let call = gateway.call("orders", "guarded").expect("known");
        assert_eq!(call.send().await.expect("an answer").status, 200);
    }
    let error = gateway.call("orders", "lost").expect_err("no such policy");
    assert_eq!(error.code(), Code::Configuration);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_travels_and_bounds() {
    let client = Scripted::good();
    let gateway = ready(&client);
    let call = gateway.request("orders", "GET", "/").expect("sound");
    let answer = Deadline::after(Duration::from_millis(700)).scope(call.send()).await;
    answer.expect("an answer");
    let request = client.requests.lock().pop().expect("a request");
    assert_eq!(header(&request, "x-ledgerstone-deadline-ms"), Some("700"));
    assert_eq!(request.timeout, Some(Duration::from_millis(700)));

    let call = gateway.request("orders", "GET", "/").expect("sound");
    let error = Deadline::after(Duration::ZERO).scope(call.send()).await.expect_err("too late");
    assert_eq!((error.kind(), error.code()), (ErrorKind::TimedOut, Code::DeadlineExceeded));
    assert!(client.requests.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_gateway_is_a_client_whose_hosts_are_services() {
    let client = Scripted::good();
    let gateway = ready(&client);
    let request = |url: &str| HttpRequest {
        method: "GET",
        url: url.to_owned(),
        headers: Vec::new(),
        body: Default::default(),
        timeout: None,
    };
    gateway.send(request("http://orders/orders/7?full=1")).await.expect("an answer");
    let sent = client.requests.lock().pop().expect("a request");
    assert_eq!(sent.url, "http://a:1/orders/7?full=1");
    let error = gateway.send(request("http://ordres/orders/7")).await.expect_err("unknown");
    assert!(error.message().contains("did you mean orders?"), "{error}");
    assert!(gateway.send(request("no url")).await.is_err());

    // Under a policy of its own, as the typed client has it.
    let policy = patient();
    let again =
        policy.run(Idempotent(|_: ledgerstone_resilience::Attempt| gateway.send(request("http://orders/"))));
    assert_eq!(again.await.expect("an answer").status, 200);
}
