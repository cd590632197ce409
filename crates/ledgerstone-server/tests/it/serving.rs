//! The server as a whole: who is let in, what it tells of itself, how it ends.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ledgerstone::core::{BackendError, Code};
use ledgerstone::http::StaticToken;
use ledgerstone_server::api::openapi::document;
use ledgerstone_server::api::routes::ROUTES;
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::Value;

use crate::running::{Running, running, running_with};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("serving::a_token_is_needed_where_one_is_configured", tokens);
    trials.add("serving::a_public_address_without_a_token_is_refused", || async {
        let options = ServeOptions { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..ServeOptions::default() };
        let app = crate::running::app("memory:").await?;
        let refused = ledgerstone_server::serve::Server::bind(app, options).await.expect_err("refused");
        let error = refused.downcast_ref::<BackendError>().expect("a backend error");
        assert_eq!(error.code(), Code::BindRefused);
        Ok(())
    });
    trials.add("serving::a_web_page_of_elsewhere_is_refused", || async {
        let server = running().await;
        let event = r#"{"type":"Opened","data":{}}"#;
        let own = format!("http://{}", server.address);
        for (name, value, status) in [
            ("origin", "http://evil.example", 403),
            ("origin", "null", 403),
            ("host", "evil.example:7400", 403),
            ("origin", own.as_str(), 200),
        ] {
            let answer = server.call("POST", "/v1/streams/account-1", &[(name, value)], event).await;
            assert_eq!(answer.status, status, "{name} {value}: {}", answer.text());
        }
        assert_eq!(server.get("/v1/head").await.json()["heads"]["application"], 1);
        Ok(())
    });
    trials.add("serving::the_openapi_document_and_the_routes_are_the_same", openapi_matches);
    trials.add("serving::every_documented_path_is_mounted", every_path);
    trials.add("serving::health_and_metrics_are_told", || async {
        let server = running().await;
        for path in ["/health/live", "/health/ready", "/health/startup"] {
            ready(&server, path, 200).await?;
        }
        server.append("account-1", "Opened").await;
        let text = server.get("/metrics").await.text();
        for metric in [
            "ledgerstone_http_request_seconds_bucket{",
            "ledgerstone_appended_events_total ",
            "ledgerstone_head_position{log=\"application\"} ",
            "route=\"/v1/streams/{stream}\"",
        ] {
            assert!(text.contains(metric), "{metric} is not in\n{text}");
        }
        assert!(!text.contains("account-1"), "a stream is not a label");
        Ok(())
    });
    trials.add("serving::pages_need_nothing_from_elsewhere", || async {
        let server = running().await;
        for path in ["/", "/reference", "/errors", "/errors/LS0009"] {
            let page = server.get(path).await;
            assert_eq!(
                (page.status, page.header("content-type")),
                (200, Some("text/html; charset=utf-8")),
                "{path}"
            );
            assert!(!page.text().contains("<script") && !page.text().contains("//cdn"), "{path}");
        }
        server.get("/errors/LS9999").await.problem(404, "LS0033");
        Ok(())
    });
    trials.add("serving::a_drain_ends_streams_and_lets_requests_finish", drain);
}

async fn ready(server: &Running, path: &str, status: u16) -> CaseResult {
    for _ in 0..200 {
        if server.get(path).await.status == status {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("{path} did not become {status}: {}", server.get(path).await.text()).into())
}

async fn tokens() -> CaseResult {
    let token = StaticToken::new("0123456789abcdef-secret")?;
    let options = ServeOptions { authenticator: Some(Arc::new(token)), ..ServeOptions::default() };
    let server = running_with(options).await;
    let answer = server.get("/v1/head").await;
    answer.problem(401, "LS0026");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    server.call("GET", "/v1/head", &[("authorization", "Bearer wrong")], "").await.problem(401, "LS0026");
    server.get("/metrics").await.problem(401, "LS0026");
    server.get("/v1/nowhere").await.problem(401, "LS0026");
    assert_eq!(server.get("/health/live").await.status, 200);
    let server = server.with_token("0123456789abcdef-secret");
    assert_eq!(server.get("/v1/head").await.status, 200);
    Ok(())
}

async fn openapi_matches() -> CaseResult {
    let document = document();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            documented.insert((method.to_ascii_uppercase(), path.clone()));
        }
    }
    let mounted: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(mounted.len(), ROUTES.len(), "a route stands twice");
    assert_eq!(documented, mounted);
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let text = document.to_string();
    for piece in text.split("#/components/schemas/").skip(1) {
        let name = piece.split('"').next().unwrap_or_default();
        assert!(schemas.contains_key(name), "schema {name} is referred to and not there");
    }
    for name in schemas.keys() {
        assert!(text.contains(&format!("#/components/schemas/{name}\"")), "schema {name} is not used");
    }
    let server = running().await;
    assert_eq!(server.get("/openapi.json").await.json(), document);
    Ok(())
}

async fn every_path() -> CaseResult {
    let server = running().await;
    ready(&server, "/health/ready", 200).await?;
    for route in ROUTES.iter().filter(|route| route.path != "/v1/follow") {
        let path = route
            .path
            .replace("{stream}", "a-1")
            .replace("{name}", "$types")
            .replace("{key}", "k")
            .replace("{code}", "1");
        let answer = server.call(route.method, &path, &[], "").await;
        let code = serde_json::from_slice::<Value>(&answer.body)
            .ok()
            .and_then(|body| body["detail"].as_str().map(str::to_owned));
        let detail = code.unwrap_or_default();
        assert!(
            !detail.contains("there is no path") && answer.status != 405,
            "{} {path}: {detail}",
            route.method
        );
        assert!(answer.status != 500, "{} {path}: {}", route.method, answer.text());
        // Each documented parameter is known to the handler: it complains of the value, not of the name.
        for parameter in route.parameters {
            let answer = server.call(route.method, &format!("{path}?{}=%7f", parameter.name), &[], "").await;
            assert!(!answer.text().contains("there is no parameter"), "{path}: {}", parameter.name);
        }
        // A model's fields are parameters too, so what is unknown there depends on the model.
        let any =
            route.path.ends_with("/{name}") || route.path == "/metrics" || route.path.starts_with("/health/");
        if route.method == "GET" && !any {
            let answer = server.call(route.method, &format!("{path}?surely_unknown=1"), &[], "").await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        }
    }
    Ok(())
}

async fn drain() -> CaseResult {
    let options = ServeOptions { drain_delay: Duration::from_millis(300), ..ServeOptions::default() };
    let mut server = running_with(options).await;
    ready(&server, "/health/ready", 200).await?;
    let mut followed = server.follow("/v1/follow", None).await;
    assert_eq!(followed.next().await.expect("a mark").event, "caught-up");
    let began = std::time::Instant::now();
    server.stop();
    ready(&server, "/health/ready", 503).await?;
    server.append("account-1", "Opened").await;
    let mut last = followed.next().await.expect("an event");
    while last.event != "end" {
        last = followed.next().await.expect("an end");
    }
    assert!(followed.next().await.is_none());
    server.ended().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
    Ok(())
}
