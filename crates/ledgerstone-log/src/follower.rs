//! A log that is read beside its owner, or where nobody writes: it goes on as far as the owner says.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::chain::read_header;
use crate::disk::Disk;
use crate::extent::Extent;
use crate::failure::LogError;
use crate::filling::Filling;
use crate::growing_segment::GrowingSegment;
use crate::index_view::Index;
use crate::log::{LogReader, open_runs};
use crate::newest::Newest;
use crate::overlay_disk::OverlayDisk;
use crate::renewal::renewing;
use crate::scanner::Scanner;
use crate::segment::Segment;
use crate::segment_header::{SegmentHeader, segment_name};
use crate::shared::{Options, Shared};
use crate::terms::TermHasher;
use crate::watermark::Watermark;

/// What brings a log forward that is only read; the owner of the folder, if there is one, knows nothing of it.
///
/// What the owner appends is held in memory while it is followed: who follows for long opens it anew at times.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    growing: GrowingSegment,
}

/// Opens a log to read it up to where an extent says; nothing in the folder is changed.
///
/// Indexes that are missing are made in memory.
pub fn open_read_only(
    disk: Arc<dyn Disk>,
    options: Options,
    extent: &Extent,
) -> Result<(LogReader, Follower), LogError> {
    let disk: Arc<dyn Disk> = Arc::new(OverlayDisk::over(disk));
    let Some((newest, closed)) = extent.segments.split_last() else {
        return Err(LogError::Mixed("there is no segment".to_owned()));
    };
    let mut segments: Vec<_> =
        closed.iter().map(|segment| Arc::new(Segment::closed(segment.header, segment.end))).collect();
    let heads = extent.segments.iter().skip(1).map(|next| next.header.heads);
    let header = newest.header;
    let hasher = TermHasher::new(header.seed);
    let runs = open_runs(&disk, &segments, heads, hasher, &options.rebuild)?.runs;
    let Newest { growing, state, heads, .. } = Newest::read(&*disk, header, Some(newest.end))?;
    segments.push(Arc::clone(&growing.segment));
    let index = Index::new(runs, vec![Arc::clone(&growing.tail)]);
    let identity = (header.log, header.seed);
    let shared = Arc::new(Shared::new(disk, options, identity, segments, (state, index, heads)));
    Ok((LogReader { shared: Arc::clone(&shared) }, Follower { shared, growing }))
}

impl Follower {
    /// Takes over what is durable by now, as the owner tells; tells whether that is more than before.
    ///
    /// If it fails, it can be tried again.
    pub fn follow(&mut self, told: Watermark) -> Result<bool, LogError> {
        if told.log != self.shared.identity {
            return Err(another_log());
        }
        let own = &self.growing.segment;
        if (told.segment, told.end) <= (own.header.number, own.end()) {
            return Ok(false);
        }
        // A segment that is scavenged while it is read is read again as it stands then.
        let later = renewing(|| self.later(told), |_| Ok(()))?;
        for newest in later {
            self.enter(newest);
        }
        *self.shared.durable.write() = told.heads;
        Ok(true)
    }

    /// Reads the rest of the segment that grew, and the segments behind it, in order.
    fn later(&self, told: Watermark) -> Result<Vec<Newest>, LogError> {
        let headers = self.headers(told.segment)?;
        // The file that is held open is as it was written, even if its name is a scavenged one's by now.
        self.fill_up(headers.first().map_or(told.end, |next| next.previous_end))?;
        let segments = headers.iter().enumerate().map(|(at, header)| {
            let end = headers.get(at + 1).map_or(Ok(told.end), |next| header.end_before(next))?;
            Newest::read(&*self.shared.disk, *header, Some(end))
        });
        segments.collect()
    }

    /// Reads the headers of the segments behind the one that grew, up to a number, in order.
    fn headers(&self, newest: u64) -> Result<Vec<SegmentHeader>, LogError> {
        let own = self.growing.segment.header.number;
        let (mut headers, mut number) = (Vec::new(), newest);
        while number != own {
            if number < own {
                return Err(another_log());
            }
            let header = read_header(&*self.shared.disk, number)?;
            number = header.previous;
            headers.push(header);
        }
        headers.reverse();
        Ok(headers)
    }

    /// Reads the frames up to `end` of the segment that grew; if that fails, it can be tried again.
    fn fill_up(&self, end: u64) -> Result<(), LogError> {
        let filled = self.take_frames(end);
        if filled.is_err() {
            self.growing.tail.write().truncate(*self.shared.durable.read());
        }
        filled
    }

    fn take_frames(&self, end: u64) -> Result<(), LogError> {
        let GrowingSegment { segment, open, tail } = &self.growing;
        let mut scanner =
            Scanner::new(&*open.file, &segment.name, segment.header.salt, end).behind(segment.end());
        let mut heads = *self.shared.durable.read();
        let mut recorded_at = segment.header.recorded_at;
        while let Some((at, frame)) = scanner.next_whole()? {
            Filling {
                tail: &mut tail.write(),
                places: &mut open.places.write(),
                state: &mut self.shared.state.write(),
                heads: &mut heads,
                recorded_at: &mut recorded_at,
            }
            .take(self.shared.hasher(), (&segment.name, at), &frame)?;
        }
        segment.set_end(end);
        Ok(())
    }

    /// Goes on to the next segment.
    fn enter(&mut self, next: Newest) {
        let Newest { growing, state, .. } = next;
        self.growing = growing;
        *self.shared.state.write() = state;
        self.shared.index.write().push_tail(Arc::clone(&self.growing.tail));
        self.shared.segments.write().push(Arc::clone(&self.growing.segment));
    }
}

fn another_log() -> LogError {
    let name = segment_name(1);
    LogError::Mixed(format!(
        "another log, or another epoch of it, stands where {name} was read; open it anew"
    ))
}
