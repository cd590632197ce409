//! `ledgerstone services`: what stands behind a running server, and how it does.

use clap::Subcommand;
use serde_json::Value;

use super::Session;
use super::streams::cell;
use crate::exit::Exit;
use crate::failure::Failure;

/// See the services behind a running server.
#[derive(Debug, Subcommand)]
pub(super) enum Services {
    /// List services and their endpoints: how old they are, which were ejected, and why
    List,
}

impl Services {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let Self::List = self;
        let server = session.server("services").await?;
        let answer = server.get("/v1/services").await?;
        let services = answer.get("services").and_then(Value::as_array).cloned().unwrap_or_default();
        if session.output.json {
            services.iter().try_for_each(|service| session.output.document(service))?;
            return Ok(Exit::Done);
        }
        let rows: Vec<_> = services.iter().flat_map(rows).collect();
        session
            .output
            .table(&["SERVICE", "SOURCE", "AGE", "ENDPOINT", "USED", "IN FLIGHT", "REMARK"], &rows)?;
        for service in services.iter().filter(|service| service.get("failure").is_some_and(Value::is_string))
        {
            let (name, failure) = (cell(service.get("name")), cell(service.get("failure")));
            session.output.remark(format!("{name}: its addresses are the last good ones: {failure}"));
        }
        Ok(Exit::Done)
    }
}

fn rows(service: &Value) -> Vec<Vec<String>> {
    let text = |name: &str| cell(service.get(name));
    let age = service.get("age_ms").and_then(Value::as_u64);
    let age = age.map_or_else(|| "never".to_owned(), |millis| format!("{} s", millis / 1000));
    let endpoints = service.get("endpoints").and_then(Value::as_array).cloned().unwrap_or_default();
    if endpoints.is_empty() {
        let none = ["none", "no", "0"].map(str::to_owned);
        return vec![
            [text("name"), text("source"), age].into_iter().chain(none).chain([text("failure")]).collect(),
        ];
    }
    let row = |endpoint: &Value| {
        let of = |name: &str| cell(endpoint.get(name));
        let ejected = endpoint.get("ejected").and_then(Value::as_str);
        let healthy = endpoint.get("is_healthy").and_then(Value::as_bool);
        let remark = match (ejected, healthy) {
            (Some(why), _) => format!("ejected: {why}"),
            (None, Some(false)) => "its health checks fail".to_owned(),
            (None, _) => String::new(),
        };
        let used = if endpoint.get("is_used").and_then(Value::as_bool) == Some(true) { "yes" } else { "no" };
        let (address, in_flight) = (of("address"), of("in_flight"));
        vec![text("name"), text("source"), age.clone(), address, used.to_owned(), in_flight, remark]
    };
    endpoints.iter().map(row).collect()
}
