//! `ledgerstone limits`: the rate limits of a running server.

use clap::{Args, Subcommand};
use ledgerstone::stores::percent_encode;
use serde_json::{Value, json};

use super::Session;
use super::streams::cell;
use crate::exit::Exit;
use crate::failure::Failure;

/// See and steer the rate limits of a running server.
#[derive(Debug, Subcommand)]
pub(super) enum Limits {
    /// List limiters with their rules
    List,
    /// Show where a key stands under each rule; nothing is taken from it
    Explain(OfKey),
    /// Let other rules bind a key
    Set(Set),
    /// Let the common rules bind a key again
    Clear(OfKey),
    /// Give a key everything back
    Reset(OfKey),
}

/// A key of a limiter.
#[derive(Debug, Args)]
pub(super) struct OfKey {
    /// The key: address:IP or caller:NAME for a route, whatever else the limiter counts by
    key: String,
    /// The limiter; needed if there are several
    #[arg(long, value_name = "NAME")]
    limiter: Option<String>,
}

/// Let other rules bind a key.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "what", args = ["rules", "unlimited", "blocked"])]
pub(super) struct Set {
    #[command(flatten)]
    of: OfKey,
    /// A rule such as 100/s or '10000/d burst 500'; may be given several times
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<String>,
    /// Nothing binds it
    #[arg(long)]
    unlimited: bool,
    /// It may do nothing
    #[arg(long)]
    blocked: bool,
}

impl Limits {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let server = session.server("rate limits").await?;
        let listed = server.get("/v1/limits").await?;
        let limits = listed.get("limits").and_then(Value::as_array).cloned().unwrap_or_default();
        let path = |of: &OfKey| -> Result<String, Failure> {
            let name = of.limiter.clone().map_or_else(|| only(&limits), Ok)?;
            Ok(format!("/v1/limits/{}/keys/{}", percent_encode(&name), percent_encode(&of.key)))
        };
        let standing = match &self {
            Self::List => return list(session, &limits),
            Self::Explain(of) => server.get(&path(of)?).await?,
            Self::Clear(of) => server.delete(&format!("{}/override", path(of)?)).await?,
            Self::Reset(of) => server.post(&format!("{}/reset", path(of)?), &json!({})).await?,
            Self::Set(set) => {
                let body = match (set.unlimited, set.blocked) {
                    (true, _) => json!({ "unlimited": true }),
                    (_, true) => json!({ "blocked": true }),
                    _ => json!({ "rules": set.rules }),
                };
                server.put(&format!("{}/override", path(&set.of)?), &body).await?
            }
        };
        match session.output.json {
            true => session.output.document(&standing)?,
            false => session.output.text(&format!("{}\n", cell(standing.get("explained")).trim_end()))?,
        }
        Ok(Exit::Done)
    }
}

fn list(session: &mut Session, limits: &[Value]) -> Result<Exit, Failure> {
    if session.output.json {
        limits.iter().try_for_each(|limit| session.output.document(limit))?;
        return Ok(Exit::Done);
    }
    let row = |limit: &Value, rule: &Value| {
        let of = |name: &str| cell(rule.get(name));
        let degraded = limit.get("degraded").and_then(Value::as_bool) == Some(true);
        let remark = if degraded { "the shared store is lost: this node enforces its share" } else { "" };
        let per = format!("{} s", of("per_seconds"));
        vec![cell(limit.get("name")), of("name"), of("limit"), per, of("algorithm"), remark.to_owned()]
    };
    let rules = |limit: &Value| limit.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    let rows =
        limits.iter().flat_map(|limit| rules(limit).iter().map(|rule| row(limit, rule)).collect::<Vec<_>>());
    let rows: Vec<_> = rows.collect();
    session.output.table(&["LIMITER", "RULE", "LIMIT", "PER", "ALGORITHM", "REMARK"], &rows)?;
    Ok(Exit::Done)
}

/// Returns the name of the only limiter.
fn only(limits: &[Value]) -> Result<String, Failure> {
    match limits {
        [limit] => Ok(cell(limit.get("name"))),
        [] => Err(Failure::not_found("the server has no rate limiter")
            .with_help("give its configuration a section such as [limits.api], with rules = [\"100/s\"]")),
        several => {
            let names: Vec<_> = several.iter().map(|limit| cell(limit.get("name"))).collect();
            Err(Failure::usage("there are several limiters")
                .with_help(format!("say which with --limiter: {}", names.join(", "))))
        }
    }
}
