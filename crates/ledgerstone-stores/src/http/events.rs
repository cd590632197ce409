//! The events of a ledgerstone server, read and appended over HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::StreamExt as _;
use ledgerstone_core::{
    Appended, AppendedJson, BackendError, Batch, BatchJson, Capabilities, Code, Direction, ErrorKind,
    EventPageJson, EventStore, EventStoreError, Frame, Frames, Heads, LogHead, LogIdentity, Mark, MarkJson,
    Position, RecordedEvent, Selection, SelectionJson, Tenant, TenantScope,
};
use serde::Deserialize;

use crate::connection::{BACKEND, CallError, Connection, percent_encode};
use crate::http::every_tenant;

/// The number of events that one request asks for.
const PAGE: u64 = 2_000;
/// How long a request for the head waits until it moves.
const WAIT: Duration = Duration::from_secs(20);
/// The shortest and the longest pause after a request for the head has failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The event store of a ledgerstone server.
#[derive(Debug, Clone)]
pub struct HttpEvents {
    connection: Arc<Connection>,
    capabilities: Capabilities,
}

impl HttpEvents {
    pub(crate) fn new(connection: Arc<Connection>, capabilities: Capabilities) -> Self {
        Self { connection, capabilities }
    }
}

#[derive(Deserialize)]
struct Marks {
    marks: Vec<MarkJson>,
}

#[async_trait]
impl EventStore for HttpEvents {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError> {
        const APPEND: &str = "append";
        // What no store takes need not travel, and keeps its exact reason.
        self.capabilities.limits.check(&batch)?;
        let body = BatchJson::from_batch(&batch);
        let answer = self.connection.post::<AppendedJson>(APPEND, "/v1/append", &batch.tenant, &body).await;
        match answer {
            Ok(appended) => Ok(appended.to_appended()),
            Err(CallError::Problem(problem)) => Err(problem.into_append_error(APPEND)),
            Err(CallError::Broken(error)) if error.code() == Code::Indeterminate => {
                Err(EventStoreError::Indeterminate(error))
            }
            Err(CallError::Broken(error)) => Err(error.into()),
        }
    }

    fn read(&self, selection: Selection) -> Frames {
        let reading = Reading::new(Arc::clone(&self.connection), selection);
        let frames = futures_util::stream::unfold(Some(reading), |reading| async move {
            let mut reading = reading?;
            match reading.next_page().await {
                Ok((frame, true)) => Some((Ok(frame), Some(reading))),
                Ok((frame, false)) => Some((Ok(frame), None)),
                Err(error) => Some((Err(error), None)),
            }
        });
        frames.boxed()
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        Ok(self.connection.get("head", "/v1/head", None).await?)
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        let watch = Watch { connection: Arc::clone(&self.connection), known: None, pause: PAUSES.0 };
        futures_util::stream::unfold(watch, |mut watch| async move { Some((watch.next().await, watch)) })
            .boxed()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        const MARKS: &str = "read marks";
        let TenantScope::One(tenant) = tenant else { return Err(every_tenant(MARKS).into()) };
        let path = format!("/v1/marks?prefix={}", percent_encode(prefix));
        let answer: Marks = self.connection.get(MARKS, &path, Some(&tenant)).await?;
        let marks = answer.marks.iter().map(|mark| mark.to_mark(tenant.clone()));
        Ok(marks.collect::<Result<_, _>>().map_err(|error| unreadable(MARKS, error.to_string()))?)
    }
}

/// A selection being read page by page.
struct Reading {
    connection: Arc<Connection>,
    selection: Selection,
    /// The log of the first page, once that was read.
    log: Option<LogIdentity>,
}

impl Reading {
    fn new(connection: Arc<Connection>, selection: Selection) -> Self {
        Self { connection, selection, log: None }
    }

    /// Reads the next page, and tells whether there may be another.
    async fn next_page(&mut self) -> Result<(Frame, bool), EventStoreError> {
        const READ: &str = "read";
        let tenant = self.tenant(READ)?;
        self.selection.check()?;
        let wanted = self.selection.limit.map_or(PAGE, |limit| limit.min(PAGE));
        let mut asked = SelectionJson::from_selection(&self.selection);
        asked.limit = Some(wanted);
        let answer = self.connection.post::<EventPageJson>(READ, "/v1/query", &tenant, &asked).await;
        let page = answer.map_err(|error| error.into_backend_error(READ))?;
        self.check_log(page.log)?;
        let more = self.advance(&page);
        let events = page.events.iter().map(|event| event.to_recorded());
        let events = events.collect::<Result<Vec<RecordedEvent>, _>>();
        let events = events.map_err(|error| unreadable(READ, error.to_string()))?;
        Ok((Frame { events, read_to: page.read_to, holes: page.holes }, more))
    }

    fn tenant(&self, operation: &'static str) -> Result<Tenant, EventStoreError> {
        match &self.selection.tenant {
            TenantScope::One(tenant) => Ok(tenant.clone()),
            TenantScope::All => Err(every_tenant(operation).into()),
        }
    }

    /// Refuses a page of another log than the first one: its positions mean other events.
    fn check_log(&self, log: LogIdentity) -> Result<(), BackendError> {
        let Some(begun) = self.log.filter(|begun| *begun != log) else { return Ok(()) };
        let message = format!(
            "the reading began in log {begun} and this is log {log}; read again from the beginning, or rewind"
        );
        Err(BackendError::new(ErrorKind::Invalid, BACKEND, "read", message).with_code(Code::ForeignPosition))
    }

    /// Moves behind a page; the head of the first one is where the reading ends.
    fn advance(&mut self, page: &EventPageJson) -> bool {
        if self.log.replace(page.log).is_none() {
            let head = page.head.of(self.selection.log);
            self.selection.up_to = Some(self.selection.up_to.map_or(head, |last| last.min(head)));
        }
        let read = page.events.len() as u64;
        if let Some(limit) = &mut self.selection.limit {
            *limit = limit.saturating_sub(read);
        }
        let before = (self.selection.after, self.selection.up_to);
        match self.selection.direction {
            Direction::Forwards => self.selection.after = page.read_to,
            Direction::Backwards => self.selection.up_to = Some(Position(page.read_to.0.saturating_sub(1))),
        }
        // A page that says "more" and has not moved would be asked for again and again.
        let moved = before != (self.selection.after, self.selection.up_to);
        page.more && moved && self.selection.limit != Some(0)
    }
}

/// The heads, as a server tells them when they have moved.
struct Watch {
    connection: Arc<Connection>,
    known: Option<Heads>,
    pause: Duration,
}

impl Watch {
    async fn next(&mut self) -> Heads {
        loop {
            let path = match self.known {
                None => "/v1/head".to_owned(),
                Some(Heads { application, system }) => {
                    let wait = WAIT.as_secs();
                    format!("/v1/head?application={application}&system={system}&wait={wait}")
                }
            };
            match self.connection.get::<LogHead>("watch the head", &path, None).await {
                Ok(head) => {
                    self.pause = PAUSES.0;
                    if self.known.replace(head.heads) != Some(head.heads) {
                        return head.heads;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the head cannot be watched; trying again");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(PAUSES.1);
                }
            }
        }
    }
}

fn unreadable(operation: &'static str, message: String) -> BackendError {
    BackendError::new(
        ErrorKind::Corrupt,
        BACKEND,
        operation,
        format!("the answer does not read back: {message}"),
    )
}
