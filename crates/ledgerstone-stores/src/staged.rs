//! Staged batches: checked and encoded by the caller, so that the writer has little left to do.

use std::ops::Range;

use ledgerstone_core::{
    AppendCondition, Batch, EncodedEvent, EventData, EventType, ExpectedRevision, InvalidBatch, InvalidName,
    LogKind, MarkChange, QueryItem, RecordLayout, Removal, Removing, Stamp, StreamId, Tag, Tenant,
};
use uuid::Uuid;

use ledgerstone_log::TermHasher;

/// About how many bytes the record of an event has beside what counts against its size.
const RECORD_BYTES: usize = 160;

/// A batch that is ready to be judged and recorded.
#[derive(Debug)]
pub struct Staged {
    pub(crate) tenant: Tenant,
    pub(crate) appends: Vec<StagedAppend>,
    pub(crate) condition: Option<AppendCondition>,
    pub(crate) marks: Vec<MarkChange>,
    pub(crate) events: Vec<StagedEvent>,
    /// The records of all events, one behind the other: one piece of memory a batch, not one an event.
    pub(crate) records: Vec<u8>,
    /// The terms of all events, empty where the store needs none.
    pub(crate) terms: Vec<u64>,
    /// What it takes in memory, roughly.
    pub(crate) bytes: usize,
}

/// The events of one stream in a staged batch.
#[derive(Debug)]
pub(crate) struct StagedAppend {
    pub(crate) stream: Option<StreamId>,
    pub(crate) log: LogKind,
    pub(crate) expected: ExpectedRevision,
    /// Which of the batch's events.
    pub(crate) events: Range<usize>,
    /// What the events remove of their own stream, in order.
    pub(crate) removals: Vec<Removing>,
}

/// An encoded event of a staged batch.
#[derive(Debug)]
pub(crate) struct StagedEvent {
    pub(crate) id: Uuid,
    /// Whether it carries the whole state of its stream.
    pub(crate) carries_state: bool,
    /// Which of the batch's bytes.
    record: Range<usize>,
    /// How many of them stand before the payload.
    head: usize,
    /// Which of the batch's terms, the stream's left out.
    pub(crate) terms: Range<usize>,
    /// The term of its stream.
    pub(crate) stream_term: Option<u64>,
}

impl StagedEvent {
    /// Puts position, revision and time into the event's record.
    pub(crate) fn stamp(&self, records: &mut [u8], stamp: Stamp) {
        stamp.put(records.get_mut(self.record.clone()).unwrap_or_default());
    }
}

impl Staged {
    /// Returns the record of one of the events.
    pub(crate) fn record(&self, event: &StagedEvent) -> &[u8] {
        self.records.get(event.record.clone()).unwrap_or_default()
    }

    /// Returns what stands before the payload of one of the events, and the payload.
    pub(crate) fn parts(&self, event: &StagedEvent) -> (&[u8], &[u8]) {
        self.record(event).split_at_checked(event.head).unwrap_or_default()
    }

    /// Encodes the events of a checked batch in the long layout.
    #[cfg(test)]
    pub(crate) fn new(batch: Batch, hasher: Option<TermHasher>) -> Result<Self, InvalidBatch> {
        Self::in_layout(batch, hasher, RecordLayout::Long)
    }

    /// Encodes the events of a checked batch in one of the layouts.
    pub(crate) fn in_layout(
        batch: Batch,
        hasher: Option<TermHasher>,
        layout: RecordLayout,
    ) -> Result<Self, InvalidBatch> {
        let events = batch.events().count();
        let records = batch.events().map(|event| event.size() + RECORD_BYTES).sum();
        let mut staged = Self {
            tenant: batch.tenant,
            appends: Vec::with_capacity(batch.appends.len()),
            events: Vec::with_capacity(events),
            records: Vec::with_capacity(records),
            terms: Vec::with_capacity(if hasher.is_some() { 3 * events } else { 0 }),
            bytes: weight(batch.condition.as_ref(), &batch.marks),
            condition: batch.condition,
            marks: batch.marks,
        };
        let count = |log| {
            let events = batch.appends.iter().filter(|append| append.log() == log);
            events.map(|append| append.events.len()).sum::<usize>()
        };
        let totals = [count(LogKind::Application), count(LogKind::System)];
        let mut seen = [0, 0];
        for append in batch.appends {
            let log = append.log();
            let (seen, total) = (&mut seen[log as usize], totals[log as usize]);
            let first = staged.events.len();
            for event in &append.events {
                *seen += 1;
                let places = (*seen == 1, *seen == total);
                staged.stage(append.stream.as_ref(), event, places, (hasher, layout));
            }
            staged.appends.push(StagedAppend {
                removals: removals(append.stream.as_ref(), &append.events)?,
                stream: append.stream,
                log,
                expected: append.expected,
                events: first..staged.events.len(),
            });
        }
        Ok(staged)
    }

    /// Tells whether the batch changes what is removed of a stream.
    pub(crate) fn removes_from(&self, stream: &StreamId) -> bool {
        self.appends
            .iter()
            .any(|append| !append.removals.is_empty() && append.stream.as_ref() == Some(stream))
    }

    fn stage(
        &mut self,
        stream: Option<&StreamId>,
        event: &EventData,
        places: (bool, bool),
        (hasher, layout): (Option<TermHasher>, RecordLayout),
    ) {
        let tenant = &self.tenant;
        let begin = self.records.len();
        let head = EncodedEvent::put(&mut self.records, tenant, stream, event, places, layout);
        let record = begin..self.records.len();
        self.bytes += record.len();
        let from = self.terms.len();
        let mut stream_term = None;
        if let Some(hasher) = hasher {
            hasher.of_event(tenant.as_str(), stream, event, &mut self.terms);
            stream_term = stream.map(|stream| hasher.stream(event.log(), tenant.as_str(), stream.as_str()));
        }
        let terms = from..self.terms.len();
        let (id, carries_state) = (event.id, event.carries_state);
        self.events.push(StagedEvent { id, carries_state, record, head, terms, stream_term });
    }
}

/// Returns what a condition and marks take in memory, roughly.
fn weight(condition: Option<&AppendCondition>, marks: &[MarkChange]) -> usize {
    let mark = |change: &MarkChange| {
        let value = match change {
            MarkChange::Swap { value: Some(value), .. } => value.len(),
            _ => 0,
        };
        size_of::<MarkChange>() + change.name().as_str().len() + value
    };
    let item = |item: &QueryItem| {
        let tags = item.tags.iter().map(|tag| size_of::<Tag>() + tag.as_str().len());
        let types = item.types.iter().map(|name| size_of::<EventType>() + name.as_str().len());
        let stream = item.stream.as_ref().map_or(0, |stream| stream.as_str().len());
        size_of::<QueryItem>() + stream + tags.chain(types).sum::<usize>()
    };
    let items = condition.map(|condition| condition.fail_if_match.items()).unwrap_or_default();
    items.iter().map(item).chain(marks.iter().map(mark)).sum()
}

fn removals(stream: Option<&StreamId>, events: &[EventData]) -> Result<Vec<Removing>, InvalidBatch> {
    let removing = events.iter().filter(|event| Removal::is_removal(event.event_type.as_str()));
    let removals = removing.map(|event| {
        let name = event.event_type.as_str();
        let invalid = |reason: String| InvalidName::new("a removal", name, reason);
        if stream.is_none() {
            return Err(invalid("it belongs to the stream that it removes from; name the stream".to_owned()));
        }
        Removing::read(name, &event.payload).map_err(invalid)
    });
    Ok(removals.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ledgerstone_core::{MarkName, Position, Query};

    use super::*;

    fn bytes(batch: Batch) -> usize {
        Staged::new(batch, None).expect("a batch").bytes
    }

    #[test]
    fn marks_and_conditions_count_as_events_do() {
        let name = MarkName::new("lease").expect("a name");
        let value = Some(Bytes::from(vec![0; 40_000]));
        let swap = MarkChange::Swap { name, version: 0, value, keep_for: None };
        assert!(bytes(Batch { marks: vec![swap], ..Batch::default() }) > 40_000);

        let tags = (0..100).map(|n| Tag::new(format!("{n:0>200}")).expect("a tag"));
        let fail_if_match = Query::any_of([QueryItem::tags(tags)]);
        let condition = Some(AppendCondition { fail_if_match, after: Position::START });
        assert!(bytes(Batch { condition, ..Batch::default() }) > 20_000);
        assert_eq!(bytes(Batch::default()), 0);
    }
}
