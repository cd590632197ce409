//! `ledgerstone streams list`: from the read model of streams, or from the log where that is the shorter way.

use std::collections::BTreeMap;

use clap::Args;
use futures_util::StreamExt as _;
use ledgerstone::core::{
    Code, CollectionName, FieldName, Filter, LogKind, OffsetTime, OrderBy, RecordedEvent, SelectJson,
    Selection,
};
use ledgerstone::engine::STREAMS;
use serde_json::{Value, json};

use super::Session;
use super::streams::cell;
use crate::compose::{Access, Opened};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress_bar::ProgressBar;
use crate::read_model_desk::ReadModelDesk;

/// A read model that is behind by more events costs more to bring up than one look at the whole log.
const FAR_BEHIND: u64 = 20_000;

/// List streams with their number of events, by name.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Of this category only
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Whose names begin with this
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<usize>,
}

impl List {
    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let opened = session.open(Access::Read).await?;
        let name = CollectionName::new(STREAMS)?;
        let mut rows = Vec::new();
        let desk = match brought_up(&opened, &name, session).await {
            // What cannot be written down can still be counted.
            Err(failure) if matches!(failure.code(), Code::DiskFull | Code::ReadOnly) => None,
            other => other?,
        };
        if let Some(desk) = desk {
            self.query(&desk, &name, session, &mut rows).await?;
        } else {
            let streams = self.counted(&opened, session).await?;
            for (stream, counted) in streams.iter().take(self.limit.unwrap_or(usize::MAX)) {
                show(session, &counted.to_json(stream), &mut rows)?;
            }
        }
        if !session.output.json {
            session.output.table(&["STREAM", "EVENTS", "LAST TYPE", "LAST"], &rows)?;
        }
        Ok(Exit::Done)
    }

    async fn query(
        &self,
        desk: &ReadModelDesk,
        name: &CollectionName,
        session: &mut Session,
        rows: &mut Vec<Vec<String>>,
    ) -> Result<(), Failure> {
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut select = SelectJson {
            filter: self.filter()?,
            order: vec![OrderBy { field: FieldName::new("stream")?, descending: false }],
            ..SelectJson::default()
        };
        while left > 0 {
            select.size = Some(left.min(500));
            let page = desk.query(name, select.clone()).await?;
            left = left.saturating_sub(page.documents.len());
            for document in page.documents {
                show(session, &Value::Object(document.body), rows)?;
            }
            select.cursor = page.next;
            if select.cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn filter(&self) -> Result<Filter, Failure> {
        let mut filters = Vec::new();
        if let Some(category) = &self.category {
            filters.push(Filter::Eq { field: FieldName::new("category")?, value: category.as_str().into() });
        }
        if let Some(prefix) = &self.prefix {
            filters.push(Filter::Prefix { field: FieldName::new("stream")?, prefix: prefix.clone() });
        }
        Ok(if filters.is_empty() { Filter::All } else { Filter::And(filters) })
    }

    /// Counts the streams of the log, as the read model would if it were built now.
    async fn counted(
        &self,
        opened: &Opened,
        session: &Session,
    ) -> Result<BTreeMap<String, Counted>, Failure> {
        let bar = ProgressBar::count(&session.output, "counting", None);
        bar.set_total(opened.backend.events.head().await?.heads.application.0);
        let mut streams: BTreeMap<String, Counted> = BTreeMap::new();
        let all = Selection::all().of(session.scope()).log(LogKind::Application);
        let mut frames = opened.backend.events.read(all);
        while let Some(frame) = frames.next().await {
            let frame = frame?;
            for event in &frame.events {
                let Some(stream) = event.stream().filter(|stream| self.wants(stream, event)) else {
                    continue;
                };
                match streams.get_mut(stream) {
                    Some(counted) => counted.add(event),
                    None => {
                        streams.insert(stream.to_owned(), Counted::first(event));
                    }
                }
            }
            bar.set(frame.read_to.0);
        }
        Ok(streams)
    }

    fn wants(&self, stream: &str, event: &RecordedEvent) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| stream.starts_with(prefix.as_str()))
            && self.category.as_ref().is_none_or(|category| event.category() == Some(category.as_str()))
    }
}

/// Brings the read model of streams up to the log, unless the log itself is the shorter way or nothing may be written.
async fn brought_up(
    opened: &Opened,
    name: &CollectionName,
    session: &Session,
) -> Result<Option<ReadModelDesk>, Failure> {
    if opened.is_read_only {
        return Ok(None);
    }
    let desk = ReadModelDesk::of(opened, session.tenant()).await?;
    let lag = desk.status(name).await?.get("lag").and_then(Value::as_u64).unwrap_or(0);
    if opened.remote.is_none() && lag > FAR_BEHIND {
        return Ok(None);
    }
    desk.catch_up(name, &ProgressBar::count(&session.output, "counting", None)).await?;
    Ok(Some(desk))
}

/// A stream as far as it was counted; the fields are those of the read model.
struct Counted {
    category: Option<String>,
    events: u64,
    first: (u64, u64),
    last: (u64, u64),
    first_at: OffsetTime,
    last_at: OffsetTime,
    last_type: String,
}

impl Counted {
    fn first(event: &RecordedEvent) -> Self {
        let (at, place) = (occurred(event), place(event));
        Self {
            category: event.category().map(str::to_owned),
            events: 1,
            first: place,
            last: place,
            first_at: at,
            last_at: at,
            last_type: event.event_type().to_owned(),
        }
    }

    fn add(&mut self, event: &RecordedEvent) {
        let at = occurred(event);
        self.events += 1;
        self.last = place(event);
        if at.at < self.first_at.at {
            self.first_at = at;
        }
        if at.at > self.last_at.at {
            self.last_at = at;
        }
        if self.last_type != event.event_type() {
            event.event_type().clone_into(&mut self.last_type);
        }
    }

    fn to_json(&self, stream: &str) -> Value {
        let mut document = json!({
            "stream": stream,
            "events": self.events,
            "first_revision": self.first.0,
            "last_revision": self.last.0,
            "first_position": self.first.1,
            "last_position": self.last.1,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "last_type": self.last_type,
        });
        if let (Value::Object(fields), Some(category)) = (&mut document, &self.category) {
            fields.insert("category".to_owned(), category.as_str().into());
        }
        document
    }
}

fn occurred(event: &RecordedEvent) -> OffsetTime {
    event.occurred_at().unwrap_or_else(|| OffsetTime::utc(event.recorded_at()))
}

/// Returns the revision and the position.
fn place(event: &RecordedEvent) -> (u64, u64) {
    (event.revision().map_or(0, |revision| revision.0), event.position().0)
}

/// Prints a stream for scripts, or keeps its row for the table.
fn show(session: &mut Session, stream: &Value, rows: &mut Vec<Vec<String>>) -> Result<(), Failure> {
    if session.output.json {
        return session.output.document(stream);
    }
    let text = |field: &str| cell(stream.get(field));
    rows.push(vec![text("stream"), text("events"), text("last_type"), text("last_at")]);
    Ok(())
}
