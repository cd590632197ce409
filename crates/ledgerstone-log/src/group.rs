//! A group: the batches that were put since the last commit, in memory, as they will stand in the segment.

use std::collections::HashMap;

use bytes::Bytes;
use ledgerstone_core::{Heads, LogKind, Mark, MarkName, Position, RecordedEvent, Tenant, Timestamp};
use parking_lot::RwLock;

use crate::frame::{
    CHECKSUM_BYTES, FRAME_HEADER_BYTES, FrameHeader, FrameKind, checksum, put_at, record_size, seal, size32,
};
use crate::places::Places;
use crate::segment::{Segment, later};
use crate::state::{MarkAfter, State, encode_mark};
use crate::tail::Entry;

/// A stamped event on its way into the log.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// What it is found by.
    pub entry: Entry<'a>,
    /// Its bytes.
    pub record: &'a [u8],
}

/// The batches since the last commit; what it is asked for includes what is durable.
#[derive(Debug)]
pub(crate) struct Group {
    bytes: Vec<u8>,
    /// Where the header of the batch that is being put stands.
    frame: usize,
    events: u32,
    /// Where the records stand in the segment, by count.
    places: [Vec<(Position, u32)>; 2],
    written: Heads,
    /// When the newest durable event was recorded, and the newest one that was put.
    recorded_at: Timestamp,
    written_at: Timestamp,
    /// The newest time of any batch, those of marks alone included.
    told_at: Timestamp,
    changes: Vec<MarkAfter>,
    changed: HashMap<(Tenant, MarkName), Option<Mark>>,
    /// The highest version of any mark that goes away.
    retired: u64,
    tenants: Vec<Tenant>,
}

impl Group {
    /// Begins behind these positions, the newest of which was recorded then.
    pub(crate) fn after(durable: Heads, recorded_at: Timestamp) -> Self {
        Self {
            bytes: Vec::new(),
            frame: 0,
            events: 0,
            places: [Vec::new(), Vec::new()],
            written: durable,
            recorded_at,
            written_at: recorded_at,
            told_at: recorded_at,
            changes: Vec::new(),
            changed: HashMap::new(),
            retired: 0,
            tenants: Vec::new(),
        }
    }

    /// Returns the bytes of the batches.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn written(&self) -> Heads {
        self.written
    }

    /// Returns when the newest event was recorded.
    pub(crate) fn written_at(&self) -> Timestamp {
        self.written_at
    }

    /// Returns when the newest durable event was recorded.
    pub(crate) fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// Returns the newest time of any batch, those of marks alone and those that were taken back included.
    pub(crate) fn told_at(&self) -> Timestamp {
        self.told_at
    }

    /// Returns a mark as the batches leave it, expired or not.
    pub(crate) fn mark(&self, durable: &RwLock<State>, tenant: &Tenant, name: &MarkName) -> Option<Mark> {
        if !self.changed.is_empty()
            && let Some(changed) = self.changed.get(&(tenant.clone(), name.clone()))
        {
            return changed.clone();
        }
        durable.read().mark(tenant, name).cloned()
    }

    /// Returns the highest version of any mark that went away, as the batches leave it.
    pub(crate) fn retired(&self, durable: &RwLock<State>) -> u64 {
        durable.read().retired().max(self.retired)
    }

    /// Tells whether the tenant has events.
    pub(crate) fn knows_tenant(&self, durable: &RwLock<State>, tenant: &Tenant) -> bool {
        self.tenants.contains(tenant) || durable.read().knows_tenant(tenant)
    }

    /// Returns the event at a position, if it is one of the batches, which will stand at the end of the segment.
    pub(crate) fn record(
        &self,
        segment: &Segment,
        log: LogKind,
        position: Position,
    ) -> Option<RecordedEvent> {
        let places = &self.places[log as usize];
        let at = places.partition_point(|(held, _)| *held < position);
        let (_, place) = places.get(at).filter(|(held, _)| *held == position)?;
        let from = (u64::from(*place) - segment.end()) as usize + CHECKSUM_BYTES;
        let record = self.bytes.get(from..).unwrap_or_default();
        let record = record.get(..record_size(record).unwrap_or_default()).unwrap_or_default();
        Some(RecordedEvent::trusted(Bytes::copy_from_slice(record)))
    }

    /// Begins a batch.
    pub(crate) fn begin(&mut self) {
        self.frame = self.bytes.len();
        self.events = 0;
        self.bytes.resize(self.frame + FRAME_HEADER_BYTES, 0);
    }

    /// Puts an event into the batch that was begun.
    pub(crate) fn event(&mut self, segment: &Segment, event: NewEvent<'_>) {
        let place = segment.end() + self.bytes.len() as u64;
        self.bytes.extend_from_slice(&checksum(segment.header.salt, event.record).to_le_bytes());
        self.bytes.extend_from_slice(event.record);
        self.events += 1;
        let Entry { log, position, .. } = event.entry;
        self.places[log as usize].push((position, u32::try_from(place).unwrap_or(u32::MAX)));
        self.written.set(log, position);
    }

    /// Moves the heads of the batch that was begun without an event.
    pub(crate) fn raise(&mut self, heads: Heads) {
        self.written = later(self.written, heads);
    }

    /// Ends the batch: what it changes of marks, when it was recorded, and whose it is.
    pub(crate) fn end(
        &mut self,
        (segment, durable): (&Segment, &RwLock<State>),
        tenant: &Tenant,
        marks: Vec<(MarkName, Option<Mark>)>,
        recorded_at: Timestamp,
    ) {
        let salt = segment.header.salt;
        let marks_at = self.bytes.len();
        self.told_at = self.told_at.max(recorded_at);
        if !marks.is_empty() {
            self.bytes.extend_from_slice(&[0; CHECKSUM_BYTES]);
            for (name, mark) in marks {
                encode_mark(&mut self.bytes, tenant, &name, mark.as_ref());
                if mark.is_none() {
                    let gone = self.mark(durable, tenant, &name);
                    self.retired = gone.map_or(0, |gone| gone.version).max(self.retired);
                }
                self.changed.insert((tenant.clone(), name.clone()), mark.clone());
                self.changes.push((tenant.clone(), name, mark));
            }
            seal(&mut self.bytes, marks_at, salt);
        }
        if self.events > 0 {
            self.written_at = self.written_at.max(recorded_at);
            if !self.knows_tenant(durable, tenant) {
                self.tenants.push(tenant.clone());
            }
        }
        let header = FrameHeader {
            kind: FrameKind::Batch,
            body: size32(self.bytes.len() - self.frame - FRAME_HEADER_BYTES),
            events: self.events,
            durable: u32::try_from(segment.end()).unwrap_or(u32::MAX),
            marks: size32(self.bytes.len() - marks_at),
            heads: self.written,
        };
        put_at(&mut self.bytes, self.frame, &header.encode(salt));
    }

    /// Hands over where the records stand, which are durable now.
    pub(crate) fn hand_over_places(&mut self, places: &mut Places) {
        for log in [LogKind::Application, LogKind::System] {
            for (position, place) in self.places[log as usize].drain(..) {
                places.push(log, position, place);
            }
        }
    }

    /// Hands over what else is durable now, and is empty then.
    pub(crate) fn hand_over(&mut self, durable: &RwLock<State>) {
        if !self.changes.is_empty() || !self.tenants.is_empty() {
            let mut state = durable.write();
            self.changes.drain(..).for_each(|change| state.apply(change));
            self.tenants.drain(..).for_each(|tenant| state.add_tenant(&tenant));
        }
        self.recorded_at = self.written_at;
        self.forget();
    }

    /// Takes all batches back: these positions are the newest again.
    pub(crate) fn take_back(&mut self, durable: Heads) {
        self.written = durable;
        self.written_at = self.recorded_at;
        self.forget();
    }

    fn forget(&mut self) {
        self.bytes.clear();
        self.places.iter_mut().for_each(Vec::clear);
        self.changes.clear();
        self.changed.clear();
        self.retired = 0;
        self.tenants.clear();
    }
}
