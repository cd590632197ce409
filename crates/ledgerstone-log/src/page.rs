//! Records that are read together and share the memory they lie in.

use std::ops::Range;

use bytes::Bytes;
use ledgerstone_core::RecordedEvent;

use crate::failure::LogError;
use crate::page_buffer::PageBuffer;

/// Records on their way to a reader.
#[derive(Debug)]
pub struct Page {
    pub(crate) bytes: Vec<u8>,
    records: Vec<Range<usize>>,
    most_records: usize,
    most_bytes: usize,
    /// How many bytes the records have, what lies between them left out.
    size: usize,
}

impl Page {
    /// Begins a page for so many records and about so many bytes.
    pub fn new(most_records: usize, most_bytes: usize) -> Self {
        Self { bytes: Vec::new(), records: Vec::new(), most_records, most_bytes, size: 0 }
    }

    /// Returns how many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Tells whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Tells whether the page takes no more.
    pub fn is_full(&self) -> bool {
        self.records.len() >= self.most_records || self.size >= self.most_bytes
    }

    /// Returns how many more records it takes.
    pub(crate) fn room(&self) -> usize {
        self.most_records.saturating_sub(self.records.len())
    }

    /// Returns how many more bytes it takes.
    pub(crate) fn room_bytes(&self) -> usize {
        self.most_bytes.saturating_sub(self.size)
    }

    /// Makes room for so many bytes behind those that there are; returns where it begins.
    pub(crate) fn grow(&mut self, size: usize) -> usize {
        let begin = self.bytes.len();
        if begin == 0 {
            self.bytes = PageBuffer::take(size);
        } else {
            self.bytes.resize(begin + size, 0);
        }
        begin
    }

    /// Says that a stretch of the bytes is the next record.
    pub(crate) fn push(&mut self, record: Range<usize>) {
        self.size += record.len();
        self.records.push(record);
    }

    /// Takes what is read, or nothing of it if that fails.
    pub(crate) fn keep_if_read<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let (bytes, records, size) = (self.bytes.len(), self.records.len(), self.size);
        let read = read(self);
        if read.is_err() {
            self.bytes.truncate(bytes);
            self.records.truncate(records);
            self.size = size;
        }
        read
    }

    /// Turns the page into events that share its bytes; checksums have vouched for them.
    pub fn finish(self) -> Vec<RecordedEvent> {
        let sparse = self.bytes.len() > 4096 && self.size * 4 < self.bytes.len();
        if sparse {
            return self.finish_compact();
        }
        let page = match PageBuffer::keeps(&self.bytes) {
            true => Bytes::from_owner(PageBuffer::new(self.bytes)),
            false => Bytes::from(self.bytes),
        };
        self.records.into_iter().map(|record| RecordedEvent::trusted(page.slice(record))).collect()
    }

    /// Copies the records close together, where most of the page is something else.
    fn finish_compact(self) -> Vec<RecordedEvent> {
        let mut bytes = Vec::with_capacity(self.size);
        let mut records = Vec::with_capacity(self.records.len());
        for record in self.records {
            let from = bytes.len();
            bytes.extend_from_slice(self.bytes.get(record).unwrap_or_default());
            records.push(from..bytes.len());
        }
        let page = Bytes::from(bytes);
        records.into_iter().map(|record| RecordedEvent::trusted(page.slice(record))).collect()
    }
}
