//! `ledgerstone events append`: one event for a stream, or a batch over several.

use std::io::Read as _;
use std::path::Path;

use clap::Args;
use ledgerstone::core::{
    Append as AppendEvents, Appended, AppendedJson, Batch, BatchJson, EventData, EventJson, ExpectedRevision,
    LogKind, OffsetTime, StreamId,
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Session;
use crate::compose::{Access, ids};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json_words::told;

/// Append an event to a stream, or a batch over several.
#[derive(Debug, Args)]
pub(super) struct Append {
    /// The stream
    #[arg(required_unless_present = "batch")]
    stream: Option<String>,
    /// The type of the event
    #[arg(required_unless_present = "batch")]
    r#type: Option<String>,
    /// The data as JSON; @FILE reads a file, - standard input
    data: Option<String>,
    /// Where the stream must stand: any, no_stream, stream_exists or a revision
    #[arg(long, value_name = "REVISION", default_value = "any", conflicts_with = "batch")]
    expected: ExpectedRevision,
    /// The event's own id: the same event appended twice is recorded once
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    id: Option<Uuid>,
    /// A tag by which the event is found; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// When it happened, such as 2011-10-11T13:45:40+02:00
    #[arg(long, value_name = "TIME")]
    occurred_at: Option<String>,
    /// What belongs together
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// What caused it
    #[arg(long, value_name = "ID")]
    causation: Option<String>,
    /// Who did it, by an opaque id
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Which system it comes from
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// The version of its shape
    #[arg(long, value_name = "NUMBER")]
    schema_version: Option<u32>,
    /// It carries the whole state of its stream
    #[arg(long)]
    carries_state: bool,
    /// Append this batch: a JSON file of appends, condition and marks; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["stream", "type", "data"])]
    batch: Option<String>,
}

impl Append {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let batch = match &self.batch {
            Some(file) => {
                let text = read_text(file)?;
                if text.trim_start().starts_with('[') {
                    let message = format!("the batch {file} is an array, and an object is needed");
                    return Err(Failure::usage(message)
                        .with_help("write it like {\"appends\": [{\"stream\": \"a-1\", \"events\": []}]}"));
                }
                let batch: BatchJson = serde_json::from_str(&text).map_err(|error| {
                    Failure::usage(format!("the batch {file} is not valid: {}", told(&error)))
                })?;
                let ids = ids();
                batch.to_batch(session.tenant(), || ids.next_id())?
            }
            None => {
                let stream = StreamId::new(self.stream.as_deref().unwrap_or_default())?;
                let append = AppendEvents::to(stream, self.expected, vec![self.event()?]);
                Batch { tenant: session.tenant(), ..Batch::of(append) }
            }
        };
        if let Some(event) = batch.events().find(|event| event.log() == LogKind::System) {
            let message = format!("events of type {} are written by the system only", event.event_type);
            let help = "streams delete, streams truncate and read-models declare write what they need";
            return Err(Failure::usage(message).with_help(help));
        }
        let opened = session.open(Access::Write).await?;
        let appended = opened.backend.events.append(batch).await?;
        print(session, &appended)?;
        Ok(Exit::Done)
    }

    fn event(&self) -> Result<EventData, Failure> {
        let data = self.data.as_deref().map(data_json).transpose()?;
        let json = EventJson {
            id: self.id,
            event_type: self.r#type.clone().unwrap_or_default(),
            schema_version: self.schema_version,
            occurred_at: self.occurred_at.as_deref().map(|at| OffsetTime::parse(at, None)).transpose()?,
            data,
            tags: self.tags.clone(),
            carries_state: self.carries_state,
            ..EventJson::default()
        };
        let ids = ids();
        let mut event = json.to_data(|| ids.next_id())?;
        event.metadata.correlation.clone_from(&self.correlation);
        event.metadata.causation.clone_from(&self.causation);
        event.metadata.actor.clone_from(&self.actor);
        event.metadata.source.clone_from(&self.source);
        Ok(event)
    }
}

fn uuid(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "write it like 018f4e7a-0000-7000-8000-000000000001".to_owned())
}

fn data_json(argument: &str) -> Result<Box<RawValue>, Failure> {
    let text = match argument.strip_prefix('@') {
        Some(file) => read_text(file)?,
        None if argument == "-" => read_text("-")?,
        None => argument.to_owned(),
    };
    RawValue::from_string(text.trim().to_owned()).map_err(|error| {
        Failure::usage(format!("the data is not JSON: {}", told(&error)))
            .with_help("quote it for the shell, such as '{\"amount\": 7}', or give @FILE")
    })
}

/// Reads a text file, or standard input for `-`.
pub(super) fn read_text(file: &str) -> Result<String, Failure> {
    if file == "-" {
        let mut text = String::new();
        return match std::io::stdin().read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(error) => Err(Failure::io("standard input", &error)),
        };
    }
    std::fs::read_to_string(Path::new(file)).map_err(|error| Failure::io(file, &error))
}

fn print(session: &mut Session, appended: &Appended) -> Result<(), Failure> {
    let output = &mut session.output;
    if output.json {
        return output.document(&AppendedJson::from_appended(appended));
    }
    for range in &appended.ranges {
        let revision = range.revision.map_or_else(String::new, |revision| format!(", revision {revision}"));
        let repeated = if appended.repeated { " (it had been recorded before)" } else { "" };
        output.line(format!("position {}{revision}{repeated}", range.last))?;
    }
    Ok(())
}
