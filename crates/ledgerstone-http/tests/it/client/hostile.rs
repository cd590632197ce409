//! The client against a server that stalls, cuts, trickles, lies about lengths and sends garbage.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use ledgerstone_core::{Code, ErrorKind};
use ledgerstone_http::{Http, HttpError, HttpFault};

use crate::client::hostile_server::{Hostile, Step};
use crate::client::{plain, reqwest_client, trying};

const SHORT: Duration = Duration::from_millis(80);
const TICK: Duration = Duration::from_millis(5);
/// Long enough that no test reaches it, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

fn http(server: &Hostile, timeout: Duration) -> Http {
    plain(&server.url("")).timeout(timeout).max_response_bytes(1000).build().expect("a client")
}

async fn failing(server: &Hostile, timeout: Duration) -> HttpError {
    http(server, timeout).post("/orders").send().await.expect_err("a failure")
}

fn told(error: &HttpError) -> (ErrorKind, HttpFault) {
    (error.kind(), error.fault())
}

fn steps(answer: &'static str, then: Step) -> Vec<Step> {
    vec![Step::Request, Step::Say(answer.into()), then]
}

const TIMEOUT: (ErrorKind, HttpFault) = (ErrorKind::TimedOut, HttpFault::Timeout);
const BROKEN: (ErrorKind, HttpFault) = (ErrorKind::Unavailable, HttpFault::Broken);
const MALFORMED: (ErrorKind, HttpFault) = (ErrorKind::Misconfigured, HttpFault::Malformed);
const TOO_LARGE: (ErrorKind, HttpFault) = (ErrorKind::Invalid, HttpFault::TooLarge);

#[tokio::test]
async fn a_stall_before_within_and_after_the_headers_ends_with_the_time() {
    for steps in [
        vec![Step::Stall],
        vec![Step::Request, Step::Stall],
        steps("HTTP/1.1 200 OK\r\ncontent-le", Step::Stall),
        steps("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", Step::Stall),
    ] {
        let server = Hostile::start(steps).await;
        let error = failing(&server, SHORT).await;
        assert_eq!(told(&error), TIMEOUT, "{error:?}");
        // It changes something, and may have been heard.
        assert!(matches!(error.code(), Code::Indeterminate | Code::DeadlineExceeded), "{error:?}");
    }
}

#[tokio::test]
async fn a_trickle_does_not_outlast_the_time() {
    for answer in ["", "HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n"] {
        let server = Hostile::start(steps(answer, Step::Trickle("x".into(), TICK))).await;
        let error = failing(&server, SHORT).await;
        let garbage = answer.is_empty() && told(&error) == MALFORMED;
        assert!(garbage || told(&error) == TIMEOUT, "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_stalls_keeps_its_status() {
    let answer = "HTTP/1.1 503 Busy\r\nretry-after: 3\r\ncontent-type: application/problem+json\r\ncontent-length: 99\r\n\r\n{";
    let server = Hostile::start(steps(answer, Step::Stall)).await;
    let error = failing(&server, LONG).await;
    assert_eq!((error.status(), error.kind()), (Some(503), ErrorKind::Unavailable));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_cut_is_told_wherever_it_is() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let server = Hostile::saying(answer).await;
        let error = failing(&server, LONG).await;
        assert_eq!(told(&error), BROKEN, "{answer:?}: {error:?}");
        assert_eq!(error.code(), Code::Indeterminate, "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_is_asked_for_again_where_that_is_safe() {
    let server = Hostile::saying("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let http = Http::builder("orders", reqwest_client(), &server.url("")).policy(trying(3));
    let http = http.build().expect("a client");
    let error = http.get("/orders").send().await.expect_err("a failure");
    assert_eq!(
        (error.fault(), error.code(), server.connections()),
        (HttpFault::Broken, Code::Unreachable, 3)
    );
    http.post("/orders").send().await.expect_err("a failure");
    assert_eq!(server.connections(), 4);
}

#[tokio::test]
async fn a_length_that_is_a_lie_is_no_success_or_no_more_than_it_says() {
    let longer = Hostile::saying("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{}").await;
    assert_eq!(told(&failing(&longer, LONG).await), BROKEN);
    let shorter = Hostile::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK").await;
    let bytes = http(&shorter, LONG).post("/a").bytes().await.expect("an answer");
    assert_eq!(bytes, "{}");
    let two = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ";
    assert_eq!(told(&failing(&Hostile::saying(two).await, LONG).await), MALFORMED);
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be_none_and_not_retried() {
    for garbage in [
        Bytes::from_static(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        Bytes::from_static(&[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46, 0x0d, 0x0a, 0x0d, 0x0a]),
        Bytes::from_static(b"HTTP/1.1 2000 OK\r\n\r\n"),
        Bytes::from_static(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nxx\r\n"),
    ] {
        let server = Hostile::saying(garbage.clone()).await;
        let error = failing(&server, LONG).await;
        assert_eq!(told(&error), MALFORMED, "{garbage:?}: {error:?}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn headers_without_end_are_given_up() {
    let lines = Bytes::from_static(b"x-more: and more and more and more\r\n");
    for line in [lines, Bytes::from(vec![b'x'; 4096])] {
        let server = Hostile::start(steps("HTTP/1.1 200 OK\r\n", Step::Forever(line))).await;
        assert_eq!(told(&failing(&server, LONG).await), MALFORMED);
    }
}

#[tokio::test]
async fn an_answer_above_the_limit_is_refused_before_it_is_all_there() {
    let declared =
        Hostile::start(steps("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n", Step::Stall)).await;
    assert_eq!(told(&failing(&declared, LONG).await), TOO_LARGE);
    let piece = Bytes::from(format!("100\r\n{}\r\n", "x".repeat(256)));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let endless = Hostile::start(steps(chunked, Step::Forever(piece))).await;
    let error = failing(&endless, LONG).await;
    assert_eq!((told(&error), error.code(), error.status()), (TOO_LARGE, Code::TooLarge, Some(200)));
    let until_closed = Hostile::start(steps("HTTP/1.1 200 OK\r\n\r\n", Step::Forever("x".into()))).await;
    assert_eq!(told(&failing(&until_closed, LONG).await), TOO_LARGE);
    let more = http(&declared, SHORT).get("/a").max_response_bytes(2000).send().await;
    assert_eq!(told(&more.expect_err("it stalls")), TIMEOUT);
}

#[tokio::test]
async fn a_gzip_bomb_stays_as_small_as_it_came() {
    // A mebibyte of nothing, as gzip: it is handed on packed, since nobody asked for that.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, &vec![0; 1 << 20]).expect("packs");
    let bomb = packer.finish().expect("packs");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let server = Hostile::saying([head.as_bytes(), &bomb].concat()).await;
    let http = plain(&server.url("")).max_response_bytes(4096).build().expect("a client");
    assert_eq!(http.get("/a").bytes().await.expect("an answer").len(), bomb.len());
    let error = http.get("/a").json::<Vec<u8>>().await.expect_err("no JSON");
    assert_eq!(error.fault(), HttpFault::Decode);
}

#[tokio::test]
async fn a_stream_ends_with_the_limit_and_with_a_stall() {
    let endless = Hostile::start(steps("HTTP/1.1 200 OK\r\n\r\n", Step::Forever("x".into()))).await;
    let came = http(&endless, LONG).get("/a").stream().await.expect("an answer");
    let read = came.try_fold(0, async |read, piece: Bytes| Ok(read + piece.len())).await;
    assert_eq!(told(&read.expect_err("a failure")), TOO_LARGE);
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    let stalling = Hostile::start(steps(begun, Step::Stall)).await;
    let came = http(&stalling, SHORT).get("/a").stream().await.expect("an answer");
    let read: Result<Vec<Bytes>, _> = came.try_collect().await;
    assert_eq!(told(&read.expect_err("a failure")), TIMEOUT);
    let silent = Hostile::start(vec![Step::Request, Step::Stall]).await;
    assert_eq!(told(&http(&silent, SHORT).get("/a").stream().await.expect_err("a failure")), TIMEOUT);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_says_so() {
    let http = plain("http://orders.invalid").timeout(LONG).build().expect("a client");
    let error = http.post("/a").send().await.expect_err("a failure");
    assert_eq!(told(&error), (ErrorKind::Unavailable, HttpFault::Connection));
    assert!(error.to_string().contains("does not resolve"), "{error}");
    // Nothing left, so nothing is in doubt.
    assert_eq!(error.code(), Code::Unreachable);
}
