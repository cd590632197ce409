//! A log of small segments on a disk that can be slow, and nothing that depends on when a thread gets its turn.

use std::path::Path;
use std::sync::Arc;

use ledgerstone_core::{
    Append, Batch, EventData, EventType, ExpectedRevision, Heads, Selection, StreamId, Tenant, Timestamp,
};
use ledgerstone_log::Options;
use ledgerstone_testkit::{FixedClock, SequentialIds};
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::decide::Verdict;
use crate::file::events::FileEvents;
use crate::file::reading::Reading;
use crate::file::slow_disk::{Pace, SlowDisk};
use crate::file::writer::Writer;
use crate::group_commit::{CommitLog as _, ReadLog as _};
use crate::staged::Staged;

/// A log as its two halves.
pub(crate) struct TestLog {
    pub(crate) events: FileEvents,
    pub(crate) pace: Arc<Pace>,
    writer: Writer,
}

impl TestLog {
    pub(crate) fn open(folder: &Path) -> Self {
        let (disk, pace) = SlowDisk::open(folder);
        let clock = Arc::new(FixedClock::at(Timestamp::from_micros(1_000)));
        let mut options = Options::new(Arc::new(SequentialIds::from(7)));
        (options.segment_bytes, options.background) = (4096, false);
        let (events, writer) = FileEvents::halves(disk, clock, options).expect("events");
        Self { events, pace, writer }
    }

    /// Commits batches together.
    pub(crate) fn commit(&mut self, batches: impl IntoIterator<Item = Batch>) -> Vec<Verdict> {
        let (hasher, layout) = (self.events.hasher().map(|terms| terms.0), self.events.layout());
        let staged = batches.into_iter().map(|batch| Staged::in_layout(batch, hasher, layout));
        let mut staged = staged.collect::<Result<Vec<_>, _>>().expect("batches");
        self.writer.commit(&mut staged)
    }

    pub(crate) fn heads(&self) -> Heads {
        self.writer.heads()
    }

    pub(crate) fn reading(&self, selection: Selection) -> Reading {
        Reading::new(Cursor::new(selection, self.heads(), Timestamp::from_micros(1_000)))
    }
}

pub(crate) fn stream() -> StreamId {
    StreamId::new("a-1").expect("a stream")
}

pub(crate) fn event(id: u128) -> EventData {
    EventData::json(Uuid::from_u128(id), EventType::new("Noted").expect("a type"), &b"{}"[..])
}

/// A batch of one event of a tenant.
pub(crate) fn batch(tenant: &str, event: EventData) -> Batch {
    let tenant = Tenant::new(tenant).expect("a tenant");
    Batch { tenant, ..Batch::of(Append::to(stream(), ExpectedRevision::Any, vec![event])) }
}
