//! The `file:` store of ledgerstone, opened and used as every program uses it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::StreamExt as _;
use ledgerstone_core::{
    Append, AppendCondition, Batch, EventData, EventStore, EventType, ExpectedRevision, Metadata, Position,
    Query, QueryItem, Selection, StreamId, Tag,
};
use ledgerstone_stores::{Backend, Resources, open};

use crate::engine::Engine;
use crate::fact::{ACTOR, Fact, TYPE};

/// An open `file:` store.
#[derive(Debug, Clone)]
pub(crate) struct LedgerstoneStore {
    backend: Backend,
    events: Arc<dyn EventStore>,
}

impl LedgerstoneStore {
    /// Opens the store in a folder, or begins one; `more` are parameters of its locator.
    pub(crate) async fn open(folder: &Path, more: &str) -> Result<Self> {
        let locator = format!("file:{}{more}", folder.display()).parse().context("the folder's name")?;
        let backend = open(&locator, &Resources::default()).await.context("opening ledgerstone")?;
        Ok(Self { events: Arc::clone(&backend.events), backend })
    }

    /// Ends it in order.
    pub(crate) async fn close(self) {
        let Self { backend, events } = self;
        drop(events);
        backend.close().await;
    }

    /// Reads every event of a tag; returns how many there are.
    pub(crate) async fn read_tag(&self, tag: String) -> Result<usize> {
        self.count(Selection::query(QueryItem::tags([Tag::new(tag)?]))).await
    }

    /// Reads every event of a stream; returns how many there are.
    pub(crate) async fn read_stream(&self, stream: String) -> Result<usize> {
        self.count(Selection::stream(StreamId::new(stream)?)).await
    }

    /// Reads every event; returns how many there are.
    pub(crate) async fn read_all(&self) -> Result<usize> {
        self.count(Selection::all()).await
    }

    async fn count(&self, selection: Selection) -> Result<usize> {
        let (mut events, mut bytes) = (0, 0);
        let mut frames = self.events.read(selection);
        while let Some(frame) = frames.next().await {
            for event in frame?.events {
                events += 1;
                bytes += event.payload().len() + event.event_type().len();
            }
        }
        std::hint::black_box(bytes);
        Ok(events)
    }
}

impl Engine for LedgerstoneStore {
    async fn append(&self, facts: Vec<Fact>, guarded: bool) -> Result<()> {
        let first = facts.first().filter(|_| guarded);
        let condition = first.map(|fact| Tag::new(fact.tag.as_str())).transpose()?.map(|tag| {
            AppendCondition { fail_if_match: Query::from(QueryItem::tags([tag])), after: Position::START }
        });
        let mut batch = Batch { condition, ..Batch::default() };
        let mut beside = Vec::new();
        let event_type = EventType::new(TYPE)?;
        for fact in facts {
            let stream = fact.stream.as_deref().map(StreamId::new).transpose()?;
            let event = event(fact, event_type.clone())?;
            match stream {
                Some(stream) => batch.appends.push(Append::to(stream, ExpectedRevision::Any, vec![event])),
                None => beside.push(event),
            }
        }
        if !beside.is_empty() {
            batch.appends.push(Append::to_log(beside));
        }
        self.events.append(batch).await?;
        Ok(())
    }
}

fn event(fact: Fact, event_type: EventType) -> Result<EventData> {
    let mut event = EventData::json(fact.id, event_type, fact.payload);
    event.tags = vec![Tag::new(fact.tag)?];
    event.metadata =
        Metadata { actor: Some(ACTOR.to_owned()), causation: Some(fact.causation), ..Metadata::default() };
    Ok(event)
}
