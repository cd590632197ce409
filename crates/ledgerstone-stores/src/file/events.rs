//! Events in the log engine: the reading half, which group commit completes.

use std::sync::Arc;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, Capabilities, Clock, EventStoreError, EventType, Frame, Frames, Heads, IdempotenceWindow,
    Limits, LogIdentity, LogKind, Mark, QueryItem, RecordLayout, RecordedEvent, Removal, Selection, StreamId,
    StreamState, Tenant, TenantScope,
};
use ledgerstone_log::{Disk, LogError, LogReader, Opened, Options, Patience};
use parking_lot::RwLock;
use tokio::task::JoinHandle;

use crate::cursor::Cursor;
use crate::file::failure::{BACKEND, failed};
use crate::file::reading::Reading;
use crate::file::shared::Shared;
use crate::file::writer::Writer;
use crate::frames::{Bundle, ReadFrames, frames};
use crate::group_commit::{GroupCommit, IndexTerms, ReadLog};
use crate::removals::Removals;

/// How often it is looked whether the disk is done, before a thread waits for it: each look takes some microseconds.
pub(super) const GLANCES: u32 = 16;

/// The reading half of the events; group commit adds the writing half.
#[derive(Debug)]
pub struct FileEvents {
    shared: Arc<Shared>,
}

impl FileEvents {
    /// Takes a log that is only read.
    pub(crate) fn over(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Opens the log on a disk, or begins one; it blocks.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<(GroupCommit<Self>, Arc<Shared>), BackendError> {
        let (events, writer) = Self::halves(disk, clock, options)?;
        let shared = Arc::clone(&events.shared);
        Ok((GroupCommit::new(Arc::new(events), writer)?, shared))
    }

    /// Opens the log as the half that reads and the one that writes.
    pub(super) fn halves(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<(Self, Writer), BackendError> {
        let Opened { reader, appender, report } =
            ledgerstone_log::open(disk, options).map_err(failed("open"))?;
        if let Some(cut) = &report.cut {
            tracing::warn!(file = cut.file, at = cut.at, bytes = cut.bytes, "cut a torn write from the log");
        }
        let removals = removals(&reader, &clock).map_err(failed("open"))?;
        let shared = Arc::new(Shared { reader, clock, removals: RwLock::new(removals) });
        let writer = Writer::new(Arc::clone(&shared), appender);
        Ok((Self { shared }, writer))
    }
}

/// Reads what has been removed of streams, from the system events that say so.
pub(crate) fn removals(reader: &LogReader, clock: &Arc<dyn Clock>) -> Result<Removals, LogError> {
    let types = Removal::TYPES.into_iter().filter_map(|name| EventType::new(name).ok());
    let selection = Selection::query(QueryItem::types(types)).of(TenantScope::All).log(LogKind::System);
    let nothing = RwLock::new(Removals::default());
    let shared = Shared { reader: reader.clone(), clock: Arc::clone(clock), removals: nothing };
    let read = |selection| Reading::new(Cursor::new(selection, reader.heads(), clock.now()));
    let mut reading = read(selection);
    let mut removals = Removals::default();
    while !reading.is_done() {
        let frame = reading.frame(&shared, Patience::Wait)?;
        frame.events.iter().for_each(|event| removals.apply(event));
    }
    removals.complete(|tenant: &Tenant, stream: &StreamId| {
        let one = Selection::stream(stream.clone()).of(TenantScope::One(tenant.clone()));
        let mut reading = read(one.backwards().limit(1));
        // Nothing is removed here yet but what was scavenged, and of that a frame passes only so much.
        while !reading.is_done() {
            let frame = reading.frame(&shared, Patience::Wait)?;
            if let Some(revision) = frame.events.first().and_then(RecordedEvent::revision) {
                return Ok(StreamState::At(revision));
            }
        }
        Ok::<_, LogError>(StreamState::Missing)
    })?;
    Ok(removals)
}

#[async_trait]
impl ReadLog for FileEvents {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            backend: BACKEND,
            durable: true,
            all_tenants: true,
            idempotence_window: IdempotenceWindow::WholeLog,
            limits: Limits::default(),
        }
    }

    fn identity(&self) -> LogIdentity {
        self.shared.reader.identity()
    }

    fn removal(&self, selection: &Selection) -> Option<Removal> {
        self.shared.removals.read().of_selection(selection)
    }

    fn read(&self, selection: Selection, heads: Heads, removal: Option<Removal>) -> Frames {
        let reading =
            Reading::new(Cursor::new(selection, heads, self.shared.clock.now()).with_removal(removal));
        frames(Begun { shared: Arc::clone(&self.shared), reading: Box::new(reading) })
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        Ok(self.shared.reader.marks(&tenant, prefix, self.shared.clock.now()))
    }

    fn hasher(&self) -> Option<IndexTerms> {
        Some(IndexTerms(self.shared.reader.hasher()))
    }

    fn layout(&self) -> RecordLayout {
        RecordLayout::Short
    }
}

/// A reading, and what it reads from.
struct Begun {
    shared: Arc<Shared>,
    reading: Box<Reading>,
}

impl ReadFrames for Begun {
    const BACKEND: &'static str = BACKEND;

    fn is_done(&self) -> bool {
        self.reading.is_done()
    }

    /// The rest takes a call of the system for every event.
    fn is_read_here(&self) -> bool {
        self.reading.is_in_order()
    }

    fn here(&mut self) -> Result<Option<Frame>, BackendError> {
        match self.reading.frame(&self.shared, Patience::OnlyCached) {
            Err(LogError::WouldWait) => Ok(None),
            read => read.map(Some).map_err(failed("read")),
        }
    }

    async fn first(mut self) -> Bundle<Self> {
        // Little that is in memory is read sooner here than anywhere else.
        if self.reading.may_be_quick() {
            match read_here(&self.shared, &mut self.reading).await {
                Err(LogError::WouldWait) => {}
                read => return Bundle::one(read.map(|frame| (frame, self)).map_err(failed("read"))),
            }
        }
        let here = if self.is_read_here() { self.here() } else { Ok(None) };
        match here {
            Ok(Some(frame)) => Bundle::one(Ok((frame, self))),
            Ok(None) => Bundle::joined(self.ahead(1).await),
            Err(error) => Bundle::failed(error),
        }
    }

    fn ahead(self, most: usize) -> JoinHandle<Bundle<Self>> {
        let frame =
            |begun: &mut Self| begun.reading.frame(&begun.shared, Patience::Wait).map_err(failed("read"));
        tokio::task::spawn_blocking(move || Bundle::read(self, most, frame))
    }
}

/// Reads a frame on the caller's own thread, or fails with [`LogError::WouldWait`].
///
/// What is not in memory the disk is told to fetch, and others have their turn meanwhile: a fast disk is done
/// before a thread that waits for it would have been woken.
pub(super) async fn read_here(shared: &Shared, reading: &mut Reading) -> Result<Frame, LogError> {
    let mut read = reading.frame(shared, Patience::OnlyCached);
    for _ in 0..GLANCES {
        if !matches!(read, Err(LogError::WouldWait)) {
            break;
        }
        reading.announce(shared);
        tokio::task::yield_now().await;
        read = reading.frame(shared, Patience::OnlyCached);
    }
    read
}
