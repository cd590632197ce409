//! Requests that append: whole, guarded, repeatable, and refused with a reason.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use ledgerstone::engine::StreamAdmin;
use ledgerstone::stores::{Resources, open};
use ledgerstone_server::api::state::ApiLimits;
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::conformance::Trials;
use serde_json::json;

use crate::running::{running, running_with};

const ID: &str = "018f3f5e-0000-7000-8000-000000000001";

pub(crate) fn add(trials: &mut Trials) {
    trials.add("append::a_batch_over_two_streams_is_recorded_whole", || async {
        let server = running().await;
        let batch = json!({"appends": [
            {"stream": "account-1", "expected": "no_stream", "events": [{"type": "Opened", "data": {"a": 1}}]},
            {"stream": "account-2", "events": [{"type": "Opened"}, {"type": "Named"}]},
        ]});
        let answer = server.post("/v1/append", batch.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let appended = answer.json();
        assert_eq!(appended["ranges"][1], json!({"first": 2, "last": 3, "revision": 1}));
        assert_eq!(appended["last"]["application"], 3);
        assert!(appended["point"].as_str().expect("a point").ends_with(".3"));
        Ok(())
    });
    trials.add("append::a_wrong_revision_tells_where_the_stream_stands", || async {
        let server = running().await;
        server.append("account-1", "Opened").await;
        let event = r#"{"type":"Named"}"#;
        let answer = server.post("/v1/streams/account-1?expected=no_stream", event).await;
        let problem = answer.problem(409, "LS0009");
        assert_eq!(problem.members["stream"], "account-1");
        assert_eq!(problem.members["expected"], "no_stream");
        assert_eq!(problem.members["actual"], 0);
        assert_eq!(server.post("/v1/streams/account-1?expected=0", event).await.status, 200);
        Ok(())
    });
    trials.add("append::a_condition_that_fails_is_a_conflict", || async {
        let server = running().await;
        server.append("account-1", "Opened").await;
        let condition = json!({"query": [{"types": ["Opened"]}], "after": 0});
        let batch = json!({"appends": [{"events": [{"type": "Opened"}]}], "condition": condition});
        let problem = server.post("/v1/append", batch.to_string()).await.problem(409, "LS0010");
        assert_eq!(problem.members["position"], 1);
        Ok(())
    });
    trials.add("append::the_same_event_twice_is_recorded_once", || async {
        let server = running().await;
        let event = format!(r#"{{"id":"{ID}","type":"Opened"}}"#);
        let first = server.post("/v1/streams/account-1", event.clone()).await.json();
        let again = server.post("/v1/streams/account-1", event).await.json();
        assert_eq!((&first["repeated"], &again["repeated"]), (&json!(false), &json!(true)));
        assert_eq!(first["ranges"], again["ranges"]);
        let other = format!(r#"[{{"id":"{ID}","type":"Opened"}},{{"type":"Other"}}]"#);
        server.post("/v1/streams/account-1", other).await.problem(409, "LS0011");
        Ok(())
    });
    trials.add("append::a_payload_comes_back_byte_for_byte", || async {
        let server = running().await;
        let data = r#"{"b" : 1.0,   "a":  [1e3, "é"] }"#;
        server.post("/v1/streams/account-1", format!(r#"{{"type":"Opened","data":{data}}}"#)).await;
        assert!(server.get("/v1/streams/account-1").await.text().contains(&format!(r#""data":{data}"#)));
        Ok(())
    });
    trials.add("append::a_gzip_body_is_unpacked_and_another_packing_refused", packed_bodies);
    trials.add("append::data_that_nobody_can_read_is_refused_with_its_place", || async {
        let server = running().await;
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (data, reason) in
            [(r#""\ud800""#, "lone surrogate"), ("1e999999", "too large"), (&*deep, "deeper than 127 levels")]
        {
            let event = format!(r#"{{"type":"Opened","data":{data}}}"#);
            let batch = format!(r#"{{"appends":[{{"events":[{{"type":"Opened"}},{event}]}}]}}"#);
            let detail = server.post("/v1/append", batch).await.problem(400, "LS0015").detail;
            assert!(detail.contains("append 1: event 2") && detail.contains(reason), "{detail}");
            let detail = server.post("/v1/streams/a-1", event).await.problem(400, "LS0015").detail;
            assert!(detail.contains(reason), "{detail}");
        }
        assert_eq!(server.get("/v1/head").await.json()["heads"]["application"], 0);
        Ok(())
    });
    trials.add("append::a_mistake_is_told_without_the_words_of_the_parser", || async {
        let server = running().await;
        for (path, body, told) in [
            ("/v1/query", r#"{"after":"x"}"#, "a whole number that is not negative is needed"),
            ("/v1/query", "7", "it is the number 7, and an object is needed"),
            ("/v1/streams/a-1", r#"{"type":"T","data_base64":"a*b="}"#, "'*', its character 2"),
            ("/v1/streams/a-1", r#"{"type":"T","data_base64":"YQ"}"#, "not whole base64"),
        ] {
            let detail = server.post(path, body).await.problem(400, "LS0015").detail;
            assert!(detail.contains(told), "{body}: {detail}");
        }
        let detail = server.get("/v1/events?limit=x").await.problem(400, "LS0015").detail;
        assert!(detail.contains("\"x\" is not a whole number"), "{detail}");
        Ok(())
    });
    trials.add("append::a_body_that_is_said_not_to_be_json_is_refused", || async {
        let server = running().await;
        let batch = r#"{"appends":[{"events":[{"type":"T"}]}]}"#;
        let as_type = |path, given, body| {
            let server = &server;
            async move { server.call("POST", path, &[("content-type", given)], body).await }
        };
        for given in ["text/plain", "application/xml", "json", ""] {
            let answer = as_type("/v1/append", given, batch).await;
            assert!(answer.problem(415, "LS0015").detail.contains("application/json"), "{given}");
            as_type("/v1/streams/a-1", given, r#"{"type":"T"}"#).await.problem(415, "LS0015");
        }
        for given in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"] {
            assert_eq!(as_type("/v1/append", given, batch).await.status, 200, "{given}");
        }
        let detail = server.post("/v1/query", r#"{"limt":1}"#).await.problem(400, "LS0015").detail;
        assert!(detail.contains("did you mean \"limit\"?"), "{detail}");
        Ok(())
    });
    trials.add("append::an_array_where_an_object_is_needed_is_refused", || async {
        let server = running().await;
        for (path, body) in [
            ("/v1/append", r#"[[["pos-1","any",[{"type":"T"}]]]]"#),
            ("/v1/append", r#"{"appends":[["pos-1","any",[{"type":"T"}]]]}"#),
            ("/v1/streams/pos-1", "[[]]"),
            ("/v1/query", "[]"),
            ("/v1/query", r#"{"query":[["pos-1"]]}"#),
        ] {
            let detail = server.post(path, body).await.problem(400, "LS0015").detail;
            assert!(detail.contains("it is an array, and an object is needed"), "{body}: {detail}");
        }
        Ok(())
    });
    trials.add("append::lines_are_taken_and_a_bad_one_is_named", || async {
        let server = running().await;
        let lines = [("content-type", "application/x-ndjson")];
        let good = "{\"type\":\"A\"}\n\n{\"type\":\"B\"}\n";
        assert_eq!(server.call("POST", "/v1/streams/s-1", &lines, good).await.status, 200);
        let bad = "{\"type\":\"A\"}\n{\"type\":\n";
        let problem = server.call("POST", "/v1/streams/s-1", &lines, bad).await.problem(400, "LS0015");
        assert_eq!(problem.members["line"], 2);
        assert_eq!(server.get("/v1/head").await.json()["heads"]["application"], 2);
        Ok(())
    });
    trials.add("append::malformed_bodies_are_refused_and_leave_nothing", malformed_bodies);
    trials.add("append::what_belongs_to_the_system_is_refused_unless_configured_and_meant", system_events);
    trials.add("append::a_removal_that_comes_as_an_event_obeys_the_rule", removals);
    trials.add("append::a_removal_that_is_repeated_answers_as_the_first_time", repeated_removals);
    trials.add("append::a_body_above_the_limit_is_refused", || async {
        let limits = ApiLimits { body_bytes: 1_000, ..ApiLimits::default() };
        let server = running_with(ServeOptions { limits, ..ServeOptions::default() }).await;
        let event = format!(r#"{{"type":"Opened","data":"{}"}}"#, "x".repeat(2_000));
        let problem = server.post("/v1/streams/account-1", event).await.problem(413, "LS0014");
        assert_eq!(problem.members["limit"], 1_000);
        Ok(())
    });
    trials.add("append::an_event_above_the_limit_is_refused", || async {
        let server = running().await;
        let event = format!(r#"{{"type":"Opened","data":"{}"}}"#, "x".repeat(5 * 1024 * 1024));
        let problem = server.post("/v1/streams/account-1", event).await.problem(413, "LS0014");
        assert_eq!(problem.members["what"], "an event size");
        Ok(())
    });
    trials.add("append::a_given_correlation_id_is_kept_with_the_event", || async {
        let server = running().await;
        let headers = [("x-correlation-id", "order-7")];
        let answer = server.call("POST", "/v1/streams/account-1", &headers, r#"{"type":"Opened"}"#).await;
        assert_eq!(answer.header("x-correlation-id"), Some("order-7"));
        let page = server.get("/v1/events?correlation=order-7").await.json();
        assert_eq!(page["events"][0]["metadata"]["correlation"], "order-7");
        Ok(())
    });
}

async fn malformed_bodies() -> ledgerstone_testkit::conformance::CaseResult {
    let server = running().await;
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"[]",
        b"\"Opened\"",
        br#"{"type":"Opened","dat":1}"#,
        b"{\"type\":\"\xff\xfe\"}",
        br#"{"type":"Opened","position":7}"#,
        br#"{"type":"Opened","occurred_at":"2020-01-01T00:00:00"}"#,
    ];
    for body in bodies {
        let answer = server.post("/v1/streams/account-1", body.to_vec()).await;
        let problem = answer.problem(400, "LS0015");
        assert!(!problem.detail.is_empty());
        assert_eq!(problem.detail.contains("the body is empty"), body.is_empty(), "{}", problem.detail);
    }
    let problem = server.post("/v1/append", "{\n  \"appnds\": []\n}").await.problem(400, "LS0015");
    assert_eq!(problem.members["line"], 2);
    server.post("/v1/streams/account%ff", "{}").await.problem(400, "LS0015");
    let long = "x".repeat(600);
    server.post(&format!("/v1/streams/{long}"), r#"{"type":"Opened"}"#).await.problem(400, "LS0015");
    assert_eq!(server.get("/v1/head").await.json()["heads"]["application"], 0);
    Ok(())
}

async fn packed_bodies() -> ledgerstone_testkit::conformance::CaseResult {
    let server = running().await;
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(br#"{"type":"Opened"}"#)?;
    let packed = packer.finish()?;
    let as_gzip = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let path = "/v1/streams/account-1";
    assert_eq!(server.call("POST", path, &as_gzip, packed.clone()).await.status, 200);
    server.call("POST", path, &as_gzip, "{}").await.problem(400, "LS0015");
    let as_other = [("content-encoding", "zstd"), ("content-type", "application/json")];
    server.call("POST", path, &as_other, packed).await.problem(415, "LS0015");
    Ok(())
}

async fn system_events() -> ledgerstone_testkit::conformance::CaseResult {
    let event = r#"{"type":"$noted"}"#;
    let meant = [("ledgerstone-system", "true")];
    let server = running().await;
    let problem = server.call("POST", "/v1/streams/account-1", &meant, event).await.problem(400, "LS0015");
    assert!(problem.detail.contains("server.system_appends"), "{}", problem.detail);
    let server = running_with(ServeOptions { system_appends: true, ..ServeOptions::default() }).await;
    server.post("/v1/streams/$system", r#"{"type":"Opened"}"#).await.problem(400, "LS0015");
    let problem = server.post("/v1/streams/account-1", event).await.problem(400, "LS0015");
    assert!(problem.detail.contains("ledgerstone-system"), "{}", problem.detail);
    assert_eq!(server.call("POST", "/v1/streams/account-1", &meant, event).await.status, 200);
    let heads = server.get("/v1/head").await.json()["heads"].clone();
    assert_eq!(heads, json!({"application": 0, "system": 1}));
    Ok(())
}

async fn removals() -> ledgerstone_testkit::conformance::CaseResult {
    let server = running().await;
    for event_type in ["Opened", "Named", "Closed"] {
        server.append("account-1", event_type).await;
    }
    let meant = [("ledgerstone-system", "true")];
    let append =
        async |event: &str| server.call("POST", "/v1/streams/account-1", &meant, event.to_owned()).await;
    let truncated = r#"{"type":"$truncated","data":{"before":2}}"#;
    append(truncated).await.problem(409, "LS0034");
    let two = format!(r#"[{truncated},{{"type":"$transient"}}]"#);
    append(&two).await.problem(409, "LS0034");
    let maybe = [("ledgerstone-system", "maybe")];
    server.call("POST", "/v1/streams/account-1", &maybe, truncated).await.problem(400, "LS0015");
    assert_eq!(server.get("/v1/head").await.json()["heads"], json!({"application": 3, "system": 0}));
    for event in [r#"{"type":"$transient"}"#, truncated] {
        let answer = append(event).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let left = server.get("/v1/streams/account-1").await.json();
    assert_eq!(left["events"].as_array().map(Vec::len), Some(1), "{left}");
    let retain = async |stream: &str, body: &str| {
        server.call("PUT", &format!("/v1/streams/{stream}/retention"), &[], body.to_owned()).await
    };
    server.append("account-1", "Opened").await;
    assert_eq!(retain("account-1", r#"{"max_count":1}"#).await.json()["changed"], true);
    for body in ["", "null", "[1]", r#"{"max_count":0}"#, r#"{"max":1}"#] {
        retain("account-1", body).await.problem(400, "LS0015");
    }
    let kept = server.get("/v1/streams/account-1").await.json();
    assert_eq!(kept["events"][0]["revision"], 3, "{kept}");
    retain("account-9", r#"{"max_count":1}"#).await.problem(404, "LS0033");
    retain("$read-models", r#"{"max_count":1}"#).await.problem(400, "LS0015");

    let resources = Resources { http: Some(Arc::new(server.client.clone())), ..Resources::default() };
    let client = open(&format!("http://{}", server.address).parse()?, &resources).await?;
    let admin = StreamAdmin::new(client.events);
    let stream = "account-1".parse()?;
    assert!(admin.tombstone(&stream).await?.is_some_and(|appended| !appended.repeated));
    assert!(admin.tombstone(&stream).await?.is_none());
    assert!(admin.tombstone(&"account-2".parse()?).await.is_err());
    Ok(())
}

async fn repeated_removals() -> ledgerstone_testkit::conformance::CaseResult {
    let server = running().await;
    for event_type in ["Opened", "Named", "Closed"] {
        server.append("account-1", event_type).await;
    }
    let meant = [("ledgerstone-system", "true")];
    let events =
        [r#""type":"$transient""#, r#""type":"$truncated","data":{"before":2}"#, r#""type":"$tombstoned""#];
    for (number, event) in events.iter().enumerate() {
        let event = format!(r#"{{"id":"018f3f5e-0000-7000-8000-00000000000{number}",{event}}}"#);
        let append =
            async || server.call("POST", "/v1/streams/account-1", &meant, event.clone()).await.json();
        let first = append().await;
        assert_ne!(first["repeated"], true, "{first}");
        let again = append().await;
        assert_eq!((&again["repeated"], &again["ranges"]), (&json!(true), &first["ranges"]), "{event}");
        let heads = server.get("/v1/head").await.json()["heads"].clone();
        assert_eq!(heads, json!({"application": 3, "system": number + 1}));
    }
    Ok(())
}
