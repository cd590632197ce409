//! The embedded engine of the crate `tephra`, with its own defaults.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tephra::{
    AppendCondition, Event, EventType, Position, Query, QueryItem, SegmentConfig, SegmentSet, Tag, Tags,
    WriteCoordinator, WriteHandle, WriterConfig,
};

use crate::engine::Engine;
use crate::fact::{Fact, TYPE};

/// The size of a segment that its documentation uses.
const SEGMENT_BYTES: usize = 256 * 1024 * 1024;

/// An open store of tephra.
#[derive(Clone)]
pub(crate) struct TephraStore {
    coordinator: Arc<Mutex<Option<WriteCoordinator>>>,
    handle: WriteHandle,
}

impl TephraStore {
    /// Opens the store in a folder, or begins one.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let set = SegmentSet::open(folder, SegmentConfig::new(SEGMENT_BYTES)).context("opening tephra")?;
        let started = WriteCoordinator::start(set, WriterConfig::default());
        let (coordinator, handle) = started.context("starting tephra")?;
        Ok(Self { coordinator: Arc::new(Mutex::new(Some(coordinator))), handle })
    }

    /// Ends it in order.
    pub(crate) fn close(self) {
        let coordinator = self.coordinator.lock().take();
        drop(coordinator.map(WriteCoordinator::shutdown));
    }

    /// Reads every event of a tag; returns how many there are.
    pub(crate) fn read_tag(&self, tag: &str) -> Result<usize> {
        self.count(&tagged(tag)?)
    }

    /// Reads every event; returns how many there are.
    pub(crate) fn read_all(&self) -> Result<usize> {
        self.count(&Query::all())
    }

    fn count(&self, query: &Query) -> Result<usize> {
        let (mut events, mut bytes) = (0, 0);
        let mut reads = self.handle.read(query, Position::ZERO, None);
        while let Some(read) = reads.next() {
            let event = read?.event;
            events += 1;
            bytes += event.data().len() + event.event_type().len();
        }
        std::hint::black_box(bytes);
        Ok(events)
    }
}

fn tagged(tag: &str) -> Result<Query> {
    Ok(Query::item(QueryItem::with_tags(Tags::new([Tag::new(tag)?])?)))
}

impl Engine for TephraStore {
    async fn append(&self, facts: Vec<Fact>, guarded: bool) -> Result<()> {
        let first = facts.first().filter(|_| guarded);
        let condition = first.map(|fact| tagged(&fact.tag)).transpose()?.map(AppendCondition::new);
        let event_type = EventType::new(TYPE)?;
        let events = facts.into_iter().map(|fact| {
            let data = fact.data();
            Ok(Event::new(&event_type, &Tags::new([Tag::new(fact.tag)?])?, &data)?)
        });
        let events = events.collect::<Result<Vec<_>>>()?;
        self.handle.append_async(events, condition).await?;
        Ok(())
    }
}
