//! The segment that grows: open, with its index in memory.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::disk::DiskFile;
use crate::places::Places;
use crate::segment::{OpenSegment, Segment};
use crate::segment_header::SegmentHeader;
use crate::tail::Tail;

/// The segment that grows, or one that did until its index is written.
#[derive(Debug)]
pub(crate) struct GrowingSegment {
    pub(crate) segment: Arc<Segment>,
    pub(crate) open: Arc<OpenSegment>,
    pub(crate) tail: Arc<RwLock<Tail>>,
}

impl GrowingSegment {
    /// Takes a segment that is known up to `end`.
    pub(crate) fn new(
        header: SegmentHeader,
        end: u64,
        file: Arc<dyn DiskFile>,
        (places, tail): (Places, Tail),
    ) -> Self {
        let open = Arc::new(OpenSegment { file, places: RwLock::new(places) });
        let segment = Arc::new(Segment::growing(header, end, Arc::clone(&open)));
        Self { segment, open, tail: Arc::new(RwLock::new(tail)) }
    }

    /// Cuts off the zeros that were to be written; they mean nothing, so it does not matter if that fails.
    pub(crate) fn trim(&self) {
        let _ = self.open.file.set_size(self.segment.end());
    }
}
