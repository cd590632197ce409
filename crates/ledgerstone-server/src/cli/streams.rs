//! `ledgerstone streams`: list, show, truncate, retain and delete them.

use std::num::NonZeroU64;
use std::sync::Arc;

use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use ledgerstone::core::{RecordedEvent, Retention, Revision, Selection, StreamId, StreamState};
use ledgerstone::engine::{Scoped, StreamAdmin};
use serde_json::{Value, json};

use super::Session;
use super::read_models_report::plain;
use super::streams_list::List;
use crate::compose::{Access, Opened};
use crate::exit::Exit;
use crate::failure::Failure;

/// List, truncate and delete streams.
#[derive(Debug, Subcommand)]
pub(super) enum Streams {
    /// List streams with their number of events, by name
    List(List),
    /// Show how a stream stands
    Show(OneStream),
    /// Remove the older events of a stream, behind one that carries its state
    Truncate(Truncate),
    /// Say how much of a transient stream is kept
    Retain(Retain),
    /// Delete a stream for good
    Delete(Delete),
}

/// Show how a stream stands.
#[derive(Debug, Args)]
pub(super) struct OneStream {
    /// The stream
    stream: StreamId,
}

/// Remove the older events of a stream, behind one that carries its state.
#[derive(Debug, Args)]
pub(super) struct Truncate {
    /// The stream
    stream: StreamId,
    /// Remove every event below this revision
    #[arg(long, value_name = "REVISION", required_unless_present = "transient")]
    before: Option<u64>,
    /// Declare that the stream may be truncated anywhere, first or only
    #[arg(long)]
    transient: bool,
}

/// Say how much of a transient stream is kept: its newest event always, of the others those within both bounds.
#[derive(Debug, Args)]
pub(super) struct Retain {
    /// The stream
    stream: StreamId,
    /// Keep so many of the newest events
    #[arg(long, value_name = "EVENTS", required_unless_present_any = ["max_age", "everything"])]
    max_count: Option<NonZeroU64>,
    /// Keep what was recorded within so long, such as 90s, 12h or 30d
    #[arg(long, value_name = "TIME", value_parser = age)]
    max_age: Option<NonZeroU64>,
    /// Keep everything from now on; what was removed stays removed
    #[arg(long, conflicts_with_all = ["max_count", "max_age"])]
    everything: bool,
    /// First declare that any event of the stream may go
    #[arg(long)]
    transient: bool,
}

/// Delete a stream for good.
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The stream
    stream: StreamId,
    /// Really: it takes no more events, and its events are not read again
    #[arg(long)]
    yes: bool,
}

impl Streams {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Show(command) => show(session, command.stream).await,
            Self::Truncate(command) => command.run(session).await,
            Self::Retain(command) => command.run(session).await,
            Self::Delete(command) => command.run(session).await,
        }
    }
}

fn admin(opened: &Opened, session: &Session) -> StreamAdmin {
    let scoped = Scoped::new(Arc::clone(&opened.backend.events), session.tenant());
    StreamAdmin::new(Arc::new(scoped) as Arc<dyn ledgerstone::core::EventStore>)
}

async fn show(session: &mut Session, stream: StreamId) -> Result<Exit, Failure> {
    let opened = session.open(Access::Read).await?;
    let status = admin(&opened, session).state_of(&stream).await?;
    if status.state == StreamState::Missing && !status.removal.tombstoned && !status.removal.transient {
        return Err(Failure::not_found(format!("there is no stream {stream}"))
            .with_help("ledgerstone streams list --prefix TEXT shows what there is"));
    }
    let whole = Selection::stream(stream.clone()).of(session.scope());
    let first = first_event(&opened, whole.clone()).await?;
    let last = first_event(&opened, whole.backwards()).await?;
    let readable = match (&first, &last) {
        (Some(first), Some(last)) => {
            let revision = |event: &RecordedEvent| event.revision().map_or(0, |revision| revision.0);
            revision(last) + 1 - revision(first)
        }
        _ => 0,
    };
    let revision = match status.state {
        StreamState::At(revision) => Some(revision),
        StreamState::Missing => None,
    };
    let document = json!({
        "stream": stream,
        "category": stream.category(),
        "revision": revision,
        "events": readable,
        "first_at": first.as_ref().map(RecordedEvent::recorded_at),
        "last_at": last.as_ref().map(RecordedEvent::recorded_at),
        "last_type": last.as_ref().map(|event| event.event_type().to_owned()),
        "truncated_before": status.removal.before,
        "tombstoned": status.removal.tombstoned,
        "transient": status.removal.transient,
        "max_count": status.removal.retention.max_count,
        "max_age_seconds": status.removal.retention.max_age_seconds,
    });
    if session.output.json {
        session.output.document(&document)?;
    } else if let Value::Object(fields) = &document {
        let names = ["stream", "category", "revision", "events", "first_at", "last_at", "last_type"];
        let removal = ["truncated_before", "tombstoned", "transient", "max_count", "max_age_seconds"];
        let shown = names.iter().chain(&removal);
        let facts: Vec<_> = shown
            .map(|name| (name.replace('_', " "), fields.get(*name).map_or_else(String::new, plain)))
            .collect();
        let facts: Vec<_> = facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        session.output.facts(&facts)?;
    }
    Ok(Exit::Done)
}

async fn first_event(opened: &Opened, selection: Selection) -> Result<Option<RecordedEvent>, Failure> {
    let mut frames = opened.backend.events.read(selection.limit(1));
    while let Some(frame) = frames.next().await {
        if let Some(event) = frame?.events.into_iter().next() {
            return Ok(Some(event));
        }
    }
    Ok(None)
}

impl Truncate {
    async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let opened = session.open(Access::Read).await?;
        let admin = admin(&opened, session);
        let changed = match (self.before, self.transient) {
            (None, _) => admin.declare_transient(&self.stream).await?,
            (Some(before), false) => admin.truncate(&self.stream, Revision(before)).await?,
            (Some(before), true) => {
                admin.declaring_transient().truncate(&self.stream, Revision(before)).await?
            }
        };
        let changed = changed.is_some();
        answer(session, changed, "truncated", "it had been truncated there before")
    }
}

impl Retain {
    async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let opened = session.open(Access::Read).await?;
        let admin = admin(&opened, session);
        let admin = if self.transient { admin.declaring_transient() } else { admin };
        let retention = Retention { max_count: self.max_count, max_age_seconds: self.max_age };
        let changed = admin.retain(&self.stream, retention).await?.is_some();
        let kept = kept(&self.stream, retention);
        answer(session, changed, &format!("from now on {kept}"), &format!("as before, {kept}"))
    }
}

/// Says in a sentence what a retention keeps.
fn kept(stream: &StreamId, retention: Retention) -> String {
    let count = retention.max_count.map(|count| format!("at most {count} of its newest events"));
    let age = retention.max_age_seconds.map(|seconds| format!("what is younger than {seconds} s"));
    match (count, age) {
        (None, None) => format!("{stream} keeps everything"),
        (Some(count), Some(age)) => format!("{stream} keeps {count}, and of these {age}"),
        (count, age) => format!("{stream} keeps {}", count.or(age).unwrap_or_default()),
    }
}

/// Reads a time in whole seconds with its unit.
fn age(text: &str) -> Result<NonZeroU64, String> {
    let unit = |unit| match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(60 * 60),
        "d" => Some(24 * 60 * 60),
        _ => None,
    };
    let (number, seconds) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let seconds = number.parse::<u64>().ok().zip(unit(seconds)).and_then(|(n, unit)| n.checked_mul(unit));
    seconds
        .and_then(NonZeroU64::new)
        .ok_or_else(|| "give a whole number above 0 and its unit, such as 90s, 15m, 12h or 30d".to_owned())
}

impl Delete {
    async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        if !self.yes {
            return Err(Failure::usage(format!("stream {} was not deleted", self.stream)).with_help(
                "add --yes to delete it for good: it takes no more events, and its events are not read again",
            ));
        }
        let opened = session.open(Access::Read).await?;
        let changed = admin(&opened, session).tombstone(&self.stream).await?.is_some();
        answer(session, changed, "deleted", "it had been deleted before")
    }
}

fn answer(session: &mut Session, changed: bool, done: &str, before: &str) -> Result<Exit, Failure> {
    if session.output.json {
        session.output.document(&json!({ "changed": changed }))?;
    } else {
        session.output.line(if changed { done } else { before })?;
    }
    Ok(Exit::Done)
}

/// Returns a JSON value as a cell of a table.
pub(super) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
