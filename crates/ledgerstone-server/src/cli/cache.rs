//! `ledgerstone cache`: the caches of a running server.

use clap::{Args, Subcommand};
use ledgerstone::stores::percent_encode;
use serde_json::{Value, json};

use super::Session;
use super::streams::cell;
use crate::exit::Exit;
use crate::failure::Failure;

/// Use and steer the caches of a running server.
#[derive(Debug, Subcommand)]
pub(super) enum CacheCommand {
    /// List caches: how full they are, how often they hit, whether they are degraded
    List,
    /// Tell what is known of a key: where it is, how old, who made it, why it is stale
    Explain(OfKey),
    /// Delete a key, on every node
    Delete(OfKey),
    /// Invalidate entries on every node: those with tags or prefixes, or all
    Clear(Clear),
}

/// A key of a cache.
#[derive(Debug, Args)]
pub(super) struct OfKey {
    /// The key
    key: String,
    /// The cache; needed if there are several
    #[arg(long, value_name = "NAME")]
    cache: Option<String>,
}

/// Invalidate entries on every node.
#[derive(Debug, Args)]
#[group(required = true, multiple = true, id = "what", args = ["tags", "prefixes", "all"])]
pub(super) struct Clear {
    /// The cache; needed if there are several
    #[arg(long, value_name = "NAME")]
    cache: Option<String>,
    /// Entries with this tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Entries whose keys begin like this; may be given several times
    #[arg(long = "prefix", value_name = "TEXT")]
    prefixes: Vec<String>,
    /// Every entry
    #[arg(long, conflicts_with_all = ["tags", "prefixes"])]
    all: bool,
}

impl CacheCommand {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let server = session.server("caches").await?;
        let listed = server.get("/v1/caches").await?;
        let caches = listed.get("caches").and_then(Value::as_array).cloned().unwrap_or_default();
        let entry = |of: &OfKey| -> Result<String, Failure> {
            let name = chosen(of.cache.as_deref(), &caches)?;
            Ok(format!("/v1/caches/{}/entries/{}", percent_encode(&name), percent_encode(&of.key)))
        };
        let answer = match &self {
            Self::List => return list(session, &caches),
            Self::Explain(of) => {
                let explanation = server.get(&format!("{}/explain", entry(of)?)).await?;
                return explain(session, &explanation);
            }
            Self::Delete(of) => server.delete(&entry(of)?).await?,
            Self::Clear(clear) => {
                let name = percent_encode(&chosen(clear.cache.as_deref(), &caches)?);
                let pair = |name: &str, value: &String| format!("{name}={}", percent_encode(value));
                let mut query: Vec<_> = clear.tags.iter().map(|tag| pair("tag", tag)).collect();
                query.extend(clear.prefixes.iter().map(|prefix| pair("prefix", prefix)));
                if clear.all {
                    query.push("all=true".to_owned());
                }
                server.post(&format!("/v1/caches/{name}/invalidate?{}", query.join("&")), &json!({})).await?
            }
        };
        match session.output.json {
            true => session.output.document(&answer)?,
            false => session.output.remark("done"),
        }
        Ok(Exit::Done)
    }
}

fn list(session: &mut Session, caches: &[Value]) -> Result<Exit, Failure> {
    if session.output.json {
        caches.iter().try_for_each(|cache| session.output.document(cache))?;
        return Ok(Exit::Done);
    }
    let row = |cache: &Value| {
        let count =
            |name: &str| cache.pointer(&format!("/stats/{name}")).and_then(Value::as_u64).unwrap_or_default();
        let (hits, misses) = (count("hits") + count("shared_hits"), count("misses"));
        let ratio = match hits + misses {
            0 => "-".to_owned(),
            asked => format!("{} %", hits * 100 / asked),
        };
        let down =
            |tier: &str| cache.pointer(&format!("/{tier}/is_up")).and_then(Value::as_bool) == Some(false);
        let remark = match (down("shared"), down("backplane")) {
            (true, _) => "the shared tier is lost: memory serves",
            (false, true) => "the backplane is lost: max_staleness bounds it",
            (false, false) => "",
        };
        let (entries, stale) = (count("entries").to_string(), count("stale_served").to_string());
        vec![cell(cache.get("cache")), entries, ratio, stale, count("loads").to_string(), remark.to_owned()]
    };
    let rows: Vec<_> = caches.iter().map(row).collect();
    session.output.table(&["CACHE", "ENTRIES", "HITS", "STALE SERVED", "LOADS", "REMARK"], &rows)?;
    Ok(Exit::Done)
}

fn explain(session: &mut Session, explanation: &Value) -> Result<Exit, Failure> {
    if session.output.json {
        session.output.document(explanation)?;
        return Ok(Exit::Done);
    }
    for tier in ["memory", "shared"] {
        let Some(entry) = explanation.get(tier).filter(|entry| entry.is_object()) else {
            session.output.line(format!("{tier:6}  nothing"))?;
            continue;
        };
        session.output.line(format!("{tier:6}  {}", cell(entry.get("state"))))?;
        for name in ["age", "fresh_for", "expires_after", "tags", "origin", "position"] {
            if let Some(value) = entry.get(name).filter(|value| !value.is_null()) {
                session.output.line(format!("        {name:13}  {}", cell(Some(value))))?;
            }
        }
    }
    if let Some(error) = explanation.get("shared_error").and_then(Value::as_str) {
        session.output.line(format!("shared  cannot be asked: {error}"))?;
    }
    Ok(Exit::Done)
}

/// Returns the cache that was named, or the only one.
fn chosen(given: Option<&str>, caches: &[Value]) -> Result<String, Failure> {
    match (given, caches) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, [cache]) => Ok(cell(cache.get("cache"))),
        (None, []) => Err(Failure::not_found("the server has no cache")
            .with_help("give its configuration a section such as [caches.users], with ttl = \"5m\"")),
        (None, several) => {
            let names: Vec<_> = several.iter().map(|cache| cell(cache.get("cache"))).collect();
            Err(Failure::usage("there are several caches")
                .with_help(format!("say which with --cache: {}", names.join(", "))))
        }
    }
}
