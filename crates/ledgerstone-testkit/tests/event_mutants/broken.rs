//! An event store that breaks a promise: the memory store, and what is wrong with it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use ledgerstone_core::{
    Appended, Batch, Capabilities, EncodedEvent, EventData, EventStore, EventStoreError, Frame, Frames,
    Heads, LogHead, Mark, RecordedEvent, Selection, Stamp, StreamId, Tenant, TenantScope,
};
use ledgerstone_stores::Resources;
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::{CaseError, Fresh};
use parking_lot::Mutex;

pub(crate) type Answer = Result<Appended, EventStoreError>;
pub(crate) type Read = Result<Vec<Frame>, EventStoreError>;
type Marks = BoxFuture<'static, Result<Vec<Mark>, EventStoreError>>;
type Head = BoxFuture<'static, Result<LogHead, EventStoreError>>;

/// The sound store beneath, and what the mutant remembers.
#[derive(Debug)]
pub(crate) struct Beneath {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) batches: Mutex<Vec<(Batch, Appended)>>,
    pub(crate) positions: Mutex<Vec<u64>>,
    pub(crate) asked: AtomicBool,
}

impl Beneath {
    pub(crate) async fn read(&self, selection: Selection) -> Read {
        self.store.read(selection).try_collect().await
    }

    pub(crate) async fn events(&self, selection: Selection) -> Result<Vec<RecordedEvent>, EventStoreError> {
        Ok(self.read(selection).await?.into_iter().flat_map(|frame| frame.events).collect())
    }

    /// Answers as if nothing had been appended, but well.
    pub(crate) async fn pretend(&self) -> Answer {
        let log = self.store.head().await?.log;
        Ok(Appended {
            log,
            last: Heads::default(),
            ranges: Vec::new(),
            recorded_at: ledgerstone_core::Clock::now(&*self.clock),
            repeated: false,
        })
    }

    /// Tells whether this was asked before.
    pub(crate) fn asked_before(&self) -> bool {
        self.asked.swap(true, Ordering::Relaxed)
    }
}

/// What is wrong with a mutant, and the cases that are meant to find it.
#[derive(Clone)]
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) caught_by: Vec<&'static str>,
    capabilities: fn(Capabilities) -> Capabilities,
    append: fn(Arc<Beneath>, Batch) -> BoxFuture<'static, Answer>,
    read: fn(Arc<Beneath>, Selection) -> BoxFuture<'static, Read>,
    goes_on_reading: bool,
    head: fn(Arc<Beneath>) -> Head,
    changes: fn(&Beneath) -> BoxStream<'static, Heads>,
    marks: fn(Arc<Beneath>, TenantScope, String) -> Marks,
    forgets: bool,
    late: bool,
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Mutant {
    /// A store with nothing wrong.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            caught_by: Vec::new(),
            capabilities: |capabilities| capabilities,
            append: |beneath, batch| Box::pin(async move { beneath.store.append(batch).await }),
            read: |beneath, selection| Box::pin(async move { beneath.read(selection).await }),
            goes_on_reading: false,
            head: |beneath| Box::pin(async move { beneath.store.head().await }),
            changes: |beneath| beneath.store.changes(),
            marks: |beneath, tenant, prefix| {
                Box::pin(async move { beneath.store.marks(tenant, &prefix).await })
            },
            forgets: false,
            late: false,
        }
    }

    pub(crate) fn capabilities(mut self, broken: fn(Capabilities) -> Capabilities) -> Self {
        self.capabilities = broken;
        self
    }

    pub(crate) fn append(mut self, broken: fn(Arc<Beneath>, Batch) -> BoxFuture<'static, Answer>) -> Self {
        self.append = broken;
        self
    }

    pub(crate) fn read(mut self, broken: fn(Arc<Beneath>, Selection) -> BoxFuture<'static, Read>) -> Self {
        self.read = broken;
        self
    }

    /// Reads what is appended while it reads.
    pub(crate) fn reads_on(mut self) -> Self {
        self.goes_on_reading = true;
        self
    }

    pub(crate) fn head(mut self, broken: fn(Arc<Beneath>) -> Head) -> Self {
        self.head = broken;
        self
    }

    pub(crate) fn changes(mut self, broken: fn(&Beneath) -> BoxStream<'static, Heads>) -> Self {
        self.changes = broken;
        self
    }

    pub(crate) fn marks(mut self, broken: fn(Arc<Beneath>, TenantScope, String) -> Marks) -> Self {
        self.marks = broken;
        self
    }

    /// Has nothing any more when it is opened again.
    pub(crate) fn forgets(mut self) -> Self {
        self.forgets = true;
        self
    }

    /// Is broken only after it was opened again.
    pub(crate) fn once_reopened(mut self) -> Self {
        self.late = true;
        self
    }

    pub(crate) fn caught_by(mut self, cases: &[&'static str]) -> Self {
        self.caught_by = cases.to_vec();
        self
    }

    /// Opens the mutant with nothing in it.
    pub(crate) async fn open(self, clock: Arc<FixedClock>) -> Result<Fresh<Arc<dyn EventStore>>, CaseError> {
        let resources = Resources { clock: Arc::clone(&clock) as _, ..Resources::default() };
        let backend = ledgerstone_stores::open(&"memory:".parse()?, &resources).await?;
        let beneath = Beneath {
            store: backend.events,
            clock: Arc::clone(&clock),
            batches: Mutex::default(),
            positions: Mutex::default(),
            asked: AtomicBool::new(false),
        };
        Ok(self.over(Arc::new(beneath), clock, false))
    }

    fn over(
        self,
        beneath: Arc<Beneath>,
        clock: Arc<FixedClock>,
        reopened: bool,
    ) -> Fresh<Arc<dyn EventStore>> {
        let mutant = if self.late && !reopened { Self::new(self.name) } else { self.clone() };
        let store = Arc::new(Broken { beneath: Arc::clone(&beneath), mutant });
        Fresh::new(store as _, Arc::clone(&clock)).reopened_by(move || async move {
            if self.forgets { self.open(clock).await } else { Ok(self.over(beneath, clock, true)) }
        })
    }
}

#[derive(Debug)]
struct Broken {
    beneath: Arc<Beneath>,
    mutant: Mutant,
}

#[async_trait]
impl EventStore for Broken {
    fn capabilities(&self) -> Capabilities {
        // What it forgets is its own fault: the memory beneath it is kept over a reopening.
        let capabilities = Capabilities { durable: true, ..self.beneath.store.capabilities() };
        (self.mutant.capabilities)(capabilities)
    }

    async fn append(&self, batch: Batch) -> Answer {
        (self.mutant.append)(Arc::clone(&self.beneath), batch).await
    }

    fn read(&self, selection: Selection) -> Frames {
        let read = self.mutant.read;
        if !self.mutant.goes_on_reading {
            let frames = read(Arc::clone(&self.beneath), selection);
            let frames = stream::once(frames).map_ok(|frames| stream::iter(frames).map(Ok));
            return frames.try_flatten().boxed();
        }
        let beneath = Arc::clone(&self.beneath);
        let frames = stream::try_unfold(selection, move |selection| {
            let beneath = Arc::clone(&beneath);
            async move {
                let frame = read(beneath, selection.clone()).await?.into_iter().next();
                let frame = frame.filter(|frame| !frame.events.is_empty());
                Ok(frame.map(|frame| {
                    let read_to = frame.read_to;
                    (frame, selection.after(read_to))
                }))
            }
        });
        frames.boxed()
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        (self.mutant.head)(Arc::clone(&self.beneath)).await
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        (self.mutant.changes)(&self.beneath)
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        (self.mutant.marks)(Arc::clone(&self.beneath), tenant, prefix.to_owned()).await
    }
}

/// A recorded event, taken apart.
pub(crate) struct Parts {
    pub(crate) stream: Option<StreamId>,
    pub(crate) data: EventData,
    pub(crate) stamp: Stamp,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

/// Changes a recorded event.
pub(crate) fn rewrite(event: &RecordedEvent, change: impl FnOnce(&mut Parts)) -> RecordedEvent {
    let mut parts = Parts {
        stream: event.stream().map(|name| StreamId::new(name).expect("a stored name")),
        data: event.to_data().expect("a stored event"),
        stamp: Stamp {
            position: event.position(),
            revision: event.revision().unwrap_or_default(),
            recorded_at: event.recorded_at(),
        },
        first: event.is_batch_first(),
        last: event.is_batch_last(),
    };
    change(&mut parts);
    let tenant = Tenant::new(event.tenant()).expect("a stored name");
    let mut encoded = EncodedEvent::new(&tenant, parts.stream.as_ref(), &parts.data, parts.first, parts.last);
    encoded.stamp(parts.stamp);
    encoded.into_recorded()
}

/// Changes every event of some frames.
pub(crate) fn rewrite_all(frames: Read, change: impl Fn(&mut Parts)) -> Read {
    frames.map(|mut frames| {
        for event in frames.iter_mut().flat_map(|frame| &mut frame.events) {
            *event = rewrite(event, &change);
        }
        frames
    })
}

/// Changes every event of a batch.
pub(crate) fn each(mut batch: Batch, change: impl Fn(&mut EventData)) -> Batch {
    batch.appends.iter_mut().flat_map(|append| &mut append.events).for_each(change);
    batch
}

/// Gives every event a new id.
pub(crate) fn with_new_ids(batch: Batch) -> Batch {
    each(batch, |event| event.id = uuid::Uuid::now_v7())
}

/// Breaks what is appended.
macro_rules! broken {
    (|$beneath:ident, $batch:ident| $body:expr) => {
        |$beneath, $batch| Box::pin(async move { $body })
    };
    (|$beneath:ident, mut $batch:ident| $body:expr) => {
        |$beneath, mut $batch| Box::pin(async move { $body })
    };
}
pub(crate) use broken;
