//! Indexing events as they were recorded: by their streams, types, tags and ids.

use ledgerstone_core::RecordedEvent;

use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::scanner::Scanner;
use crate::segment::Segment;
use crate::tail::{Entry, Tail};
use crate::terms::{TermHasher, id_key};

/// Finds out what events are found by.
pub(crate) struct Indexing {
    pub(crate) hasher: TermHasher,
    pub(crate) terms: Vec<u64>,
}

impl Indexing {
    /// Adds an event to an index.
    pub(crate) fn add(&mut self, event: &RecordedEvent, tail: &mut Tail) {
        self.terms.clear();
        self.hasher.of_recorded(event, &mut self.terms);
        let stream = event.stream().zip(event.revision());
        let stream = stream
            .map(|(stream, revision)| (self.hasher.stream(event.log(), event.tenant(), stream), revision.0));
        tail.add(Entry {
            log: event.log(),
            position: event.position(),
            id_key: id_key(event.id()),
            stream,
            terms: &self.terms,
        });
    }
}

/// Reads a closed segment into an index.
pub(crate) fn index_segment(
    segment: &Segment,
    hasher: TermHasher,
    file: &dyn DiskFile,
) -> Result<Tail, LogError> {
    let mut tail = Tail::after(segment.header.heads);
    let mut indexing = Indexing { hasher, terms: Vec::new() };
    let mut scanner = Scanner::new(file, &segment.name, segment.header.salt, segment.end());
    while let Some((_, frame)) = scanner.next_whole()? {
        for (_, record) in frame.records() {
            let event = RecordedEvent::trusted(bytes::Bytes::copy_from_slice(record));
            indexing.add(&event, &mut tail);
        }
    }
    Ok(tail)
}
