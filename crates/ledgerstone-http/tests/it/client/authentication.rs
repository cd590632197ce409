//! Who asks: tokens, passwords, keys, and tokens that are fetched.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, ErrorKind};
use ledgerstone_http::{ClientCredentials, Credentials, Http, HttpFault};
use ledgerstone_resilience::Policy;

use crate::client::scripted::{Scripted, fails, says};

fn http(client: &Arc<Scripted>, credentials: Credentials) -> Http {
    let client = Arc::clone(client);
    let http = Http::builder("orders", client, "http://h").policy(Policy::none("orders"));
    http.credentials(credentials).build().expect("a client")
}

fn account() -> Credentials {
    let account = ClientCredentials::new("http://login.example/token", "id", "hunter2");
    Credentials::client_credentials(account.with_scope("read"))
}

fn token(name: &str, seconds: u64) -> String {
    format!(r#"{{"access_token":"{name}","token_type":"Bearer","expires_in":{seconds}}}"#)
}

/// Returns what was asked: `token` for a token, else what proved who asks.
fn story(client: &Scripted) -> Vec<String> {
    let tell = |(number, request): (usize, ledgerstone_core::HttpRequest)| match request.url.as_str() {
        "http://login.example/token" => "token".to_owned(),
        _ => client.header(number, "authorization").unwrap_or_default(),
    };
    client.asked().into_iter().enumerate().map(tell).collect()
}

#[tokio::test]
async fn credentials_are_sent_as_their_kind_asks() {
    let client = Scripted::new(vec![says(200, &[], "")]);
    for credentials in [
        Credentials::bearer("t"),
        Credentials::basic("Aladdin", "open sesame"),
        Credentials::api_key_header("X-Api-Key", "k"),
        Credentials::api_key_query("api key", "k&"),
    ] {
        http(&client, credentials).get("/a").query("b", 1).send().await.expect("an answer");
    }
    assert_eq!(client.header(0, "authorization").as_deref(), Some("Bearer t"));
    assert_eq!(client.header(1, "authorization").as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    assert_eq!(client.header(2, "x-api-key").as_deref(), Some("k"));
    assert_eq!(client.asked()[3].url, "http://h/a?b=1&api%20key=k%26");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_for_everybody() {
    let client = Scripted::new(vec![says(200, &[], &token("one", 3600))]);
    let http = http(&client, account());
    let calls = (0..100).map(|_| http.get("/a").send());
    for answer in futures_util::future::join_all(calls).await {
        answer.expect("an answer");
    }
    let story = story(&client);
    assert_eq!(story.iter().filter(|asked| *asked == "token").count(), 1);
    assert_eq!(story.iter().filter(|asked| *asked == "Bearer one").count(), 100);
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_fetch_that_failed_fails_with_it() {
    let away = || BackendError::new(ErrorKind::Unavailable, "http", "send", "no connection");
    let client = Scripted::new(vec![fails(away)]);
    let http = http(&client, account());
    let calls = (0..100).map(|_| http.get("/a").send());
    for answer in futures_util::future::join_all(calls).await {
        let error = answer.expect_err("no token");
        assert_eq!((error.kind(), error.fault()), (ErrorKind::Unavailable, HttpFault::Authentication));
    }
    assert_eq!(client.asked().len(), 1);
    // Who comes later asks anew.
    http.get("/a").send().await.expect_err("no token");
    assert_eq!(client.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_caller_does_not_strand_the_others() {
    let client = Scripted::new(vec![says(200, &[], &token("one", 3600))]);
    let http = http(&client, account());
    {
        let mut first = Box::pin(http.get("/a").send());
        // It has begun to fetch, and is dropped.
        assert!(futures_util::poll!(first.as_mut()).is_pending());
    }
    http.get("/a").send().await.expect("an answer");
    assert_eq!(story(&client), ["token", "Bearer one"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_early_while_the_old_one_serves() {
    let client = Scripted::new(vec![
        says(200, &[], &token("one", 100)),
        says(200, &[], ""),
        says(200, &[], ""),
        says(200, &[], &token("two", 100)),
        says(200, &[], ""),
    ]);
    let http = http(&client, account());
    http.get("/a").send().await.expect("an answer");
    tokio::time::advance(Duration::from_secs(81)).await;
    http.get("/a").send().await.expect("an answer");
    tokio::time::sleep(Duration::from_millis(1)).await;
    http.get("/a").send().await.expect("an answer");
    let mut story = story(&client);
    // The renewal and the second call are under way at the same time.
    story[2..4].sort_unstable();
    assert_eq!(story, ["token", "Bearer one", "Bearer one", "token", "Bearer two"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_is_not_sent() {
    let client = Scripted::new(vec![
        says(200, &[], &token("one", 100)),
        says(200, &[], ""),
        says(200, &[], &token("two", 100)),
        says(200, &[], ""),
    ]);
    let http = http(&client, account());
    http.get("/a").send().await.expect("an answer");
    tokio::time::advance(Duration::from_secs(91)).await;
    http.get("/a").send().await.expect("an answer");
    assert_eq!(story(&client), ["token", "Bearer one", "token", "Bearer two"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_for_any_method() {
    let client = Scripted::new(vec![
        says(200, &[], &token("one", 100)),
        says(401, &[], ""),
        says(200, &[], &token("two", 100)),
        says(200, &[], ""),
    ]);
    http(&client, account()).post("/a").body_json(&1).send().await.expect("an answer");
    assert_eq!(story(&client), ["token", "Bearer one", "token", "Bearer two"]);
    assert_eq!(client.asked()[3].body, "1");

    let never = Scripted::new(vec![
        says(200, &[], &token("one", 100)),
        says(401, &[], ""),
        says(200, &[], &token("two", 100)),
        says(401, &[], ""),
    ]);
    let error = http(&never, account()).get("/a").send().await.expect_err("refused");
    assert_eq!((error.status(), error.kind(), never.asked().len()), (Some(401), ErrorKind::Denied, 4));
    let fixed = Scripted::new(vec![says(401, &[], "")]);
    http(&fixed, Credentials::bearer("t")).get("/a").send().await.expect_err("refused");
    assert_eq!(fixed.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_token_endpoint_refuses_is_told_without_the_secret() {
    for (status, body, kind) in [
        (401, r#"{"error":"invalid_client"}"#, ErrorKind::Misconfigured),
        (400, "<html>", ErrorKind::Misconfigured),
        (503, "", ErrorKind::Unavailable),
        (429, "", ErrorKind::Throttled),
        (200, "{}", ErrorKind::Misconfigured),
        (200, r#"{"access_token":"a b\n","token_type":"bearer"}"#, ErrorKind::Misconfigured),
        (200, r#"{"access_token":"a","token_type":"mac"}"#, ErrorKind::Misconfigured),
    ] {
        let client = Scripted::new(vec![says(status, &[], body)]);
        let error = http(&client, account()).get("/a").send().await.expect_err("no token");
        assert_eq!((error.kind(), error.fault()), (kind, HttpFault::Authentication), "{status} {body}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}
