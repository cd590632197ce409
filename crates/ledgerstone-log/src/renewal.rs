//! Going on where another process, which owns the log, has scavenged a segment meanwhile.

use std::sync::Arc;

use crate::chain::read_header;
use crate::failure::LogError;
use crate::segment::Segment;
use crate::segment_header::segment_number;
use crate::shared::Shared;

/// How often something is tried again: an owner that scavenges faster than that does little else.
const TRIES: usize = 8;

/// Does something, and again as long as `renew` can make up for a file that was replaced meanwhile.
pub(crate) fn renewing<T>(
    mut act: impl FnMut() -> Result<T, LogError>,
    renew: impl Fn(&str) -> Result<(), LogError>,
) -> Result<T, LogError> {
    for _ in 0..TRIES {
        match act() {
            Err(LogError::Replaced { file }) => renew(&file)?,
            done => return done,
        }
    }
    act()
}

impl Shared {
    /// Takes what the owner has made of a segment by scavenging it for the segment.
    ///
    /// It is the same segment still: every position has its record, or its stub, and every index goes on being
    /// valid. Whatever else stands under its name is refused.
    pub(crate) fn renew(&self, file: &str) -> Result<(), LogError> {
        let held = {
            let segments = self.segments.read();
            let number = segment_number(file);
            segments.iter().find(|segment| Some(segment.header.number) == number).cloned()
        };
        let replaced = || LogError::Replaced { file: file.to_owned() };
        let held = held.ok_or_else(replaced)?;
        let header = read_header(&*self.disk, held.header.number)?;
        if header == held.header {
            // Another reader was faster.
            return Ok(());
        }
        let scavenged =
            header.scavenged.filter(|_| header.is_scavenged_from(&held.header, held.written_end()));
        let end = scavenged.ok_or_else(replaced)?.end;
        self.replace(&Arc::new(Segment::closed(header, end)));
        Ok(())
    }
}
