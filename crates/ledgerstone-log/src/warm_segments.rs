//! Which closed segments are held open: so many files and tables at most, and what was opened first is closed first.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::segment::Segment;

/// Closed segments that are held open, the one that was opened first in front.
#[derive(Debug)]
pub(crate) struct WarmSegments {
    held: VecDeque<Held>,
    most_bytes: usize,
    most_files: usize,
}

#[derive(Debug)]
struct Held {
    segment: Arc<Segment>,
    /// How many bytes its table takes in memory.
    bytes: usize,
    files: usize,
}

impl WarmSegments {
    /// Begins without any; tables take no more than `most_bytes` bytes, except the newest one alone.
    pub(crate) fn new(most_bytes: usize, most_files: usize) -> Self {
        Self { held: VecDeque::new(), most_bytes, most_files }
    }

    /// Notes that a segment is open with a table of so many bytes, and closes others if those are too many.
    pub(crate) fn keep(&mut self, segment: &Arc<Segment>, bytes: usize) {
        self.hold(Held { segment: Arc::clone(segment), bytes, files: 1 });
    }

    /// Notes that a segment is open beside the file of its table, and closes others if those are too many.
    pub(crate) fn keep_ajar(&mut self, segment: &Arc<Segment>) {
        if self.held.iter().any(|held| Arc::ptr_eq(&held.segment, segment)) {
            // Somebody may have loaded its table meanwhile, which counts.
            return;
        }
        self.hold(Held { segment: Arc::clone(segment), bytes: 0, files: 2 });
    }

    fn hold(&mut self, newest: Held) {
        // Several readers may have waited for it.
        self.forget(&newest.segment);
        self.held.push_back(newest);
        loop {
            let (bytes, files) = self.totals();
            let too_large = bytes > self.most_bytes;
            if !too_large && files <= self.most_files {
                return;
            }
            let others = self.held.len() - 1;
            let is_worth_it = |held: &Held| !too_large || held.bytes > 0;
            let Some(oldest) = self.held.iter().take(others).position(is_worth_it) else { return };
            if let Some(oldest) = self.held.remove(oldest) {
                oldest.segment.close();
            }
        }
    }

    /// Lets go of a segment without closing it.
    pub(crate) fn forget(&mut self, segment: &Arc<Segment>) {
        self.held.retain(|held| !Arc::ptr_eq(&held.segment, segment));
    }

    /// Tells whether a table of so many bytes can be loaded without another one having to go.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.totals().0.saturating_add(bytes) <= self.most_bytes
    }

    fn totals(&self) -> (usize, usize) {
        self.held.iter().fold((0, 0), |(bytes, files), held| (bytes + held.bytes, files + held.files))
    }
}
