//! The writing half: batches gather in memory, and one write and one sync make them durable together.

use std::sync::Arc;

use ledgerstone_core::{
    Heads, LogIdentity, LogKind, Mark, MarkName, Position, RecordedEvent, Tenant, Timestamp,
};

use crate::failure::LogError;
use crate::group::{Group, NewEvent};
use crate::growing_segment::GrowingSegment;
use crate::indexer::Indexer;
use crate::new_segment::{new_segment, salt};
use crate::page::Page;
use crate::places::MOST_GAP;
use crate::reader::Patience;
use crate::scrubber::Scrubber;
use crate::segment_header::SegmentHeader;
use crate::shared::Shared;
use crate::watermark::{Publisher, Watermark};
use crate::zeros_ahead::ZerosAhead;

/// Why a group of batches was not made durable.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing of it was recorded, nor ever will be.
    #[error(transparent)]
    Refused(LogError),
    /// Nobody knows until the log is opened anew: a sync failed after the bytes had left.
    #[error(transparent)]
    Indeterminate(LogError),
}

/// The writing half of a log; there is one.
#[derive(Debug)]
pub struct Appender {
    shared: Arc<Shared>,
    indexer: Indexer,
    scrubber: Scrubber,
    publisher: Publisher,
    active: GrowingSegment,
    zeros: ZerosAhead,
    /// Which log new segments belong to.
    identity: LogIdentity,
    group: Group,
    /// The highest number that a segment was ever tried with.
    newest_number: u64,
    /// Whether the active segment must not be written to any more.
    broken: bool,
}

impl Appender {
    pub(crate) fn new(
        shared: Arc<Shared>,
        (indexer, scrubber): (Indexer, Scrubber),
        active: GrowingSegment,
        recorded_at: Timestamp,
        newest_number: u64,
    ) -> Self {
        let group = Group::after(*shared.durable.read(), recorded_at);
        let identity = shared.identity;
        let publisher = Publisher::open(&*shared.disk);
        let zeros = ZerosAhead::new(shared.options.presized);
        let broken = false;
        let mut appender = Self {
            shared,
            indexer,
            scrubber,
            publisher,
            active,
            zeros,
            identity,
            group,
            newest_number,
            broken,
        };
        appender.publish();
        appender
    }

    /// Returns the newest positions, those that were put since the last commit included.
    pub fn written(&self) -> Heads {
        self.group.written()
    }

    /// Returns the newest durable positions.
    pub fn durable(&self) -> Heads {
        *self.shared.durable.read()
    }

    /// Returns when the newest event was recorded, those that were put since the last commit included.
    pub fn written_at(&self) -> Timestamp {
        self.group.written_at()
    }

    /// Returns a mark as the batches so far leave it, expired or not.
    pub fn mark(&self, tenant: &Tenant, name: &MarkName) -> Option<Mark> {
        self.group.mark(&self.shared.state, tenant, name)
    }

    /// Returns the highest version of any mark that went away, as the batches so far leave it.
    pub fn retired(&self) -> u64 {
        self.group.retired(&self.shared.state)
    }

    /// Tells whether the tenant has events, those of the running group included.
    pub fn knows_tenant(&self, tenant: &Tenant) -> bool {
        self.group.knows_tenant(&self.shared.state, tenant)
    }

    /// Returns the event at a position, those that were put since the last commit included.
    pub fn record(&self, log: LogKind, position: Position) -> Result<Option<RecordedEvent>, LogError> {
        if let Some(record) = self.group.record(&self.active.segment, log, position) {
            return Ok(Some(record));
        }
        let mut page = Page::new(1, 1);
        self.shared.read_one(log, position.0, &mut page, Patience::Wait)?;
        Ok(page.finish().pop())
    }

    /// Begins a batch.
    pub fn begin(&mut self) {
        self.group.begin();
    }

    /// Puts an event into the batch that was begun.
    pub fn event(&mut self, event: NewEvent<'_>) {
        self.group.event(&self.active.segment, event);
        self.active.tail.write().add(event.entry);
    }

    /// Ends the batch: what it changes of marks, when it was recorded, and whose it is.
    pub fn end(&mut self, tenant: &Tenant, marks: Vec<(MarkName, Option<Mark>)>, recorded_at: Timestamp) {
        self.group.end((&self.active.segment, &self.shared.state), tenant, marks, recorded_at);
    }

    /// Moves the heads without events, as a restored log needs whose newest events were removed.
    pub fn raise(&mut self, heads: Heads) {
        self.begin();
        self.group.raise(heads);
        self.end(&Tenant::default(), Vec::new(), self.written_at());
    }

    /// Gets ready for a group of batches: where writing failed, it resumes in a new segment.
    ///
    /// An error means that the disk takes nothing still, and that nothing was written.
    pub fn ready(&mut self) -> Result<(), LogError> {
        if self.broken { self.next_segment() } else { Ok(()) }
    }

    /// Makes everything that was put since the last commit durable, or takes it all back.
    pub fn commit(&mut self) -> Result<(), CommitError> {
        if self.group.bytes().is_empty() {
            return Ok(());
        }
        if let Err(error) = self.write() {
            self.take_back();
            return Err(error);
        }
        self.settle();
        self.indexer.tend(&self.shared);
        if self.active.segment.end() >= self.shared.options.segment_bytes
            && let Err(error) = self.next_segment()
        {
            // The old one still takes more; the next commit tries again.
            tracing::warn!(%error, "no new segment could be begun");
        }
        Ok(())
    }

    /// Tells who reads beside this process how far the log is durable; it syncs nothing and cannot fail.
    pub fn publish(&mut self) {
        let segment = &self.active.segment;
        self.publisher.publish(Watermark {
            log: segment.header.log,
            segment: segment.header.number,
            end: segment.end(),
            heads: *self.shared.durable.read(),
        });
    }

    /// Says before a batch is begun that its first position is this one: a large gap needs a new segment.
    pub fn leap(&mut self, heads: Heads) -> Result<(), CommitError> {
        let far = |log| heads.of(log).0.saturating_sub(self.written().of(log).0) > MOST_GAP;
        if !far(LogKind::Application) && !far(LogKind::System) {
            return Ok(());
        }
        self.raise(heads);
        self.commit()?;
        self.next_segment().map_err(CommitError::Refused)
    }

    /// Begins another epoch, or goes on as another log altogether, as a restored log does.
    ///
    /// Readers of this opening still tell the identity from before: open the log anew.
    pub fn become_log(&mut self, identity: LogIdentity) -> Result<(), CommitError> {
        self.commit()?;
        let before = std::mem::replace(&mut self.identity, identity);
        self.next_segment().map_err(|error| {
            self.identity = before;
            CommitError::Refused(error)
        })
    }

    /// Notes that nothing more will come, so that damage to the newest bytes cannot pass for a torn write.
    pub fn close(&mut self) {
        if let Err(error) = self.close_in_order() {
            tracing::warn!(%error, "the log was not closed in order; it opens all the same");
        }
        self.active.trim();
        self.publish();
        self.scrubber.close();
        self.indexer.close();
    }

    fn close_in_order(&mut self) -> Result<(), CommitError> {
        // A segment that was given up is not written to any more, so this may take a new one.
        self.ready().map_err(CommitError::Refused)?;
        self.begin();
        self.end(&Tenant::default(), Vec::new(), self.written_at());
        self.commit()
    }

    fn write(&mut self) -> Result<(), CommitError> {
        let GrowingSegment { segment, open, .. } = &self.active;
        let (bytes, end) = (self.group.bytes(), segment.end());
        if let Err(error) = open.file.write_at(end, bytes) {
            let error = LogError::disk("writing", &segment.name)(error);
            return Err(self.cut(end, error));
        }
        let segment_bytes = self.shared.options.segment_bytes;
        self.zeros.follow(&*open.file, end + bytes.len() as u64, bytes.len(), segment_bytes);
        if let Err(error) = open.file.sync() {
            self.broken = true;
            return Err(CommitError::Indeterminate(LogError::disk("syncing", &segment.name)(error)));
        }
        Ok(())
    }

    /// Cuts away what a failed write may have left; if that fails as well, the segment is given up.
    fn cut(&mut self, end: u64, error: LogError) -> CommitError {
        let file = &self.active.open.file;
        self.zeros.restart();
        if file.set_size(end).and_then(|()| file.sync()).is_ok() {
            return CommitError::Refused(error);
        }
        self.broken = true;
        CommitError::Indeterminate(error)
    }

    /// Takes over what is durable now.
    fn settle(&mut self) {
        let GrowingSegment { segment, open, .. } = &self.active;
        let end = segment.end() + self.group.bytes().len() as u64;
        self.group.hand_over_places(&mut open.places.write());
        segment.set_end(end);
        self.group.hand_over(&self.shared.state);
        *self.shared.durable.write() = self.group.written();
    }

    /// Forgets what was put since the last commit.
    pub fn take_back(&mut self) {
        self.group.take_back(*self.shared.durable.read());
        self.active.tail.write().truncate(self.group.written());
    }

    /// Begins a new segment behind everything durable and hands the old one to the indexer.
    fn next_segment(&mut self) -> Result<(), LogError> {
        let old = &self.active.segment;
        self.newest_number += 1;
        let header = SegmentHeader {
            number: self.newest_number,
            previous: old.header.number,
            previous_end: old.end(),
            log: self.identity,
            salt: salt(&self.shared),
            seed: self.shared.seed,
            heads: *self.shared.durable.read(),
            recorded_at: self.group.recorded_at(),
            batches_at: 0,
            scavenged: None,
        };
        // Marks expire where nothing but marks is written, too.
        self.shared.state.write().sweep(self.group.told_at());
        let created = new_segment(&self.shared, header, Some(&self.active.tail.read()));
        let next = match created {
            Ok(next) => next,
            Err(failed) => {
                // A segment that may turn up again says where this one ends: nothing may be added to it.
                self.broken |= failed.may_turn_up;
                return Err(failed.error);
            }
        };
        self.broken = false;
        self.zeros.restart();
        let old = std::mem::replace(&mut self.active, next);
        self.shared.segments.write().push(Arc::clone(&self.active.segment));
        self.shared.index.write().push_tail(Arc::clone(&self.active.tail));
        old.trim();
        self.indexer.closed(&self.shared, old);
        Ok(())
    }
}
