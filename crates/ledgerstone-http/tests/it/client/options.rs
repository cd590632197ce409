//! What is refused before anything is sent, and connections over time.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{ErrorKind, HttpClient as _, HttpRequest};
use ledgerstone_http::{
    ClientOptions, Credentials, ExplicitProxy, Http, HttpCall, HttpFault, ProxyOptions, ReqwestClient, Route,
};
use ledgerstone_resilience::Policy;

use crate::client::hostile_server::{Hostile, Step};
use crate::client::scripted::{Scripted, says};

fn http(client: &Arc<Scripted>) -> Http {
    let client = Arc::clone(client);
    let http = Http::builder("orders", client, "http://h/api").policy(Policy::none("orders"));
    http.credentials(Credentials::bearer("secret")).header("x-tenant", "a").build().expect("a client")
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_the_reason() {
    let client = Scripted::new(vec![says(200, &[], "")]);
    let http = http(&client);
    let calls: Vec<(&str, HttpCall)> = vec![
        ("zero", http.get("/a").timeout(Duration::ZERO)),
        ("header", http.get("/a").header("x y", "1")),
        ("header", http.get("/a").header("x", "1\r\nevil: 1")),
        ("idempotency-key", http.post("/a").idempotency_key("a\nb")),
        ("another host", http.get(String::from("//evil.example"))),
        ("absolute", http.get(String::from("http://evil.example"))),
        ("lead away", http.get(String::from("/../admin"))),
        ("needs a value", http.get("/users/{id}")),
        ("empty", http.delete("/users/{id}").parameter("id", "")),
        ("has no {id}", http.get("/users").parameter("id", 7)),
    ];
    for (reason, call) in calls {
        let error = call.send().await.expect_err(reason);
        assert_eq!((error.kind(), error.fault()), (ErrorKind::Invalid, HttpFault::Request), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(client.asked().is_empty());
}

#[test]
fn a_client_that_cannot_work_is_refused_with_the_reason() {
    let new = |base: &str| Http::builder("orders", Scripted::new(vec![says(200, &[], "")]), base);
    for builder in [
        new("orders.example"),
        new("http://h").timeout(Duration::ZERO),
        new("http://h").header("x", "a\nb"),
        new("http://h").credentials(Credentials::bearer("a\nb")),
        Http::builder("", Scripted::new(vec![says(200, &[], "")]), "http://h"),
    ] {
        assert_eq!(builder.build().expect_err("refused").kind(), ErrorKind::Misconfigured);
    }
}

#[tokio::test]
async fn a_whole_url_is_called_where_asked_for_and_nothing_secret_leaves_the_origin() {
    let client = Scripted::new(vec![says(200, &[], "")]);
    let http = http(&client);
    http.get(Route::absolute("http://elsewhere.example/x")).query("a", 1).send().await.expect("an answer");
    http.get(Route::absolute("http://h/other")).send().await.expect("an answer");
    assert_eq!(client.asked()[0].url, "http://elsewhere.example/x?a=1");
    for name in ["authorization", "x-tenant", "x-ledgerstone-deadline-ms"] {
        assert_eq!(client.header(0, name), None, "{name}");
        assert!(client.header(1, name).is_some(), "{name}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let client = Scripted::new(vec![says(200, &[], "")]);
    let call = http(&client).get("/a").header("x-key", "hunter2");
    let printed = format!("{:?} {:?} {:?}", http(&client), call, call);
    assert!(!printed.contains("secret") && !printed.contains("hunter2"), "{printed}");
    let request = HttpRequest {
        method: "GET",
        url: "http://h/a?key=hunter2".to_owned(),
        headers: vec![("authorization".to_owned(), "hunter2".to_owned())],
        body: bytes::Bytes::new(),
        timeout: None,
    };
    assert!(!format!("{request:?}").contains("hunter2"));
}

async fn get(client: &ReqwestClient, url: String) -> u16 {
    use futures_util::TryStreamExt as _;
    let request =
        HttpRequest { method: "GET", url, headers: Vec::new(), body: bytes::Bytes::new(), timeout: None };
    let response = client.send(request).await.expect("an answer");
    let pieces: Vec<bytes::Bytes> = response.body.try_collect().await.expect("a body");
    assert_eq!(pieces.concat(), b"ok");
    response.status
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_pool_above_its_age_opens_new_connections() {
    for (max_age, connections) in [(Duration::from_secs(60), 1), (Duration::ZERO, 3)] {
        let server = Hostile::start(vec![Step::Request, Step::Say(OK.into()), Step::Again]).await;
        let options = ClientOptions { max_age, proxy: ProxyOptions::None, ..ClientOptions::default() };
        let client = ReqwestClient::new(options).expect("a client");
        for _ in 0..3 {
            assert_eq!(get(&client, server.url("/")).await, 200);
            // The connection goes back to its pool in a task of its own.
            tokio::task::yield_now().await;
        }
        let opened = server.connections();
        assert!(if connections == 1 { opened < 3 } else { opened == 3 }, "{opened} for {max_age:?}");
    }
}

#[tokio::test]
async fn an_explicit_proxy_is_asked_for_the_whole_url_and_told_who_asks() {
    let proxy = Hostile::start(vec![Step::Request, Step::Say(OK.into())]).await;
    let explicit = ExplicitProxy::new(proxy.url("")).with_account("ada", "pw").bypassing("direct.invalid");
    let options = ClientOptions { proxy: ProxyOptions::Explicit(explicit), ..ClientOptions::default() };
    let client = ReqwestClient::new(options).expect("a client");
    assert_eq!(get(&client, "http://orders.invalid/x".to_owned()).await, 200);
    let asked = proxy.asked();
    assert!(asked.starts_with("GET http://orders.invalid/x HTTP/1.1"), "{asked}");
    assert!(asked.to_lowercase().contains("proxy-authorization: basic ywrhonb3"), "{asked}");
}
