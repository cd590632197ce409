//! The edge of the server: what a request passes before it is handled, and what every answer says.

use std::sync::Arc;
use std::time::Duration;

use ledgerstone::core::SystemClock;
use ledgerstone::http::{Cors, CorsOptions, StaticToken};
use ledgerstone::resilience::{LocalRateLimiter, parse_rate_rule};
use ledgerstone_server::serve::{LoadLimits, ServeOptions};
use ledgerstone_testkit::conformance::{CaseResult, Trials};

use crate::cli::Desk;
use crate::running::{Answer, Running, running, running_with};

const DEADLINE: &str = "x-ledgerstone-deadline-ms";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("edge::a_caller_that_asks_too_often_is_told_when_to_come_again", limited);
    trials.add("edge::who_guesses_tokens_is_limited_by_address", guessed);
    trials.add("edge::beyond_its_places_the_server_refuses_and_is_still_watched_over", shed);
    trials.add("edge::pages_of_origins_on_the_list_may_call", cross_origin);
    trials.add("edge::browsers_are_told_to_be_careful", careful);
    trials.add("edge::a_request_that_nobody_waits_for_is_not_handled", deadlines);
    trials.add("edge::compression_can_be_turned_off", || async {
        let server = running_with(ServeOptions { compression: false, ..ServeOptions::default() }).await;
        let answer = server.call("GET", "/openapi.json", &[("accept-encoding", "gzip")], "").await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None));
        assert!(answer.body.len() > 10_000);
        Ok(())
    });
    trials.add("edge::each_request_has_an_id_of_its_own", || async {
        let server = running().await;
        let mut seen = Vec::new();
        for path in ["/v1/head", "/v1/head", "/v1/nowhere"] {
            let answer = server.call("GET", path, &[("x-correlation-id", "order-7")], "").await;
            assert_eq!(answer.header("x-correlation-id"), Some("order-7"));
            let id = answer.header("x-request-id").expect("an id").to_owned();
            assert!(id.len() > 10 && !seen.contains(&id), "{id}");
            seen.push(id);
        }
        let answer = server.call("GET", "/v1/head", &[("x-request-id", "proxy-3")], "").await;
        assert_eq!(answer.header("x-request-id"), Some("proxy-3"));
        Ok(())
    });
    trials.add("edge::contradictory_settings_are_refused_before_anything_is_opened", || async {
        let desk = Desk::new();
        for (key, value) in [("CORS_ORIGINS", "*"), ("RATE_LIMIT", "200/s, 100/m"), ("QUEUE", "-1")] {
            let mut command = desk.command(&["serve", "--listen", "127.0.0.1:0"]);
            let ended = command.env(format!("LEDGERSTONE__SERVER__{key}"), value).output()?;
            crate::cli::Ended::of(ended).failed(2, "LS0008");
        }
        assert_eq!(std::fs::read_dir(desk.path("."))?.count(), 0);
        Ok(())
    });
}

fn limiter(rules: &[&str]) -> Arc<LocalRateLimiter> {
    let rules: Vec<_> = rules.iter().map(|rule| parse_rate_rule(rule).expect("a rule")).collect();
    Arc::new(LocalRateLimiter::new("test", &rules, Arc::new(SystemClock::new())).expect("rules"))
}

/// Returns a path that is answered only after 30 s, as nothing moves.
async fn unmoved(server: &Running) -> String {
    while server.get("/health/ready").await.status != 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let heads = server.get("/v1/head").await.json()["heads"].clone();
    format!("/v1/head?application={}&system={}&wait=30", heads["application"], heads["system"])
}

fn has_rate(answer: &Answer) -> bool {
    ["ratelimit", "ratelimit-policy"].iter().all(|name| answer.header(name).is_some())
}

async fn limited() -> CaseResult {
    let limiter = limiter(&["3/h"]);
    let server = running_with(ServeOptions { rate_limiter: Some(limiter), ..ServeOptions::default() }).await;
    for _ in 0..3 {
        let answer = server.get("/v1/head").await;
        assert_eq!((answer.status, has_rate(&answer)), (200, true), "{:?}", answer.headers);
    }
    let answer = server.get("/v1/head").await;
    let problem = answer.problem(429, "LS0037");
    assert!(problem.retryable && has_rate(&answer), "{:?}", answer.headers);
    let wait: u64 = answer.header("retry-after").expect("a time").parse()?;
    assert!((1_000..=3_600).contains(&wait), "{wait}");
    for path in ["/health/live", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200, "{path} watches over the server");
    }
    assert!(server.get("/metrics").await.text().contains("ledgerstone_requests_limited_total"));
    Ok(())
}

async fn guessed() -> CaseResult {
    let options = ServeOptions {
        authenticator: Some(Arc::new(StaticToken::new("0123456789abcdef-secret")?)),
        rate_limiter: Some(limiter(&["2/h"])),
        ..ServeOptions::default()
    };
    let server = running_with(options).await;
    for status in [401, 401, 429] {
        let wrong = [("authorization", "Bearer a-guess")];
        assert_eq!(server.call("GET", "/metrics", &wrong, "").await.status, status);
    }
    let server = server.with_token("0123456789abcdef-secret");
    assert_eq!(server.get("/v1/head").await.status, 200, "who is known has a rate of its own");
    Ok(())
}

async fn shed() -> CaseResult {
    let load = Some(LoadLimits { in_flight: 1, queue: 0 });
    let server = Arc::new(running_with(ServeOptions { load, ..ServeOptions::default() }).await);
    let path = unmoved(&server).await;
    let waiting = Arc::clone(&server);
    let waiting = tokio::spawn(async move { waiting.get(&path).await.status });
    let mut answer = server.get("/v1/head").await;
    for _ in 0..500 {
        if answer.status == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        answer = server.get("/v1/head").await;
    }
    assert!(answer.problem(503, "LS0039").retryable);
    assert_eq!(answer.header("retry-after"), Some("1"));
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    let refused = server.post("/v1/streams/account-1", r#"{"type":"Opened"}"#).await;
    refused.problem(503, "LS0039");
    waiting.abort();
    let _ = waiting.await;
    // The caller is gone, and so is what it held.
    for _ in 0..500 {
        answer = server.get("/v1/head").await;
        if answer.status == 200 {
            assert_eq!(answer.json()["heads"]["application"], 0, "what was refused was not done");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("the place did not come free".into())
}

async fn cross_origin() -> CaseResult {
    let origins = vec!["https://shop.example".to_owned()];
    let cors = Cors::new(&CorsOptions { origins, ..CorsOptions::default() })?;
    let options = ServeOptions {
        authenticator: Some(Arc::new(StaticToken::new("0123456789abcdef-secret")?)),
        cors: Some(cors),
        ..ServeOptions::default()
    };
    let server = running_with(options).await;
    let page = ("origin", "https://shop.example");
    let asked = server
        .call("OPTIONS", "/v1/streams/account-1", &[page, ("access-control-request-method", "POST")], "")
        .await;
    assert_eq!(asked.status, 204, "a browser asks without a token: {}", asked.text());
    assert_eq!(asked.header("access-control-allow-origin"), Some("https://shop.example"));
    assert!(asked.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST")));
    let answer = server.call("GET", "/v1/head", &[page], "").await;
    answer.problem(401, "LS0026");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    let server = server.with_token("0123456789abcdef-secret");
    assert_eq!(server.call("GET", "/v1/head", &[page], "").await.status, 200);
    for method in ["OPTIONS", "GET"] {
        let evil = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
        let answer = server.call(method, "/v1/head", &evil, "").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
    }
    Ok(())
}

async fn careful() -> CaseResult {
    let server = running().await;
    for path in ["/", "/reference", "/errors", "/errors/LS0009"] {
        let page = server.get(path).await;
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("style-src 'unsafe-inline'"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    for path in ["/v1/head", "/v1/nowhere", "/metrics", "/health/ready"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("strict-transport-security"), None, "{path}: this is no TLS");
    }
    let followed = server.send("GET", "/v1/follow", &[], "").await;
    assert_eq!(followed.header("cache-control"), Some("no-cache"), "what a handler says stays");
    Ok(())
}

async fn deadlines() -> CaseResult {
    let server = running().await;
    let event = r#"{"type":"Opened"}"#;
    let late = server.call("POST", "/v1/streams/account-1", &[(DEADLINE, "0")], event).await;
    late.problem(504, "LS0040");
    assert_eq!(server.get("/v1/head").await.json()["heads"]["application"], 0);
    let in_time = server.call("POST", "/v1/streams/account-1", &[(DEADLINE, "20000")], event).await;
    assert_eq!(in_time.status, 200, "{}", in_time.text());
    let waiting = unmoved(&server).await;
    server.call("GET", &waiting, &[(DEADLINE, "100")], "").await.problem(504, "LS0040");
    server.call("GET", "/v1/head", &[(DEADLINE, "soon")], "").await.problem(400, "LS0015");
    Ok(())
}
