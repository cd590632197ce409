//! Redirects: not followed, or followed with care.

use ledgerstone_core::ErrorKind;
use ledgerstone_http::{Body, Credentials, Http, HttpFault, Redirects};
use std::sync::Arc;

use crate::client::scripted::{Scripted, says};
use crate::client::trying;

fn following(client: &Arc<Scripted>, redirects: Redirects) -> Http {
    let client = Arc::clone(client);
    let http = Http::builder("orders", client, "https://h").policy(trying(4)).redirects(redirects);
    http.credentials(Credentials::api_key_header("x-key", "k"))
        .header("cookie", "c")
        .build()
        .expect("a client")
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_not_followed_unless_that_is_asked_for() {
    let client = Scripted::new(vec![says(302, &[("location", "https://evil.example/?token=t")], "")]);
    let error = following(&client, Redirects::None).get("/a").send().await.expect_err("a redirect");
    assert_eq!((error.fault(), error.status()), (HttpFault::Redirect, Some(302)));
    assert_eq!((error.is_retryable(), client.asked().len()), (false, 1));
    assert!(!error.to_string().contains("evil"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_loop_is_detected_and_not_retried() {
    let client =
        Scripted::new(vec![says(302, &[("location", "/b")], ""), says(302, &[("location", "/a")], "")]);
    let error = following(&client, Redirects::SameOrigin(9)).get("/a").send().await.expect_err("a loop");
    assert_eq!((error.kind(), error.fault()), (ErrorKind::Misconfigured, HttpFault::Redirect));
    assert_eq!(client.asked().len(), 2);
    let endless =
        Scripted::new((0..20).map(|n| says(307, &[("location", format!("/{n}").as_str())], "")).collect());
    following(&endless, Redirects::SameOrigin(5)).put("/a").send().await.expect_err("on and on");
    assert_eq!(endless.asked().len(), 6);
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let client = Scripted::new(vec![
        says(307, &[("location", "/b")], ""),
        says(307, &[("location", "https://evil.example/c")], ""),
        says(307, &[("location", "https://h/d")], ""),
        says(200, &[], ""),
    ]);
    let call = following(&client, Redirects::Anywhere(5)).put("/a").header("x-own", "o").body_json(&1);
    call.send().await.expect("an answer");
    for (number, is_trusted) in [(0, true), (1, true), (2, false), (3, false)] {
        for name in ["x-key", "cookie", "x-own", "x-ledgerstone-deadline-ms"] {
            assert_eq!(client.header(number, name).is_some(), is_trusted, "{name} in {number}");
        }
        assert_eq!(client.header(number, "content-type").as_deref(), Some("application/json"));
    }
    let strict = Scripted::new(vec![says(302, &[("location", "https://evil.example/")], "")]);
    following(&strict, Redirects::SameOrigin(5)).get("/a").send().await.expect_err("another origin");
    assert_eq!(strict.asked().len(), 1);
}

#[tokio::test]
async fn a_body_goes_along_only_where_it_can() {
    let client = Scripted::new(vec![says(303, &[("location", "/done")], ""), says(200, &[], "")]);
    let http = following(&client, Redirects::SameOrigin(2));
    http.post("/a").body_json(&1).send().await.expect("an answer");
    assert_eq!((client.asked()[1].method, client.asked()[1].body.len()), ("GET", 0));
    assert_eq!(client.header(1, "content-type"), None);
    let once = Scripted::new(vec![says(307, &[("location", "/b")], "")]);
    let pieces = futures_util::stream::iter([Ok("x".into())]);
    let call = following(&once, Redirects::SameOrigin(2)).post("/a").body(Body::once(pieces));
    assert_eq!(call.send().await.expect_err("a redirect").status(), Some(307));
    assert_eq!(once.asked().len(), 1);
}
