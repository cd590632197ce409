//! `ledgerstone events`: append, read, show, follow, count and digest them.

use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use ledgerstone::core::{
    CollectionName, EventJson, FieldName, Frames, LogKind, LogPoint, OrderBy, Position, RecordedEvent,
    Revision, SelectJson, Selection, StreamId,
};
use ledgerstone::engine::{Subscription, TYPES};
use std::sync::Arc;

use super::Session;
use super::events_append::Append;
use super::events_digest::Digest;
use super::events_verify::Verify;
use super::selection_arguments::SelectionArguments;
use crate::compose::Access;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress_bar::ProgressBar;
use crate::read_model_desk::ReadModelDesk;

/// Append, read and follow events.
#[derive(Debug, Subcommand)]
pub(super) enum Events {
    /// Append an event to a stream, or a batch over several
    Append(Append),
    /// Read the log or a part of it, oldest first
    Read(Read),
    /// Show one event with everything that is known about it
    Show(Show),
    /// Follow the log: print events as they are recorded
    Tail(Tail),
    /// List the event types and how often they were recorded
    Types,
    /// Print a digest of every record, by which two logs can be compared
    Digest(Digest),
    /// Read the whole store and check it: every record, number, time and batch, and the index of a sqlite: store
    Verify(Verify),
}

/// Read the log or a part of it, oldest first.
#[derive(Debug, Args)]
pub(super) struct Read {
    #[command(flatten)]
    which: SelectionArguments,
    /// Newest first
    #[arg(long)]
    backwards: bool,
    /// At most so many events
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// Read the events of the system instead of the application's
    #[arg(long)]
    system: bool,
}

/// Show one event with everything that is known about it.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its position, or STREAM@REVISION
    event: String,
    /// Show an event of the system
    #[arg(long)]
    system: bool,
}

/// Follow the log: print events as they are recorded.
#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    which: SelectionArguments,
    /// Follow the events of the system instead of the application's
    #[arg(long)]
    system: bool,
    /// Stop after so many events
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
}

impl Events {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        match self {
            Self::Append(command) => command.run(session).await,
            Self::Read(command) => command.run(session).await,
            Self::Show(command) => command.run(session).await,
            Self::Tail(command) => command.run(session).await,
            Self::Types => types(session).await,
            Self::Digest(command) => command.run(session).await,
            Self::Verify(command) => command.run(session).await,
        }
    }
}

fn log_kind(system: bool) -> LogKind {
    if system { LogKind::System } else { LogKind::Application }
}

impl Read {
    async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let mut selection = self.which.to_selection(session.scope(), log_kind(self.system))?;
        if self.backwards {
            selection = selection.backwards();
        }
        selection.limit = self.limit;
        let opened = session.open(Access::Read).await?;
        let events = &*opened.backend.events;
        let head = events.head().await?;
        let after = LogPoint { log: head.log, position: selection.after };
        Subscription::check_point(events, &head, Some(after), &selection)?;
        print_all(opened.backend.events.read(selection), &mut session.output, false, None).await?;
        Ok(Exit::Done)
    }
}

impl Show {
    async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let kind = log_kind(self.system);
        let selection = one_event(&self.event)?.of(session.scope()).log(kind);
        let opened = session.open(Access::Read).await?;
        let mut frames = opened.backend.events.read(selection.limit(1));
        while let Some(frame) = frames.next().await {
            if let Some(event) = frame?.events.first() {
                show(event, &mut session.output)?;
                return Ok(Exit::Done);
            }
        }
        Err(Failure::not_found(format!("there is no event {}", self.event)))
    }
}

/// Reads a position, or a stream and a revision.
fn one_event(text: &str) -> Result<Selection, Failure> {
    if let Ok(position) = text.parse::<u64>() {
        let before = Position(position.saturating_sub(1));
        return Ok(Selection::all().after(before).up_to(Position(position)));
    }
    let parsed = text
        .rsplit_once('@')
        .and_then(|(stream, revision)| Some((StreamId::new(stream).ok()?, Revision(revision.parse().ok()?))));
    let Some((stream, revision)) = parsed else {
        return Err(Failure::usage(format!("{text:?} names no event"))
            .with_help("give a position such as 42, or a stream and a revision such as account-1@0"));
    };
    Ok(Selection::stream(stream).from_revision(revision).to_revision(revision))
}

impl Tail {
    async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let kind = log_kind(self.system);
        let mut selection = self.which.to_selection(session.scope(), kind)?;
        selection.limit = self.limit;
        let opened = session.open(Access::Read).await?;
        let head = opened.backend.events.head().await?;
        let from = if self.which.has_beginning() { selection.after } else { head.heads.of(kind) };
        let from = LogPoint { log: head.log, position: from };
        let frames = Subscription::follow(Arc::clone(&opened.backend.events), selection, Some(from));
        let stop = crate::serve::stop_signal();
        tokio::pin!(stop);
        tokio::select! {
            printed = print_all(frames, &mut session.output, true, self.limit) => printed?,
            () = &mut stop => {}
        }
        Ok(Exit::Done)
    }
}

/// Prints events as they come; a follower sees them at once.
async fn print_all(
    mut frames: Frames,
    output: &mut Output,
    at_once: bool,
    limit: Option<u64>,
) -> Result<(), Failure> {
    let mut printed = 0;
    while let Some(frame) = frames.next().await {
        for event in frame?.events {
            if output.json {
                output.document(&EventJson::recorded(&event))?;
            } else {
                output.line(one_line(&event))?;
            }
            printed += 1;
            if limit == Some(printed) {
                return output.flush();
            }
        }
        if at_once {
            output.flush()?;
        }
    }
    Ok(())
}

/// Describes an event on a line: position, time, place, type and the beginning of the data.
fn one_line(event: &RecordedEvent) -> String {
    const SHOWN: usize = 120;
    let place = match (event.stream(), event.revision()) {
        (Some(stream), Some(revision)) => format!("{stream}@{revision}"),
        _ => "-".to_owned(),
    };
    let payload = String::from_utf8_lossy(event.payload());
    let mut data: String = payload.chars().take(SHOWN).collect();
    if data.len() < payload.len() {
        data.push_str("...");
    }
    let time = event.occurred_at().map_or(event.recorded_at(), |time| time.at);
    format!("{:>8}  {time}  {place}  {}  {data}", event.position(), event.event_type())
}

fn show(event: &RecordedEvent, output: &mut Output) -> Result<(), Failure> {
    let json = EventJson::recorded(event);
    if output.json {
        return output.document(&json);
    }
    let text = serde_json::to_string_pretty(&json).map_err(anyhow::Error::new)?;
    text.lines().try_for_each(|line| output.line(line))
}

async fn types(session: &mut Session) -> Result<Exit, Failure> {
    let opened = session.open(Access::Read).await?;
    let desk = ReadModelDesk::of(&opened, session.tenant()).await?;
    let name = CollectionName::new(TYPES)?;
    desk.catch_up(&name, &ProgressBar::count(&session.output, "counting", None)).await?;
    let mut rows = Vec::new();
    let mut select = SelectJson {
        order: vec![OrderBy { field: FieldName::new("events")?, descending: true }],
        size: Some(500),
        ..SelectJson::default()
    };
    loop {
        let page = desk.query(&name, select.clone()).await?;
        for document in page.documents {
            if session.output.json {
                session.output.document(&document.body)?;
            } else {
                let text = |field: &str| super::streams::cell(document.body.get(field));
                rows.push(vec![text("events"), text("type"), text("first_at"), text("last_at")]);
            }
        }
        select.cursor = page.next;
        if select.cursor.is_none() {
            break;
        }
    }
    if !session.output.json {
        session.output.table(&["EVENTS", "TYPE", "FIRST", "LAST"], &rows)?;
    }
    Ok(Exit::Done)
}
