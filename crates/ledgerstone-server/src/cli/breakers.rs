//! `ledgerstone breakers`: the circuit breakers of a running server.

use clap::{Args, Subcommand};
use ledgerstone::stores::percent_encode;
use serde_json::{Value, json};

use super::Session;
use super::streams::cell;
use crate::exit::Exit;
use crate::failure::Failure;

/// See and steer the circuit breakers of a running server.
#[derive(Debug, Subcommand)]
pub(super) enum Breakers {
    /// List circuit breakers: their state, their rates, and when they try again
    List,
    /// Refuse every call to a dependency until it is closed again
    Isolate(Named),
    /// Close one, wherever it stands
    Close(Named),
}

/// A circuit breaker by its name.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The dependency that it stands before
    name: String,
}

const HEAD: &[&str] = &["NAME", "STATE", "FAILED", "SLOW", "CALLS", "OPEN FOR", "TRIES IN"];

impl Breakers {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let server = session.server("circuit breakers").await?;
        let act = |name: &str, verb: &str| format!("/v1/breakers/{}/{verb}", percent_encode(name));
        let breakers = match &self {
            Self::List => {
                let mut answer = server.get("/v1/breakers").await?;
                answer
                    .get_mut("breakers")
                    .and_then(Value::as_array_mut)
                    .map(std::mem::take)
                    .unwrap_or_default()
            }
            Self::Isolate(Named { name }) => vec![server.post(&act(name, "isolate"), &json!({})).await?],
            Self::Close(Named { name }) => vec![server.post(&act(name, "close"), &json!({})).await?],
        };
        if session.output.json {
            breakers.iter().try_for_each(|breaker| session.output.document(breaker))?;
            return Ok(Exit::Done);
        }
        if breakers.is_empty() {
            session.output.remark("no policy with a circuit breaker is configured, or none was used yet");
        }
        let rows: Vec<_> = breakers.iter().map(row).collect();
        session.output.table(HEAD, &rows)?;
        Ok(Exit::Done)
    }
}

fn row(breaker: &Value) -> Vec<String> {
    let text = |name: &str| cell(breaker.get(name));
    let percent = |name: &str| {
        let rate = breaker.get(name).and_then(Value::as_f64).unwrap_or_default();
        format!("{:.0} %", rate * 100.0)
    };
    let isolated = breaker.get("is_isolated").and_then(Value::as_bool) == Some(true);
    let state = if isolated { "isolated".to_owned() } else { text("state") };
    vec![
        text("name"),
        state,
        percent("failure_rate"),
        percent("slow_call_rate"),
        text("calls"),
        text("opened_since"),
        text("retry_in"),
    ]
}
