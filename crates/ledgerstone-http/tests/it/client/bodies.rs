//! Bodies to send: by their type they can be sent again or not.

use futures_util::TryStreamExt as _;
use ledgerstone_core::{BackendError, ErrorKind};
use ledgerstone_http::Body;
use wiremock::matchers::{body_string, header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::client::scripted::{Scripted, says};
use crate::client::{over, plain, trying};

fn pieces() -> impl futures_util::Stream<Item = Result<bytes::Bytes, BackendError>> + Send + 'static {
    futures_util::stream::iter([Ok("one,".into()), Ok("two".into())])
}

#[tokio::test]
async fn pieces_are_sent_and_received_as_they_come() {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(body_string("one,two"))
        .and(header("content-type", "text/csv"))
        .respond_with(ResponseTemplate::new(200).set_body_string("three,four"))
        .mount(&server)
        .await;
    let http = plain(&server.uri()).build().expect("a client");
    let call = http.put("/files").body(Body::once(pieces()).with_media_type("text/csv"));
    let answer = call.stream().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let came: Vec<bytes::Bytes> = answer.try_collect().await.expect("pieces");
    assert_eq!(came.concat(), b"three,four");
}

#[tokio::test]
async fn what_can_be_made_anew_is_sent_again_whole() {
    let client = Scripted::new(vec![says(503, &[], ""), says(200, &[], "")]);
    let http = over(&client).policy(trying(3)).build().expect("a client");
    http.put("/files").body(Body::replayable_with(pieces)).send().await.expect("an answer");
    let sent: Vec<_> = client.asked().into_iter().map(|request| request.body).collect();
    assert_eq!(sent, ["one,two", "one,two"]);
}

#[tokio::test]
async fn what_is_used_up_is_sent_once_under_any_policy() {
    let client = Scripted::new(vec![says(503, &[], "")]);
    let http = over(&client).policy(trying(5)).build().expect("a client");
    // Marked as idempotent before the body came: the body decides.
    let call = http.put("/files").idempotent().retries(Some(5)).body(Body::once(pieces()));
    let error = call.send().await.expect_err("a failure");
    assert_eq!((error.status(), client.asked().len()), (Some(503), 1));
}

#[tokio::test]
async fn a_body_that_breaks_off_tells_its_own_reason() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let http = plain(&server.uri()).build().expect("a client");
    let broken = || BackendError::new(ErrorKind::Corrupt, "file", "read", "the file is damaged");
    let pieces = futures_util::stream::iter([Ok("one".into()), Err(broken())]);
    let error = http.post("/files").body(Body::once(pieces)).send().await.expect_err("a failure");
    assert!(!error.is_retryable() && error.to_string().contains("the file is damaged"), "{error}");
}
