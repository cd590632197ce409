//! `ledgerstone read-models`: declare, query and rebuild them, and look after parked keys.

use clap::{Args, Subcommand};
use ledgerstone::core::CollectionName;
use serde_json::{Value, json};

use super::Session;
use super::events_append::read_text;
use super::read_models_query::Query;
use super::read_models_report::{check, outcome, status};
use super::streams::cell;
use crate::compose::Access;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress_bar::ProgressBar;
use crate::read_model_desk::ReadModelDesk;

/// Declare, query and rebuild read models.
#[derive(Debug, Subcommand)]
pub(super) enum ReadModels {
    /// List read models and how far they are
    List,
    /// Show a read model: its fields, its progress, what holds it up
    Show(Named),
    /// Read documents by filter, order and page
    Query(Query),
    /// Declare a read model with a TOML file, and fill it
    Declare(Declare),
    /// Take a declared read model away, with its documents
    Undeclare(Named),
    /// Try a declaration on the newest events, without using it
    Check(Check),
    /// Build a read model anew beside the one in use, and swap
    Rebuild(Named),
    /// List the keys whose events could not be applied
    Parked(Named),
    /// Apply the events of parked keys again
    Replay(Replay),
    /// Give the events of parked keys up
    Discard(Discard),
}

/// A read model by its name.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The read model
    name: CollectionName,
}

/// Declare a read model with a TOML file, and fill it.
#[derive(Debug, Args)]
pub(super) struct Declare {
    /// The declaration; - is standard input
    file: String,
}

/// Try a declaration on the newest events, without using it.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The declaration; - is standard input
    file: String,
    /// On so many of the newest events
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    last: u64,
}

/// Apply the events of parked keys again.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The read model
    name: CollectionName,
    /// This key only
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// Give the events of parked keys up.
#[derive(Debug, Args)]
pub(super) struct Discard {
    /// The read model
    name: CollectionName,
    /// This key
    #[arg(long, value_name = "KEY", required_unless_present = "all")]
    key: Option<String>,
    /// All of them
    #[arg(long, conflicts_with = "key")]
    all: bool,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl ReadModels {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        if let Self::Query(query) = self {
            return query.run(session).await;
        }
        let access = if matches!(self, Self::Declare(_)) { Access::Write } else { Access::Read };
        let opened = session.open(access).await?;
        let desk = ReadModelDesk::of(&opened, session.tenant()).await?;
        self.with(&desk, session).await
    }

    async fn with(self, desk: &ReadModelDesk, session: &mut Session) -> Result<Exit, Failure> {
        match self {
            Self::List => list(desk, session).await?,
            Self::Show(Named { name }) => status(session, &desk.status(&name).await?)?,
            Self::Query(_) => {}
            Self::Declare(Declare { file }) => declare(desk, session, &read_text(&file)?).await?,
            Self::Undeclare(Named { name }) => outcome(session, &desk.undeclare(&name).await?)?,
            Self::Check(Check { file, last }) => {
                let report = desk.check(&read_text(&file)?, last).await?;
                check(session, &report)?;
                let problems = report.get("problem_count").and_then(Value::as_u64).unwrap_or(0);
                return Ok(if problems > 0 { Exit::Partly } else { Exit::Done });
            }
            Self::Rebuild(Named { name }) => {
                let bar = ProgressBar::count(&session.output, "rebuilding", None);
                let progress = desk.rebuild(&name, &bar).await?;
                drop(bar);
                outcome(session, &progress)?;
            }
            Self::Parked(Named { name }) => parked(desk, session, &name).await?,
            Self::Replay(Replay { name, key }) => {
                let report = desk.replay(&name, key.as_deref()).await?;
                outcome(session, &report)?;
                let failed =
                    report.get("failed").and_then(Value::as_array).is_some_and(|failed| !failed.is_empty());
                return Ok(if failed { Exit::Partly } else { Exit::Done });
            }
            Self::Discard(Discard { name, key, reason, .. }) => {
                outcome(session, &desk.discard(&name, key.as_deref(), &reason).await?)?;
            }
        }
        Ok(Exit::Done)
    }
}

async fn list(desk: &ReadModelDesk, session: &mut Session) -> Result<(), Failure> {
    let models = desk.list().await?;
    if session.output.json {
        return models.iter().try_for_each(|model| session.output.document(model));
    }
    let names = ["name", "state", "origin", "lag", "parked", "definition"];
    let rows: Vec<Vec<String>> = models
        .iter()
        .map(|model| {
            let mut row: Vec<String> = names.iter().map(|name| cell(model.get(*name))).collect();
            if let Some(definition) = row.last_mut() {
                definition.truncate(8);
            }
            row
        })
        .collect();
    session.output.table(&["NAME", "STATE", "ORIGIN", "LAG", "PARKED", "DEFINITION"], &rows)
}

async fn declare(desk: &ReadModelDesk, session: &mut Session, toml: &str) -> Result<(), Failure> {
    let mut declared = desk.declare(toml).await?;
    let name = declared.get("name").and_then(Value::as_str).unwrap_or_default();
    let name = CollectionName::new(name)?;
    let bar = ProgressBar::count(&session.output, "filling", None);
    desk.fill(&name, &bar).await?;
    drop(bar);
    let status = desk.status(&name).await?;
    if let Value::Object(declared) = &mut declared {
        for key in ["state", "lag", "parked"] {
            declared.insert(key.to_owned(), status.get(key).cloned().unwrap_or_default());
        }
    }
    if session.output.json {
        return session.output.document(&declared);
    }
    let recorded = declared.get("recorded") == Some(&Value::Bool(true));
    let done = if recorded { "declared" } else { "it stands as declared before" };
    session.output.line(format!("{name}: {done}"))?;
    let text = |key: &str| cell(declared.get(key));
    session.output.facts(&[("state", text("state")), ("lag", text("lag")), ("parked", text("parked"))])
}

async fn parked(desk: &ReadModelDesk, session: &mut Session, name: &CollectionName) -> Result<(), Failure> {
    let parked = desk.parked(name).await?;
    if session.output.json {
        return parked.iter().try_for_each(|key| session.output.document(key));
    }
    let names = ["key", "first", "events", "event_type", "cause"];
    let rows: Vec<Vec<String>> =
        parked.iter().map(|key| names.iter().map(|name| cell(key.get(*name))).collect()).collect();
    session.output.table(&["KEY", "FIRST", "EVENTS", "TYPE", "CAUSE"], &rows)
}

/// Makes the document of a count.
pub(super) fn count(count: u64) -> Value {
    json!({ "count": count })
}
