//! What a client makes of answers: values, problems, statuses.

use ledgerstone_core::{BackendError, Code, ErrorKind};
use ledgerstone_http::{Http, HttpError, HttpFault};
use ledgerstone_resilience::Policy;
use serde::{Deserialize, Serialize};
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::client::plain;
use crate::client::scripted::{Scripted, says};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
}

fn ada() -> User {
    User { name: "Ada".to_owned() }
}

async fn failing(status: u16, headers: &[(&str, &str)], body: &str) -> HttpError {
    let client = Scripted::new(vec![says(status, headers, body)]);
    let http = Http::builder("users", client, "http://h").policy(Policy::none("users"));
    let http = http.build().expect("a client");
    http.get("/users/{id}").parameter("id", 7).json::<User>().await.expect_err("a failure")
}

#[tokio::test]
async fn every_method_carries_json_there_and_back() {
    let server = MockServer::start().await;
    let ok = || ResponseTemplate::new(200).set_body_json(ada());
    for verb in ["POST", "PUT", "PATCH"] {
        let mock = Mock::given(method(verb)).and(path("/api/users/a%2Fb")).and(body_json(ada()));
        mock.and(header("content-type", "application/json")).respond_with(ok()).mount(&server).await;
    }
    for verb in ["GET", "DELETE"] {
        let mock = Mock::given(method(verb)).and(path("/api/users/a%2Fb")).and(query_param("as", "x y"));
        mock.and(header("accept", "application/json")).respond_with(ok()).mount(&server).await;
    }
    let http = plain(&format!("{}/api/", server.uri())).build().expect("a client");
    let route = "/users/{id}";
    for call in [http.post(route), http.put(route), http.patch(route)] {
        let got: User = call.parameter("id", "a/b").body_json(&ada()).json().await.expect("an answer");
        assert_eq!(got, ada());
    }
    for call in [http.get(route), http.delete(route)] {
        let got: User = call.parameter("id", "a/b").query("as", "x y").json().await.expect("an answer");
        assert_eq!(got, ada());
    }
}

#[tokio::test]
async fn a_head_and_an_empty_answer_are_answers() {
    let server = MockServer::start().await;
    let long = ResponseTemplate::new(200).insert_header("x-total", "7").set_body_bytes(vec![0; 4096]);
    Mock::given(method("HEAD")).respond_with(long).mount(&server).await;
    Mock::given(method("DELETE")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let http = plain(&server.uri()).max_response_bytes(10).build().expect("a client");
    let head = http.head("/users").send().await.expect("an answer");
    assert_eq!((head.header("x-total"), head.bytes().len()), (Some("7"), 0));
    assert_eq!(http.delete("/users").send().await.expect("an answer").status(), 204);
}

#[tokio::test]
async fn the_servers_problem_is_kept() {
    let body = r#"{"type":"/errors/LS0009","title":"Wrong revision","detail":"expected 3","code":"LS0009","actual":4}"#;
    let error = failing(409, &[("content-type", "application/problem+json")], body).await;
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Code::WrongRevision));
    assert_eq!((error.status(), error.fault()), (Some(409), HttpFault::Status));
    assert_eq!(error.problem().expect("a problem").members["actual"], 4);
    assert_eq!(
        error.to_string(),
        "users: GET /users/{id}: the server answered 409: Wrong revision: expected 3"
    );
    let backend = BackendError::from(error);
    assert_eq!((backend.kind(), backend.code()), (ErrorKind::Conflict, Code::WrongRevision));
}

#[tokio::test]
async fn only_what_may_pass_is_retryable() {
    for (status, is_retryable) in [
        (400, false),
        (401, false),
        (404, false),
        (408, true),
        (409, false),
        (422, false),
        (425, false),
        (429, true),
        (500, false),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
        (505, false),
    ] {
        assert_eq!(failing(status, &[], "").await.is_retryable(), is_retryable, "{status}");
    }
}

#[tokio::test]
async fn how_long_a_server_asks_to_be_left_alone_is_read() {
    let seconds = failing(503, &[("retry-after", "7")], "").await;
    assert_eq!(seconds.retry_after().map(|wait| wait.as_secs()), Some(7));
    let date = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")];
    let date = failing(429, &date, "").await;
    assert_eq!(date.retry_after().map(|wait| wait.as_secs()), Some(60));
    assert_eq!(BackendError::from(date).retry_after().map(|wait| wait.as_secs()), Some(60));
}

#[tokio::test]
async fn a_decode_error_says_what_and_where_and_does_not_echo_the_answer() {
    let long = format!(r#"{{"name": ["{}"]}}"#, "x".repeat(1_000_000));
    let error = failing(200, &[("content-type", "application/json")], &long).await;
    assert_eq!((error.fault(), error.is_retryable()), (HttpFault::Decode, false));
    let told = error.to_string();
    assert!(told.contains("line 1") && told.contains("User") && told.len() < 600, "{told}");
    let misfit = failing(200, &[], &format!("\"{}\"", "x".repeat(1_000_000))).await.to_string();
    assert!(misfit.len() < 600, "{}", misfit.len());
    let packed = failing(200, &[("content-encoding", "gzip")], "\u{1f}").await.to_string();
    assert!(packed.contains("packed"), "{packed}");
}

#[tokio::test]
async fn an_absent_thing_is_none_where_that_is_asked_for() {
    let client =
        Scripted::new(vec![says(404, &[], ""), says(200, &[], r#"{"name":"Ada"}"#), says(500, &[], "")]);
    let http = Http::builder("users", client, "http://h").policy(Policy::none("users"));
    let http = http.build().expect("a client");
    assert_eq!(http.get("/users/7").json_if_found::<User>().await.expect("none"), None);
    assert_eq!(http.get("/users/7").json_if_found::<User>().await.expect("one"), Some(ada()));
    assert!(http.get("/users/7").json_if_found::<User>().await.is_err());
}

#[tokio::test]
async fn a_status_that_was_asked_for_is_an_answer() {
    let client = Scripted::new(vec![says(304, &[], "")]);
    let http = Http::builder("users", client, "http://h").policy(Policy::none("users"));
    let http = http.build().expect("a client");
    let call = http.get("/users").header("If-None-Match", "\"7\"");
    assert_eq!(call.accepting(&[304]).send().await.expect("an answer").status(), 304);
    assert!(http.get("/users").send().await.is_err());
}
