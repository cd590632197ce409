//! Requests that read: streams, the log, selections, marks; and those that remove.

use ledgerstone_server::api::state::ApiLimits;
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::conformance::{CaseResult, Trials};
use serde_json::{Value, json};

use crate::running::{Running, running, running_with};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("read::a_stream_is_read_by_revision_direction_and_type", streams);
    trials.add("read::the_log_is_read_in_pages", pages);
    trials.add("read::the_log_is_filtered", filters);
    trials.add("read::events_come_a_line_each_if_asked_for", || async {
        let server = running().await;
        filled(&server).await;
        let answer =
            server.call("GET", "/v1/events?limit=2", &[("accept", "application/x-ndjson")], "").await;
        assert_eq!(answer.text().lines().count(), 2);
        assert_eq!(answer.header("ledgerstone-read-to"), Some("2"));
        assert_eq!(answer.header("ledgerstone-more"), Some("true"));
        Ok(())
    });
    trials.add("read::unknown_parameters_paths_and_methods_are_problems", unknown);
    trials.add("read::a_page_above_the_limit_is_refused", || async {
        let server = running().await;
        let problem = server.get("/v1/events?limit=10001").await.problem(413, "LS0014");
        assert_eq!(problem.members["parameter"], "limit");
        Ok(())
    });
    trials.add("read::one_tenant_never_sees_another", tenants);
    trials.add("read::a_deleted_stream_is_gone_and_takes_no_more", removal);
    trials.add("read::marks_are_read_by_prefix", || async {
        let server = running().await;
        let batch = json!({"marks": [{"rises": {"name": "relay/a", "to": 7}}, {"once": {"name": "x", "keep_for_ms": 60000}}]});
        assert_eq!(server.post("/v1/append", batch.to_string()).await.status, 200);
        let marks = server.get("/v1/marks?prefix=relay/").await.json();
        assert_eq!(marks["marks"], json!([{"name": "relay/a", "version": 1, "number": 7}]));
        let problem = server.post("/v1/append", batch.to_string()).await.problem(409, "LS0013");
        assert_eq!(problem.members["mark"], "relay/a");
        Ok(())
    });
    trials.add("read::a_point_of_another_log_is_refused", || async {
        let server = running().await;
        filled(&server).await;
        let foreign = format!("{}.1.3", "0".repeat(32));
        server.get(&format!("/v1/events?after={foreign}")).await.problem(409, "LS0017");
        Ok(())
    });
    trials.add("read::beyond_the_head_a_number_finds_nothing_and_a_point_is_refused", || async {
        let server = running().await;
        filled(&server).await;
        let selection = r#"{"after":6}"#;
        for answer in [server.get("/v1/events?after=6").await, server.post("/v1/query", selection).await] {
            let page = answer.json();
            let found = (answer.status, &page["events"], &page["read_to"], &page["more"]);
            assert_eq!(found, (200, &json!([]), &json!(6), &json!(false)), "{page}");
            assert_eq!(page["head"]["application"], 5, "the head is where it is");
        }
        let log = server.get("/v1/head").await.json()["log"].as_str().expect("a log").to_owned();
        assert_eq!(server.get(&format!("/v1/events?after={log}.5")).await.status, 200);
        server.get(&format!("/v1/events?after={log}.6")).await.problem(409, "LS0017");
        Ok(())
    });
    trials.add("read::a_page_that_finds_little_ends_early_and_is_read_on", || async {
        let limits = ApiLimits { page_time: std::time::Duration::ZERO, ..ApiLimits::default() };
        let server = running_with(ServeOptions { limits, ..ServeOptions::default() }).await;
        filled(&server).await;
        let (mut after, mut found) = (0, 0);
        for _ in 0..10 {
            let page = server.get(&format!("/v1/events?type=Closed&after={after}")).await.json();
            found += page["events"].as_array().map_or(0, Vec::len);
            let read_to = page["read_to"].as_u64().expect("a position");
            if page["more"] == false {
                assert_eq!((found, read_to), (1, 5), "{page}");
                return Ok(());
            }
            assert!(read_to > after, "{page}");
            after = read_to;
        }
        Err("the pages did not end".into())
    });
    trials.add("read::the_head_is_told_when_it_moves", || async {
        let server = running().await;
        let waiting = server.get("/v1/head?application=0&system=0&wait=20");
        let appending = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            server.append("account-1", "Opened").await
        };
        let (head, _) = tokio::join!(waiting, appending);
        assert_eq!(head.json()["heads"]["application"], 1);
        server.get("/v1/head?wait=31").await.problem(400, "LS0015");
        Ok(())
    });
}

async fn filled(server: &Running) {
    for (stream, event_type) in [
        ("account-1", "Opened"),
        ("order-1", "Placed"),
        ("account-1", "Named"),
        ("account-2", "Opened"),
        ("account-1", "Closed"),
    ] {
        server.append(stream, event_type).await;
    }
}

async fn types_of(server: &Running, path: &str) -> Vec<String> {
    let answer = server.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let events = answer.json()["events"].clone();
    let events = events.as_array().expect("events").clone();
    events.iter().map(|event| event["type"].as_str().expect("a type").to_owned()).collect()
}

async fn streams() -> CaseResult {
    let server = running().await;
    filled(&server).await;
    let types = async |query: &str| types_of(&server, &format!("/v1/streams/account-1{query}")).await;
    assert_eq!(types("").await, ["Opened", "Named", "Closed"]);
    assert_eq!(types("?from=1").await, ["Named", "Closed"]);
    assert_eq!(types("?to=1&direction=backwards").await, ["Named", "Opened"]);
    assert_eq!(types("?type=Opened&type=Closed").await, ["Opened", "Closed"]);
    assert_eq!(types("?from=1&type=Closed&limit=1").await, ["Closed"]);
    assert_eq!(types("?limit=1&direction=backwards").await, ["Closed"]);
    assert_eq!(types("?recorded_from=2200-01-01T00:00:00Z").await, [""; 0]);
    server.get("/v1/streams/nobody").await.problem(404, "LS0033");
    server.get("/v1/streams/nobody?from=3").await.problem(404, "LS0033");
    assert_eq!(types("?from=9").await, [""; 0]);
    Ok(())
}

async fn pages() -> CaseResult {
    let server = running().await;
    filled(&server).await;
    for (direction, wanted) in [("forwards", vec![1, 2, 3, 4, 5]), ("backwards", vec![5, 4, 3, 2, 1])] {
        let mut positions = Vec::new();
        let mut bound = String::new();
        loop {
            let page = server.get(&format!("/v1/events?limit=2&direction={direction}{bound}")).await.json();
            let events = page["events"].as_array().expect("events").clone();
            positions.extend(events.iter().filter_map(|event| event["position"].as_u64()));
            if page["more"] == Value::Bool(false) {
                break;
            }
            let read_to = page["read_to"].as_u64().expect("a position");
            bound = match direction {
                "forwards" => format!("&after={read_to}"),
                _ => format!("&up_to={}", read_to - 1),
            };
        }
        assert_eq!(positions, wanted);
    }
    Ok(())
}

async fn filters() -> CaseResult {
    let server = running().await;
    filled(&server).await;
    let event = r#"{"type":"Tagged","tags":["red","large"],"occurred_at":"1999-12-31T23:00:00-01:00","metadata":{"source":"crm"}}"#;
    server.post("/v1/streams/item-1", event).await;
    let found = async |query: &str| types_of(&server, &format!("/v1/events?{query}")).await;
    assert_eq!(found("category=account&type=Opened").await, ["Opened", "Opened"]);
    assert_eq!(found("tag=red&tag=large").await, ["Tagged"]);
    assert_eq!(found("tag=red&tag=small").await, [""; 0]);
    assert_eq!(found("source=crm").await, ["Tagged"]);
    assert_eq!(found("occurred_to=2000-01-01T00:00:00.000001%2B00:00").await, ["Tagged"]);
    assert_eq!(found("occurred_to=2000-01-01T01:00:00.000001+01:00").await, ["Tagged"]);
    assert_eq!(found("stream=order-1").await, ["Placed"]);
    let selection = json!({"query": [{"types": ["Placed"]}, {"tags": ["red"]}], "direction": "backwards"});
    let page = server.post("/v1/query", selection.to_string()).await.json();
    assert_eq!(page["events"][0]["type"], "Tagged");
    assert_eq!(page["events"].as_array().map(Vec::len), Some(2));
    server.post("/v1/query", r#"{"from_revision":1}"#).await.problem(400, "LS0015");
    server.get("/v1/events?recorded_from=2020-01-01T00:00:00").await.problem(400, "LS0015");
    Ok(())
}

async fn unknown() -> CaseResult {
    let server = running().await;
    let problem = server.get("/v1/events?limt=5").await.problem(400, "LS0015");
    assert_eq!(problem.members["nearest"], "limit");
    let problem = server.get("/v1/event").await.problem(404, "LS0033");
    assert_eq!(problem.members["nearest"], "/v1/events");
    let problem = server.post("/v1/events", "{}").await.problem(405, "LS0015");
    assert_eq!(problem.members["allow"], "GET");
    server.get("/v1/events?direction=up").await.problem(400, "LS0015");
    server.get("/v1/events?limit=1&limit=2").await.problem(400, "LS0015");
    server.get("/v1/events?type=%ff").await.problem(400, "LS0015");
    server.post("/v1/append?tenant=acme", "{}").await.problem(400, "LS0015");
    Ok(())
}

async fn tenants() -> CaseResult {
    let server = running().await;
    let ours = [("ledgerstone-tenant", "acme%20caf%C3%A9")];
    let event = r#"{"type":"Opened"}"#;
    assert_eq!(server.call("POST", "/v1/streams/account-1", &ours, event).await.status, 200);
    server.get("/v1/streams/account-1").await.problem(404, "LS0033");
    let page = server.call("GET", "/v1/events", &ours, "").await.json();
    assert_eq!(page["events"][0]["tenant"], "acme café");
    server.call("GET", "/v1/events", &[("ledgerstone-tenant", "%ff")], "").await.problem(400, "LS0015");
    Ok(())
}

async fn removal() -> CaseResult {
    let server = running().await;
    filled(&server).await;
    let answer = server.call("DELETE", "/v1/streams/account-1", &[], "").await;
    assert_eq!((answer.status, &answer.json()["changed"]), (200, &json!(true)), "{}", answer.text());
    assert_eq!(types_of(&server, "/v1/streams/account-1").await, [""; 0]);
    let problem = server.post("/v1/streams/account-1", r#"{"type":"Opened"}"#).await.problem(410, "LS0012");
    assert_eq!(problem.members["stream"], "account-1");
    let page = server.get("/v1/events").await.json();
    assert_eq!(page["events"].as_array().map(Vec::len), Some(2));
    assert!(page["holes"].as_array().is_some_and(|holes| !holes.is_empty()));
    Ok(())
}
