//! What a service sees of a request that was passed on, and a caller of the answer.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use axum::response::{IntoResponse as _, Response};
use ledgerstone_http::{RouteSettings, ServiceSettings};

use super::wire::{body, builder, exchange, get, open, proxy, serve_proxy, service, status};

/// Answers with the request as it arrived, one header a line.
async fn mirror(request: Request<Body>) -> Response {
    let mut lines = vec![format!("{} {}", request.method(), request.uri())];
    let text = |headers: &HeaderMap| {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
            .collect();
        lines.sort_unstable();
        lines
    };
    lines.extend(text(request.headers()));
    lines.join("\n").into_response()
}

#[tokio::test]
async fn a_service_sees_who_asked_as_we_see_it() {
    let upstream = service(mirror).await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let headers = "forwarded: for=6.6.6.6\r\nx-forwarded-for: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\n\
                   x-ledgerstone-caller: admin\r\nx-correlation-id: c-7\r\ntraceparent: 00-0af7-b7ad-01\r\n\
                   x-ledgerstone-deadline-ms: 5000\r\naccept: text/plain\r\nkeep-alive: timeout=5\r\n\
                   proxy-connection: close\r\nte: trailers\r\n";
    let answer = get(proxy, "/orders/7?full=1", headers).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let seen: Vec<&str> = body(&answer).lines().collect();
    assert_eq!(seen[0], "GET /orders/7?full=1");
    for expected in [
        "accept: text/plain",
        "forwarded: for=127.0.0.1;host=\"shop.example\";proto=http",
        &format!("host: {upstream}"),
        "traceparent: 00-0af7-b7ad-01",
        "via: 1.1 ledgerstone",
        "x-correlation-id: c-7",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: shop.example",
        "x-forwarded-proto: http",
    ] {
        assert!(seen.contains(&expected), "{expected}: {seen:?}");
    }
    for absent in ["6.6.6.6", "x-ledgerstone-caller", "keep-alive", "proxy-connection", "te:", "connection"] {
        assert!(!seen.iter().any(|line| line.contains(absent)), "{absent}: {seen:?}");
    }
    let deadline = seen.iter().find_map(|line| line.strip_prefix("x-ledgerstone-deadline-ms: "));
    assert!(deadline.and_then(|left| left.parse::<u32>().ok()).is_some_and(|left| left <= 5000), "{seen:?}");
    assert!(answer.contains("x-correlation-id: c-7"), "{answer}");
}

#[tokio::test]
async fn paths_are_rewritten_and_hosts_set_as_the_route_says() {
    let upstream = service(mirror).await;
    let settings = ServiceSettings {
        host: Some("orders.internal".to_owned()),
        ..ServiceSettings::at([upstream.to_string()])
    };
    let api = RouteSettings {
        rewrite: Some("/v2".to_owned()),
        ..RouteSettings { prefix: Some("/api".to_owned()), ..open() }
    };
    let kept = RouteSettings { preserve_host: true, prefix: Some("/kept".to_owned()), ..open() };
    let proxy = serve_proxy(builder(settings).build(&[api, kept]).expect("routes")).await;
    let answer = get(proxy, "/api/orders/a%20b?x=%2F", "").await;
    assert!(body(&answer).starts_with("GET /v2/orders/a%20b?x=%2F\n"), "{answer}");
    assert!(body(&answer).contains("host: orders.internal\n"), "{answer}");
    let answer = get(proxy, "/kept/x", "").await;
    assert!(body(&answer).starts_with("GET /kept/x\n"), "{answer}");
    assert!(body(&answer).contains("\nhost: shop.example\n"), "{answer}");
}

#[tokio::test]
async fn headers_of_the_connection_behind_stay_behind() {
    let (upstream, _) = super::wire::raw(
        b"HTTP/1.0 201 Created\r\nconnection: close, x-secret\r\nx-secret: 1\r\nkeep-alive: timeout=5\r\n\
          proxy-authenticate: Basic\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-more: 1\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let answer = get(proxy, "/", "").await.to_lowercase();
    assert!(answer.starts_with("http/1.1 201"), "{answer}");
    for expected in ["set-cookie: a=1", "set-cookie: b=2", "x-more: 1", "content-length: 2"] {
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
    for absent in ["x-secret", "keep-alive", "proxy-authenticate"] {
        assert!(!answer.contains(absent), "{absent}: {answer}");
    }
    assert_eq!(body(&answer), "ok");
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_length_and_has_no_body() {
    let upstream = service(|_| async { "hello".into_response() }).await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let request = "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answer = exchange(proxy, request).await.to_lowercase();
    assert!(answer.contains("content-length: 5") && body(&answer).is_empty(), "{answer}");
}

#[tokio::test]
async fn a_request_that_could_be_read_in_two_ways_never_reaches_a_service_as_two() {
    let upstream = service(mirror).await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for (name, request) in [
        (
            "two lengths",
            format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n{smuggled}"),
        ),
        (
            "a list of lengths",
            format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 6\r\n\r\n{smuggled}"),
        ),
        ("a signed length", format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\n{smuggled}")),
        (
            "an unknown coding",
            format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n{smuggled}"),
        ),
        (
            "a coding after chunked",
            format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n{smuggled}"),
        ),
        (
            "a folded header",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n content-length: 9\r\n\r\n{smuggled}"),
        ),
        ("a space before the colon", format!("GET / HTTP/1.1\r\nhost: a\r\nx : 1\r\n\r\n{smuggled}")),
    ] {
        let answer = exchange(proxy, &request).await;
        assert_eq!(status(&answer), 400, "{name}: {answer}");
        assert!(!answer.contains("/smuggled"), "{name}: {answer}");
    }
}

#[tokio::test]
async fn chunks_win_over_a_length_and_the_length_is_not_passed_on() {
    let upstream = service(mirror).await;
    let proxy = proxy(&[upstream], &[open()]).await;
    let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 4\r\n\
                   transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    let answer = exchange(proxy, request).await;
    // Either it is refused, or what is passed on has one meaning.
    if status(&answer) == 200 {
        assert!(!body(&answer).contains("content-length"), "{answer}");
        assert!(body(&answer).contains("transfer-encoding: chunked"), "{answer}");
    } else {
        assert_eq!(status(&answer), 400, "{answer}");
    }
}
