//! The newest segment as it is found: how far it goes, and what memory has to know of it.

use ledgerstone_core::{Heads, Timestamp};

use crate::chain::header_of;
use crate::disk::Disk;
use crate::failure::LogError;
use crate::filling::Filling;
use crate::frame::Frame;
use crate::growing_segment::GrowingSegment;
use crate::places::Places;
use crate::recovery::{Cut, Report};
use crate::scanner::{Ending, Scanner};
use crate::segment_header::{SegmentHeader, segment_name};
use crate::state::State;
use crate::tail::Tail;
use crate::terms::TermHasher;

/// The newest segment, read from front to back.
pub(crate) struct Newest {
    pub(crate) growing: GrowingSegment,
    pub(crate) state: State,
    pub(crate) heads: Heads,
    pub(crate) recorded_at: Timestamp,
    /// Up to where a later frame says that everything was durable.
    vouched: u64,
    /// How large the file is.
    size: u64,
    /// Whether its end is torn.
    is_torn: bool,
}

impl Newest {
    /// Reads a segment to its end, or to where somebody says that it is durable.
    pub(crate) fn read(
        disk: &dyn Disk,
        header: SegmentHeader,
        durable: Option<u64>,
    ) -> Result<Self, LogError> {
        let name = segment_name(header.number);
        let file = disk.open(&name).map_err(LogError::disk("opening", &name))?;
        if header_of(&*file, header.number)? != header {
            return Err(LogError::Replaced { file: name });
        }
        let size = file.size().map_err(LogError::disk("measuring", &name))?;
        let size = durable.unwrap_or(size);
        let mut tail = Tail::after(header.heads);
        let mut places = Places::after(header.heads);
        let mut state = State::default();
        let (mut heads, mut recorded_at) = (header.heads, header.recorded_at);
        let mut vouched = header.batches_at;
        let mut scanner = Scanner::new(&*file, &name, header.salt, size);
        let hasher = TermHasher::new(header.seed);
        let mut take = |at, frame: &Frame<'_>| {
            let mut filling = Filling {
                tail: &mut tail,
                places: &mut places,
                state: &mut state,
                heads: &mut heads,
                recorded_at: &mut recorded_at,
            };
            filling.take(hasher, (&name, at), frame)?;
            vouched = vouched.max(u64::from(frame.header.durable));
            Ok(())
        };
        let Ending { at: end, is_torn } = if let Some(durable) = durable {
            while let Some((at, frame)) = scanner.next_whole()? {
                take(at, &frame)?;
            }
            Ending { at: durable, is_torn: false }
        } else {
            scanner.read_growing(header.batches_at, take)?
        };
        let growing = GrowingSegment::new(header, end, file, (places, tail));
        Ok(Self { growing, state, heads, recorded_at, vouched, size, is_torn })
    }

    /// Cuts a torn end away, and makes durable what nobody vouches for.
    pub(crate) fn settle(&mut self, disk: &dyn Disk, report: &mut Report) -> Result<(), LogError> {
        let GrowingSegment { segment, open, .. } = &self.growing;
        let (file, name, end) = (&open.file, &segment.name, segment.end());
        if self.is_torn {
            file.set_size(end).map_err(LogError::disk("cutting", name))?;
            report.cut = Some(Cut { file: name.clone(), at: end, bytes: self.size - end });
        }
        // A sync that failed before leaves pages that look written and are not: they are written again.
        let from = self.vouched.min(end);
        let mut bytes = vec![0; usize::try_from(end - from).unwrap_or_default()];
        file.read_exact_at(from, &mut bytes).map_err(LogError::disk("reading", name))?;
        file.write_at(from, &bytes).map_err(LogError::disk("writing", name))?;
        file.sync().map_err(LogError::disk("syncing", name))?;
        disk.sync_names().map_err(LogError::disk("syncing", "the folder"))
    }
}
