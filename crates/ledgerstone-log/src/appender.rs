//! The writing half: batches gather in memory, and one write and one sync make them durable together.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ledgerstone_core::{
    Heads, LogIdentity, LogKind, Mark, MarkName, Position, RecordedEvent, Tenant, Timestamp,
};
use parking_lot::RwLock;

use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::frame::{CHECKSUM_BYTES, FRAME_HEADER_BYTES, FrameHeader, FrameKind, checksum, record_size};
use crate::indexer::Indexer;
use crate::page::Page;
use crate::places::{MOST_GAP, Places};
use crate::reader::Patience;
use crate::scrubber::Scrubber;
use crate::segment::{OpenSegment, Segment};
use crate::segment_header::{HEADER_BYTES, SegmentHeader, segment_name};
use crate::shared::Shared;
use crate::state::{MarkAfter, encode_mark};
use crate::tail::{Entry, Tail};
use crate::watermark::{Publisher, Watermark};

/// How the name of a file ends that is not whole yet.
pub(crate) const PARTIAL: &str = ".partial";
/// How many bytes of what a segment takes over stand in one frame, roughly.
const PART_BYTES: usize = 1024 * 1024;
/// How many zeros are written ahead of small commits at once.
const AHEAD_BYTES: usize = if cfg!(test) { 512 } else { 1024 * 1024 };
/// A commit is small that has no more bytes than this.
const SMALL_BYTES: usize = AHEAD_BYTES / 4;

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

/// A stamped event on its way into the log.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// What it is found by.
    pub entry: Entry<'a>,
    /// Its bytes.
    pub record: &'a [u8],
}

/// The writing half of a log; there is one.
#[derive(Debug)]
pub struct Appender {
    shared: Arc<Shared>,
    indexer: Indexer,
    scrubber: Scrubber,
    publisher: Publisher,
    active: Active,
    /// Up to where zeros were written ahead into the active segment.
    filled: u64,
    zeros: Vec<u8>,
    /// Which log new segments belong to.
    identity: LogIdentity,
    /// The bytes of the batches since the last commit.
    buffer: Vec<u8>,
    /// Where the header of the batch that is being put stands in the buffer.
    frame: usize,
    events: u32,
    /// Where the records since the last commit stand, by count.
    places: [Vec<(Position, u32)>; 2],
    written: Heads,
    /// When the newest durable event was recorded, and the newest one that was put.
    recorded_at: Timestamp,
    written_at: Timestamp,
    /// The newest time of any batch, those of marks alone included.
    told_at: Timestamp,
    changes: Vec<MarkAfter>,
    changed: HashMap<(Tenant, MarkName), Option<Mark>>,
    /// The highest version of any mark that went away since the last commit.
    retired: u64,
    tenants: Vec<Tenant>,
    /// The highest number that a segment was ever tried with.
    newest_number: u64,
    /// Whether the active segment must not be written to any more.
    broken: bool,
}

/// The segment that grows.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    pub(crate) open: Arc<OpenSegment>,
    pub(crate) tail: Arc<RwLock<Tail>>,
}

impl Appender {
    pub(crate) fn new(
        shared: Arc<Shared>,
        (indexer, scrubber): (Indexer, Scrubber),
        active: Active,
        recorded_at: Timestamp,
        newest_number: u64,
    ) -> Self {
        let written = *shared.durable.read();
        let identity = shared.identity;
        let publisher = Publisher::open(&*shared.disk);
        let zeros = vec![0; if shared.options.presized { AHEAD_BYTES } else { 0 }];
        let mut appender = Self {
            identity,
            filled: 0,
            zeros,
            shared,
            indexer,
            scrubber,
            publisher,
            active,
            buffer: Vec::new(),
            frame: 0,
            events: 0,
            places: [Vec::new(), Vec::new()],
            written,
            recorded_at,
            written_at: recorded_at,
            told_at: recorded_at,
            changes: Vec::new(),
            changed: HashMap::new(),
            retired: 0,
            tenants: Vec::new(),
            newest_number,
            broken: false,
        };
        appender.publish();
        appender
    }

    /// Returns the newest positions, those that were put since the last commit included.
    pub fn written(&self) -> Heads {
        self.written
    }

    /// Returns the newest durable positions.
    pub fn durable(&self) -> Heads {
        *self.shared.durable.read()
    }

    /// Returns when the newest event was recorded, those that were put since the last commit included.
    pub fn written_at(&self) -> Timestamp {
        self.written_at
    }

    /// Returns a mark as the batches so far leave it, expired or not.
    pub fn mark(&self, tenant: &Tenant, name: &MarkName) -> Option<Mark> {
        if !self.changed.is_empty()
            && let Some(changed) = self.changed.get(&(tenant.clone(), name.clone()))
        {
            return changed.clone();
        }
        self.shared.state.read().mark(tenant, name).cloned()
    }

    /// Returns the highest version of any mark that went away, as the batches so far leave it.
    pub fn retired(&self) -> u64 {
        self.shared.state.read().retired().max(self.retired)
    }

    /// Returns the event at a position, those that were put since the last commit included.
    pub fn record(&self, log: LogKind, position: Position) -> Result<Option<RecordedEvent>, LogError> {
        let places = &self.places[log as usize];
        let at = places.partition_point(|(held, _)| *held < position);
        if let Some((_, place)) = places.get(at).filter(|(held, _)| *held == position) {
            let from = (u64::from(*place) - self.active.segment.end()) as usize + CHECKSUM_BYTES;
            let record = self.buffer.get(from..).unwrap_or_default();
            let record = record.get(..record_size(record).unwrap_or_default()).unwrap_or_default();
            return Ok(Some(RecordedEvent::trusted(Bytes::copy_from_slice(record))));
        }
        let mut page = Page::new(1, 1);
        self.shared.read_one(log, position.0, &mut page, Patience::Wait)?;
        Ok(page.finish().pop())
    }

    /// Begins a batch.
    pub fn begin(&mut self) {
        self.frame = self.buffer.len();
        self.events = 0;
        self.buffer.resize(self.frame + FRAME_HEADER_BYTES, 0);
    }

    /// Puts an event into the batch that was begun.
    pub fn event(&mut self, event: NewEvent<'_>) {
        let place = self.active.segment.end() + self.buffer.len() as u64;
        let salt = self.active.segment.header.salt;
        self.buffer.extend_from_slice(&checksum(salt, event.record).to_le_bytes());
        self.buffer.extend_from_slice(event.record);
        self.events += 1;
        let Entry { log, position, .. } = event.entry;
        self.places[log as usize].push((position, u32::try_from(place).unwrap_or(u32::MAX)));
        self.written.set(log, position);
        self.active.tail.write().add(event.entry);
    }

    /// Ends the batch: what it changes of marks, when it was recorded, and whose it is.
    pub fn end(&mut self, tenant: &Tenant, marks: Vec<(MarkName, Option<Mark>)>, recorded_at: Timestamp) {
        let salt = self.active.segment.header.salt;
        let marks_at = self.buffer.len();
        self.told_at = self.told_at.max(recorded_at);
        if !marks.is_empty() {
            self.buffer.extend_from_slice(&[0; CHECKSUM_BYTES]);
            for (name, mark) in marks {
                encode_mark(&mut self.buffer, tenant, &name, mark.as_ref());
                if mark.is_none() {
                    self.retired = self.mark(tenant, &name).map_or(0, |gone| gone.version).max(self.retired);
                }
                self.changed.insert((tenant.clone(), name.clone()), mark.clone());
                self.changes.push((tenant.clone(), name, mark));
            }
            seal(&mut self.buffer, marks_at, salt);
        }
        if self.events > 0 {
            self.written_at = self.written_at.max(recorded_at);
            if !self.tenants.contains(tenant) && !self.shared.state.read().knows_tenant(tenant) {
                self.tenants.push(tenant.clone());
            }
        }
        let header = FrameHeader {
            kind: FrameKind::Batch,
            body: size32(self.buffer.len() - self.frame - FRAME_HEADER_BYTES),
            events: self.events,
            durable: u32::try_from(self.active.segment.end()).unwrap_or(u32::MAX),
            marks: size32(self.buffer.len() - marks_at),
            heads: self.written,
        };
        put_header(&mut self.buffer, self.frame, &header.encode(salt));
    }

    /// Moves the heads without events, as a restored log needs whose newest events were removed.
    pub fn raise(&mut self, heads: Heads) {
        self.begin();
        self.written = crate::segment::later(self.written, heads);
        self.end(&Tenant::default(), Vec::new(), self.written_at);
    }

    /// Gets ready for a group of batches: where writing failed, it resumes in a new segment.
    ///
    /// An error means that the disk takes nothing still, and that nothing was written.
    pub fn ready(&mut self) -> Result<(), LogError> {
        if self.broken { self.next_segment() } else { Ok(()) }
    }

    /// Makes everything that was put since the last commit durable, or takes it all back.
    pub fn commit(&mut self) -> Result<(), CommitError> {
        if self.buffer.is_empty() {
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
        let far = |log| heads.of(log).0.saturating_sub(self.written.of(log).0) > MOST_GAP;
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
        trim(&self.active);
        self.publish();
        self.scrubber.close();
        self.indexer.close();
    }

    fn close_in_order(&mut self) -> Result<(), CommitError> {
        // A segment that was given up is not written to any more, so this may take a new one.
        self.ready().map_err(CommitError::Refused)?;
        self.begin();
        self.end(&Tenant::default(), Vec::new(), self.written_at);
        self.commit()
    }

    /// Tells whether the tenant has events, those of the running group included.
    pub fn knows_tenant(&self, tenant: &Tenant) -> bool {
        self.tenants.contains(tenant) || self.shared.state.read().knows_tenant(tenant)
    }

    fn write(&mut self) -> Result<(), CommitError> {
        let Active { segment, open, .. } = &self.active;
        let end = segment.end();
        if let Err(error) = open.file.write_at(end, &self.buffer) {
            let error = LogError::disk("writing", &segment.name)(error);
            return Err(self.cut(end, error));
        }
        let end = end + self.buffer.len() as u64;
        if self.buffer.len() <= SMALL_BYTES && end > self.filled {
            self.filled = end + fill(&*open.file, end, &self.zeros, self.shared.options.segment_bytes);
        }
        if let Err(error) = open.file.sync() {
            self.broken = true;
            return Err(CommitError::Indeterminate(LogError::disk("syncing", &segment.name)(error)));
        }
        Ok(())
    }

    /// Cuts away what a failed write may have left; if that fails as well, the segment is given up.
    fn cut(&mut self, end: u64, error: LogError) -> CommitError {
        let file = &self.active.open.file;
        self.filled = 0;
        if file.set_size(end).and_then(|()| file.sync()).is_ok() {
            return CommitError::Refused(error);
        }
        self.broken = true;
        CommitError::Indeterminate(error)
    }

    /// Takes over what is durable now.
    fn settle(&mut self) {
        let end = self.active.segment.end() + self.buffer.len() as u64;
        {
            let mut places = self.active.open.places.write();
            for log in [LogKind::Application, LogKind::System] {
                for (position, place) in self.places[log as usize].drain(..) {
                    places.push(log, position, place);
                }
            }
        }
        self.active.segment.set_end(end);
        if !self.changes.is_empty() || !self.tenants.is_empty() {
            let mut state = self.shared.state.write();
            self.changes.drain(..).for_each(|change| state.apply(change));
            self.tenants.drain(..).for_each(|tenant| state.add_tenant(&tenant));
            self.changed.clear();
        }
        self.retired = 0;
        self.recorded_at = self.written_at;
        self.buffer.clear();
        *self.shared.durable.write() = self.written;
    }

    /// Forgets what was put since the last commit.
    pub fn take_back(&mut self) {
        self.written = *self.shared.durable.read();
        self.written_at = self.recorded_at;
        self.active.tail.write().truncate(self.written);
        self.buffer.clear();
        self.places.iter_mut().for_each(Vec::clear);
        self.changes.clear();
        self.changed.clear();
        self.retired = 0;
        self.tenants.clear();
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
            recorded_at: self.recorded_at,
            batches_at: 0,
            scavenged: None,
        };
        // Marks expire where nothing but marks is written, too.
        self.shared.state.write().sweep(self.told_at);
        let created = create_segment(&self.shared, header, Some(&self.active.tail.read()));
        let next = match created {
            Ok(next) => next,
            Err(failed) => {
                // A segment that may turn up again says where this one ends: nothing may be added to it.
                self.broken |= failed.may_turn_up;
                return Err(failed.error);
            }
        };
        self.broken = false;
        self.filled = 0;
        let old = std::mem::replace(&mut self.active, next);
        self.shared.segments.write().push(Arc::clone(&self.active.segment));
        self.shared.index.write().push_tail(Arc::clone(&self.active.tail));
        trim(&old);
        self.indexer.closed(&self.shared, old);
        Ok(())
    }
}

/// Writes zeros behind the end, up to where the segment will grow, and returns how many.
///
/// A sync of bytes whose place on the disk was found before is one step; else the file system notes the place
/// too. Large commits do not gain by it, so that a log that is loaded is not written twice.
fn fill(file: &dyn DiskFile, end: u64, zeros: &[u8], segment_bytes: u64) -> u64 {
    let room = usize::try_from(segment_bytes.saturating_sub(end)).unwrap_or(usize::MAX);
    let zeros = zeros.get(..room.min(zeros.len())).unwrap_or_default();
    // Where there is no room for them, there may be for the next commit.
    if zeros.is_empty() || file.write_at(end, zeros).is_err() { 0 } else { zeros.len() as u64 }
}

/// Cuts off the zeros that were to be written; they mean nothing, so it does not matter if that fails.
fn trim(active: &Active) {
    let _ = active.open.file.set_size(active.segment.end());
}

/// Why a segment could not be made.
#[derive(Debug)]
pub(crate) struct NotCreated {
    pub(crate) error: LogError,
    /// Whether its name may be there after a crash.
    pub(crate) may_turn_up: bool,
}

/// Makes a segment: its header, and what it takes over, durable before it gets its name.
///
/// `before` is the tail of the segment before it: this one's will be about as large.
pub(crate) fn create_segment(
    shared: &Shared,
    mut header: SegmentHeader,
    before: Option<&Tail>,
) -> Result<Active, NotCreated> {
    let mut bytes = vec![0; HEADER_BYTES];
    {
        let mut state = shared.state.write();
        state.sweep(header.recorded_at);
        for part in state.parts(PART_BYTES) {
            take_over(&mut bytes, &header, &part);
        }
    }
    header.batches_at = bytes.len() as u64;
    put_header(&mut bytes, 0, &header.encode());
    let tail = before.map_or_else(|| Tail::after(header.heads), |tail| Tail::sized_like(header.heads, tail));
    let name = segment_name(header.number);
    let file = write_segment(shared, &name, &bytes)?;
    let places = RwLock::new(Places::after(header.heads));
    let open = Arc::new(OpenSegment { file, places });
    let segment = Arc::new(Segment::growing(header, bytes.len() as u64, Arc::clone(&open)));
    Ok(Active { segment, open, tail: Arc::new(RwLock::new(tail)) })
}

fn write_segment(shared: &Shared, name: &str, bytes: &[u8]) -> Result<Arc<dyn DiskFile>, NotCreated> {
    let disk = &shared.disk;
    let partial = format!("{name}{PARTIAL}");
    let certain = |error| NotCreated { error, may_turn_up: false };
    // What an earlier attempt left does not matter.
    let _ = disk.remove(&partial);
    let file = disk.create(&partial).map_err(LogError::disk("creating", name)).map_err(certain)?;
    file.write_at(0, bytes).map_err(LogError::disk("writing", name)).map_err(certain)?;
    if shared.options.presized {
        // A file that has its size already is synced in fewer steps; the zeros take no room until they are written.
        file.set_size(shared.options.segment_bytes.max(bytes.len() as u64))
            .map_err(LogError::disk("sizing", name))
            .map_err(certain)?;
    }
    file.sync().map_err(LogError::disk("syncing", name)).map_err(certain)?;
    let named = disk.rename(&partial, name).and_then(|()| disk.sync_names());
    named.map_err(|source| {
        let gone = disk.remove(name).and_then(|()| disk.sync_names()).is_ok();
        NotCreated { error: LogError::disk("naming", name)(source), may_turn_up: !gone }
    })?;
    Ok(file)
}

fn take_over(bytes: &mut Vec<u8>, header: &SegmentHeader, part: &[u8]) {
    let frame = bytes.len();
    bytes.resize(frame + FRAME_HEADER_BYTES + CHECKSUM_BYTES, 0);
    bytes.extend_from_slice(part);
    seal(bytes, frame + FRAME_HEADER_BYTES, header.salt);
    let size = size32(part.len() + CHECKSUM_BYTES);
    let frame_header = FrameHeader {
        kind: FrameKind::TakenOver,
        body: size,
        events: 0,
        durable: HEADER_BYTES as u32,
        marks: size,
        heads: header.heads,
    };
    put_header(bytes, frame, &frame_header.encode(header.salt));
}

/// Puts the checksum of what follows at a place that was kept free for it.
fn seal(bytes: &mut [u8], at: usize, salt: u32) {
    let sum = checksum(salt, bytes.get(at + CHECKSUM_BYTES..).unwrap_or_default());
    put_header(bytes, at, &sum.to_le_bytes());
}

fn put_header(bytes: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

/// Returns what the checksums of a new segment begin with.
pub(crate) fn salt(shared: &Shared) -> u32 {
    let hash = xxhash_rust::xxh3::xxh3_64(shared.options.ids.next_id().as_bytes());
    (hash >> 32) as u32 ^ hash as u32
}

fn size32(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
