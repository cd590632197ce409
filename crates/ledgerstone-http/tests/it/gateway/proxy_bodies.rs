//! Bodies through the proxy: streamed, bounded, and ended when either side leaves.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use ledgerstone_http::RouteSettings;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::wire::{assert_problem, body, exchange, open, proxy, raw, service, silent, status};

/// Answers each piece of the body as it comes.
async fn echo(request: Request<Body>) -> Response {
    Body::from_stream(request.into_body().into_data_stream()).into_response()
}

async fn read_until(connection: &mut TcpStream, wanted: &str) {
    let mut seen = String::new();
    let mut piece = [0; 1024];
    while !seen.contains(wanted) {
        let size = connection.read(&mut piece).await.expect("an open connection");
        assert!(size > 0, "it ended with {seen:?}");
        seen.push_str(&String::from_utf8_lossy(&piece[..size]));
    }
}

#[tokio::test]
async fn pieces_pass_both_ways_as_they_come() {
    let upstream = service(echo).await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let mut connection = TcpStream::connect(proxy).await.expect("a connection");
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    connection.write_all(head).await.expect("sent");
    // Each piece is back before the next is sent: were a body held whole, this would wait for ever.
    for piece in ["one", "two", "three"] {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        connection.write_all(chunk.as_bytes()).await.expect("sent");
        read_until(&mut connection, piece).await;
    }
    connection.write_all(b"0\r\n\r\n").await.expect("sent");
    read_until(&mut connection, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_large_body_comes_back_whole() {
    let upstream = service(echo).await;
    let route = RouteSettings { body_limit: 1 << 30, ..open() };
    let proxy = proxy(&[upstream], &[route]).await;
    let text = "0123456789abcdef".repeat(200_000);
    let length = text.len();
    let request =
        format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}");
    let connection = TcpStream::connect(proxy).await.expect("a connection");
    let (mut reader, mut writer) = connection.into_split();
    let sending = tokio::spawn(async move { writer.write_all(request.as_bytes()).await.map(|()| writer) });
    let mut answer = Vec::new();
    reader.read_to_end(&mut answer).await.expect("an answer");
    sending.await.expect("a task").expect("sent");
    let answer = String::from_utf8_lossy(&answer);
    let whole: String = body(&answer).to_owned();
    assert!(whole.len() >= text.len(), "{}", whole.len());
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_said_or_not() {
    let (upstream, mut asked) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let proxy = proxy(&[upstream], &[RouteSettings { body_limit: 5, ..open() }]).await;
    let said = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 6\r\n\r\n123456";
    assert_problem(&exchange(proxy, said).await, 413, "LS0014");
    assert!(asked.try_recv().is_err(), "the service was asked though the length was said");

    let upstream = service(echo).await;
    let proxy = super::wire::proxy(&[upstream], &[RouteSettings { body_limit: 5, ..open() }]).await;
    let not_said = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                    6\r\n123456\r\n0\r\n\r\n";
    let answer = exchange(proxy, not_said).await;
    // The answer had not begun, or it broke off: it never looks whole.
    assert!(status(&answer) == 413 || !answer.ends_with("0\r\n\r\n"), "{answer}");
    let within = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\n12345";
    assert_eq!(status(&exchange(proxy, within).await), 200);
}

#[tokio::test]
async fn who_leaves_ends_the_call_to_the_service() {
    let (upstream, mut told) = silent().await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let mut connection = TcpStream::connect(proxy).await.expect("a connection");
    connection.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    assert_eq!(told.recv().await, Some("asked"));
    drop(connection);
    assert_eq!(told.recv().await, Some("left"));
}

#[tokio::test]
async fn who_leaves_in_the_middle_of_an_answer_ends_it() {
    let (sender, mut ended) = mpsc::unbounded_channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let upstream = service(move |_| {
        // It goes on for ever, until it is dropped, and then the channel ends.
        let held = sender.lock().take();
        async move {
            let pieces = futures_util::stream::repeat_with(move || {
                let _ = &held;
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024]))
            });
            let pieces = pieces.then(async |piece| {
                tokio::task::yield_now().await;
                piece
            });
            Body::from_stream(pieces).into_response()
        }
    })
    .await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let mut connection = TcpStream::connect(proxy).await.expect("a connection");
    connection.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("sent");
    read_until(&mut connection, "xxx").await;
    drop(connection);
    let none: Option<()> = ended.recv().await;
    assert!(none.is_none());
}

#[tokio::test]
async fn a_service_that_breaks_off_in_the_middle_is_not_made_whole() {
    let (upstream, _asked) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let answer = super::wire::get(proxy, "/", "").await;
    assert!(body(&answer).len() < 10, "{answer}");

    let (upstream, _asked) = raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    let proxy = super::wire::proxy(&[upstream], &[open()]).await;
    let answer = super::wire::get(proxy, "/", "").await;
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_service_that_falls_silent_in_the_middle_is_given_up() {
    let upstream = service(|_| async {
        let first =
            futures_util::stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"half")) });
        Body::from_stream(first.chain(futures_util::stream::pending())).into_response()
    })
    .await;
    let route = RouteSettings { idle_timeout: std::time::Duration::from_millis(20), ..open() };
    let proxy = proxy(&[upstream], &[route]).await;
    let answer = super::wire::get(proxy, "/", "").await;
    assert!(answer.contains("half") && !answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_caller_that_falls_silent_in_the_middle_is_given_up() {
    let (upstream, _told) = silent().await;
    let route = RouteSettings { idle_timeout: std::time::Duration::from_millis(20), ..open() };
    let proxy = proxy(&[upstream], &[route]).await;
    let half = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf";
    assert_problem(&exchange(proxy, half).await, 408, "LS0015");
}
