//! Correlation ids: in with a request, through its log lines and its events, and out with the answer.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use ledgerstone::core::{HttpClient as _, HttpRequest};
use ledgerstone::http::{ClientOptions, ReqwestClient};
use ledgerstone_testkit::conformance::{CaseError, CaseResult, Trials};
use serde_json::{Value, json};

use crate::cli::Desk;
use crate::running::running;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("correlating::every_log_line_of_a_request_holds_its_id", logged);
    trials.add("correlating::an_event_keeps_the_correlation_that_its_metadata_names", || async {
        let server = running().await;
        let events = json!([{"type": "Opened", "metadata": {"correlation": "own"}}, {"type": "Named"}]);
        let given = [("x-correlation-id", "order-7")];
        server.call("POST", "/v1/streams/account-1", &given, events.to_string()).await;
        let page = server.get("/v1/streams/account-1").await.json();
        let found = [0, 1].map(|index| page["events"][index]["metadata"]["correlation"].clone());
        assert_eq!(found, ["own", "order-7"]);
        Ok(())
    });
    trials.add("correlating::a_request_without_an_id_gets_one_of_its_own", || async {
        let server = running().await;
        let mut seen = Vec::new();
        for path in ["/v1/head", "/v1/head", "/v1/nowhere"] {
            let answer = server.get(path).await;
            let id = answer.header("x-correlation-id").expect("an id").to_owned();
            assert!(id.len() == 32 && !seen.contains(&id), "{id}");
            if answer.status != 200 {
                assert_eq!(answer.json()["correlation"], id);
            }
            seen.push(id);
        }
        server.append("account-1", "Opened").await;
        let page = server.get("/v1/streams/account-1").await.json();
        assert_eq!(page["events"][0]["metadata"].get("correlation"), None, "nobody gave one");
        Ok(())
    });
}

/// A server that is ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn logged() -> CaseResult {
    let desk = Desk::new();
    let log = desk.write("log", "");
    let mut command = desk.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    command.env("LEDGERSTONE__LOG__FORMAT", "json");
    command.env("LEDGERSTONE__LOG__FILTER", "warn,ledgerstone_http=debug,ledgerstone_server=debug");
    let mut child = command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log)?).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line)?;
    let _served = Served(child);
    let address = serde_json::from_str::<Value>(&line)?["address"].as_str().expect("an address").to_owned();
    let opened = r#"{"type":"Opened"}"#;
    for (id, expected, status) in [("order-7", "no_stream", 200), ("order-8", "no_stream", 409)] {
        let url = format!("http://{address}/v1/streams/account-1?expected={expected}");
        assert_eq!(posted(url, id, opened).await?, (status, Some(id.to_owned())));
    }
    let lines: Vec<Value> = desk.read("log").lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of_requests: Vec<_> = lines.iter().filter(|line| line["span"]["name"] == "request").collect();
    let told: Vec<_> =
        of_requests.iter().map(|line| (&line["span"]["correlation"], &line["message"])).collect();
    assert_eq!(
        json!(told),
        json!([
            ["order-7", "request answered"],
            ["order-8", "request refused"],
            ["order-8", "request answered"],
        ])
    );
    let ids: Vec<_> = of_requests.iter().map(|line| line["span"]["request_id"].as_str()).collect();
    assert!(ids[0].is_some() && ids[0] != ids[1] && ids[1] == ids[2], "{ids:?}");
    let stray =
        lines.iter().find(|line| line["message"].to_string().contains("request") && line["span"].is_null());
    assert_eq!(stray, None, "a line of a request stands outside of it");
    Ok(())
}

/// Posts with a correlation id; answers the status, and the id that came back.
async fn posted(url: String, id: &str, body: &'static str) -> Result<(u16, Option<String>), CaseError> {
    let client = ReqwestClient::new(ClientOptions::default())?;
    let headers = vec![("x-correlation-id".to_owned(), id.to_owned())];
    let request = HttpRequest { method: "POST", url, headers, body: body.into(), timeout: None };
    let response = client.send(request).await?;
    Ok((response.status, response.header("x-correlation-id").map(str::to_owned)))
}
