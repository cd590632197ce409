//! Requests to read models: declared over HTTP, queried fresh, steered, mended.

use std::time::Duration;

use ledgerstone::engine::ReadModelOptions;
use ledgerstone::stores::{Resources, open as open_store};
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::{Value, json};

use crate::running::{Running, running};

const CASES: &str = r#"
[read_model]
name = "cases"
key = "{stream}"

[fields]
status = { kind = "text", indexed = true }
title = { kind = "text", searchable = true }
amount = { kind = "integer", indexed = true }
labels = { kind = "text_array", indexed = true }

[[on]]
types = ["Opened"]
set = { status = "/status", title = "/title", amount = "/amount" }
add_to = { labels = "/label" }
"#;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("read_models::a_declared_one_is_queried_with_ones_own_writes", queries);
    trials.add("read_models::pages_follow_each_other_and_a_foreign_cursor_is_refused", pages);
    trials.add("read_models::what_is_not_valid_is_refused_with_advice", refusals);
    trials.add("read_models::a_paused_one_does_not_catch_up_until_it_is_resumed", pausing);
    trials.add("read_models::a_rebuilt_one_answers_as_before", rebuilding);
    trials.add("read_models::parked_keys_are_listed_and_discarded", parking);
    trials.add("read_models::one_that_stopped_is_told_by_readiness_and_a_gauge", stopping);
}

async fn declared() -> Running {
    let server = running().await;
    let answer = server.call("PUT", "/v1/read-models", &[], CASES).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["recorded"], true);
    server
}

/// Opens a case and returns the point that it stands at.
async fn open(server: &Running, stream: &str, data: Value) -> String {
    let event = json!({"type": "Opened", "data": data});
    let answer = server.post(&format!("/v1/streams/{stream}"), event.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["point"].as_str().expect("a point").to_owned()
}

async fn three(server: &Running) -> String {
    open(server, "case-1", json!({"status": "active", "title": "A tall Café", "amount": 7, "label": "red"}))
        .await;
    open(
        server,
        "case-2",
        json!({"status": "closed", "title": "A small house", "amount": 9, "label": "blue"}),
    )
    .await;
    open(server, "case-3", json!({"status": "active", "title": "A small cafe", "amount": 3, "label": "blue"}))
        .await
}

fn keys(page: &Value) -> Vec<&str> {
    let documents = page["documents"].as_array().unwrap_or_else(|| panic!("{page}"));
    documents.iter().filter_map(|document| document["key"].as_str()).collect()
}

async fn queries() -> CaseResult {
    let server = declared().await;
    let point = three(&server).await;
    let at_least = format!("at_least={point}&timeout=20");
    for (query, wanted) in [
        ("sort=-amount", vec!["case-2", "case-1", "case-3"]),
        ("status=active", vec!["case-1", "case-3"]),
        ("status=active&sort=amount", vec!["case-3", "case-1"]),
        ("amount=9", vec!["case-2"]),
        ("labels=blue", vec!["case-2", "case-3"]),
        ("search=small%20CAFE", vec!["case-3"]),
        ("filter={%22range%22:{%22field%22:%22amount%22,%22from%22:4}}&status=active", vec!["case-1"]),
    ] {
        let answer = server.get(&format!("/v1/read-models/cases?{query}&{at_least}")).await;
        assert_eq!(keys(&answer.json()), wanted, "{query}");
    }
    let document = server.get(&format!("/v1/read-models/cases/documents/case-1?{at_least}")).await.json();
    assert_eq!(document["body"]["amount"], 7);
    server.get("/v1/read-models/cases/documents/case-9").await.problem(404, "LS0033");
    let filter = json!({"filter": {"eq": {"field": "status", "value": "active"}}});
    let count = server.post("/v1/read-models/cases/count", filter.to_string()).await.json();
    assert_eq!(count, json!({"count": 2}));
    let many =
        server.post("/v1/read-models/cases/documents/get", r#"{"keys":["case-2","case-9"]}"#).await.json();
    assert_eq!((many["documents"][0]["key"].as_str(), &many["documents"][1]), (Some("case-2"), &Value::Null));
    let status = server.get("/v1/read-models/cases/status").await.json();
    assert_eq!((&status["lag"], &status["origin"]), (&json!(0), &json!("declared")), "{status}");
    Ok(())
}

async fn pages() -> CaseResult {
    let server = declared().await;
    let point = three(&server).await;
    let first =
        server.get(&format!("/v1/read-models/cases?sort=amount&size=2&at_least={point}")).await.json();
    assert_eq!(keys(&first), ["case-3", "case-1"]);
    let next = first["next"].as_str().expect("a cursor");
    let second = server.get(&format!("/v1/read-models/cases?sort=amount&size=2&cursor={next}")).await.json();
    assert_eq!(keys(&second), ["case-2"]);
    let other = format!("/v1/read-models/cases?sort=-amount&size=2&cursor={next}");
    server.get(&other).await.problem(400, "LS0016");
    Ok(())
}

async fn refusals() -> CaseResult {
    let server = declared().await;
    let problem = server.get("/v1/read-models/case").await.problem(404, "LS0018");
    assert_eq!(problem.members["nearest"], "cases");
    let problem = server.call("DELETE", "/v1/read-models/$streams", &[], "").await.problem(400, "LS0015");
    assert!(problem.detail.contains("built in"), "{}", problem.detail);
    let problem = server.get("/v1/read-models/cases?statu=active").await.problem(400, "LS0015");
    assert_eq!(problem.members["nearest"], "status");
    server.get("/v1/read-models/cases?amount=many").await.problem(400, "LS0015");
    server.get("/v1/read-models/cases?filter={").await.problem(400, "LS0015");
    let filter = r#"{"filter":{"eq":{"field":"stauts","value":"active"}}}"#;
    let problem = server.post("/v1/read-models/cases/query", filter).await.problem(400, "LS0019");
    assert!(problem.detail.contains("status"), "{}", problem.detail);
    for (size, status, code) in [("0", 400, "LS0015"), ("100000000", 413, "LS0014")] {
        let problem = server.get(&format!("/v1/read-models/cases?size={size}")).await.problem(status, code);
        assert!(problem.detail.contains("a page holds 1 to"), "{}", problem.detail);
    }
    server.get("/v1/read-models/cases?at_least=1").await.problem(409, "LS0017");
    let problem = server
        .call("PUT", "/v1/read-models", &[], "[read_model]\nnam = \"x\"\n")
        .await
        .problem(400, "LS0020");
    assert_eq!(problem.members["line"], 2);
    server.call("PUT", "/v1/read-models", &[], vec![0xff, 0xfe]).await.problem(400, "LS0020");
    server.post("/v1/read-models/cases/parked/replay", "{}").await.problem(400, "LS0015");
    Ok(())
}

async fn pausing() -> CaseResult {
    let server = declared().await;
    assert_eq!(server.post("/v1/read-models/cases/pause", "").await.status, 200);
    let point = three(&server).await;
    let path = format!("/v1/read-models/cases?at_least={point}&timeout=1");
    server.get(&path).await.problem(504, "LS0022");
    assert_eq!(server.post("/v1/read-models/cases/resume", "").await.status, 200);
    assert_eq!(keys(&server.get(&path.replace("timeout=1", "timeout=20")).await.json()).len(), 3);
    Ok(())
}

async fn rebuilding() -> CaseResult {
    let server = declared().await;
    let point = three(&server).await;
    let path = format!("/v1/read-models/cases?sort=amount&at_least={point}&timeout=20");
    let before = server.get(&path).await.json();
    assert_eq!(server.post("/v1/read-models/cases/rebuild", "").await.status, 202);
    for _ in 0..500 {
        let status = server.get("/v1/read-models/cases/status").await.json();
        if status["state"] == "live" && status["lag"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.get(&path).await.json()["documents"], before["documents"]);
    let report = server.post("/v1/read-models/check?last=2", CASES).await.json();
    assert_eq!((&report["events_read"], &report["documents"]), (&json!(2), &json!(2)), "{report}");
    let gone = server.call("DELETE", "/v1/read-models/cases", &[], "").await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    server.get("/v1/read-models/cases").await.problem(404, "LS0018");
    Ok(())
}

async fn parking() -> CaseResult {
    let server = declared().await;
    let point = open(&server, "case-1", json!({"status": "active", "amount": "many"})).await;
    server.get(&format!("/v1/read-models/cases?at_least={point}&timeout=20")).await;
    let parked = server.get("/v1/read-models/cases/parked").await.json();
    assert_eq!(parked["parked"][0]["key"], "case-1", "{parked}");
    let ready = server.get("/health/ready").await;
    let troubles = json!([{"read_model": "cases", "kind": "parked"}]);
    assert_eq!((ready.status, &ready.json()["troubles"]), (200, &troubles), "{}", ready.text());
    let other = [("ledgerstone-tenant", "other")];
    let listed = server.call("GET", "/v1/read-models/cases/parked", &other, "").await;
    assert_eq!(listed.json(), json!({"parked": []}));
    let all = r#"{"all":true,"reason":"none of ours"}"#;
    let discarded = server.call("POST", "/v1/read-models/cases/parked/discard", &other, all).await;
    assert_eq!(discarded.json(), json!({"discarded": 0}), "{}", discarded.text());
    let failed = server.post("/v1/read-models/cases/parked/replay", r#"{"all":true}"#).await.json();
    assert_eq!(
        (&failed["replayed"], failed["failed"].as_array().map(Vec::len)),
        (&json!(0), Some(1)),
        "{failed}"
    );
    server.post("/v1/read-models/cases/parked/discard", r#"{"key":"case-1"}"#).await.problem(400, "LS0015");
    let body = r#"{"key":"case-1","reason":"a slip of the pen"}"#;
    let discarded = server.post("/v1/read-models/cases/parked/discard", body).await;
    assert_eq!(discarded.json(), json!({"discarded": 1}), "{}", discarded.text());
    assert_eq!(server.get("/v1/read-models/cases/parked").await.json(), json!({"parked": []}));
    Ok(())
}

async fn stopping() -> CaseResult {
    let backend = open_store(&"memory:".parse()?, &Resources::default()).await?;
    let bounded = ReadModelOptions { max_parked: 0, ..ReadModelOptions::default() };
    let server = Running::over(backend, bounded, ServeOptions::default()).await?;
    // The metrics are those of the whole process, so the name is of this test alone.
    let declaration = CASES.replace("\"cases\"", "\"halted\"");
    assert_eq!(server.call("PUT", "/v1/read-models", &[], declaration).await.status, 200);
    open(&server, "case-1", json!({"status": "active", "amount": "many"})).await;
    for _ in 0..1_000 {
        if server.get("/v1/read-models/halted/status").await.json()["state"] == "stopped" {
            let ready = server.get("/health/ready").await;
            let troubles = json!([{"read_model": "halted", "kind": "stopped"}]);
            // The log and the other read models answer as before, so requests should still be sent here.
            assert_eq!((ready.status, &ready.json()["troubles"]), (200, &troubles), "{}", ready.text());
            let metrics = server.get("/metrics").await.text();
            let gauge = "ledgerstone_read_model_stopped{read_model=\"halted\"} 1";
            assert!(metrics.contains(gauge), "{metrics}");
            assert!(
                metrics.contains("ledgerstone_read_model_lag_events{read_model=\"halted\"} 1"),
                "{metrics}"
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("it did not stop: {}", server.get("/v1/read-models").await.text()).into())
}
