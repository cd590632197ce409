//! The extent of a log: which segments it consists of at one moment, and up to where they are durable.

use ledgerstone_core::{Heads, LogIdentity};

use crate::chain::{check_near, read_chain};
use crate::disk::Disk;
use crate::failure::LogError;
use crate::scanner::Scanner;
use crate::segment::later;
use crate::segment_header::{SegmentHeader, segment_name, segment_number};
use crate::watermark::Watermark;

/// What a log consists of at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Which log it is.
    pub log: LogIdentity,
    /// Its newest positions.
    pub heads: Heads,
    /// Its segments, in order.
    pub segments: Vec<Stretch>,
}

/// A segment, as far as it belongs to an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub(crate) header: SegmentHeader,
    /// Where it ends; what stands behind that is none of the log's.
    pub end: u64,
}

impl Stretch {
    /// Returns the number of the segment.
    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// Returns the name of its file.
    pub fn file(&self) -> String {
        segment_name(self.header.number)
    }

    /// Returns what tells it from any other segment of this number.
    pub fn fingerprint(&self) -> u32 {
        crc32c::crc32c(&self.header.encode())
    }

    /// Tells whether a file that begins with these bytes is that segment still.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&self.header.encode())
    }
}

/// Finds out what the log in a folder consists of, changing nothing; nothing if there is no segment.
///
/// Where somebody writes to the folder, it is what they told to be durable. Where nobody does, it is what opening the
/// log would find: then the caller sees to it that nobody has begun to meanwhile.
pub fn extent(disk: &dyn Disk, is_owned: bool) -> Result<Option<Extent>, LogError> {
    let names = disk.names().map_err(LogError::disk("listing", "the folder"))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    if numbers.is_empty() {
        return Ok(None);
    }
    if !is_owned {
        let chain = read_chain(disk, &numbers)?.0;
        chain.last().map_or(Ok(()), |newest| check_near(disk, newest.number))?;
        return chain.last().map(|newest| assemble(&chain, end_of_newest(disk, newest)?)).transpose();
    }
    let told = Watermark::read(disk).map_err(LogError::disk("reading", "the watermark"))?;
    let told = told.ok_or_else(|| {
        LogError::Mixed(
            "the process that owns the log does not tell how far it is durable; stop it".to_owned(),
        )
    })?;
    // What is newer was begun since.
    numbers.retain(|number| *number <= told.segment);
    let chain = read_chain(disk, &numbers)?.0;
    match chain.last() {
        Some(newest) if newest.number == told.segment && newest.log == told.log => {
            assemble(&chain, (told.end, told.heads)).map(Some)
        }
        _ => Err(LogError::Mixed(format!(
            "the watermark tells of {}, which is not there",
            segment_name(told.segment)
        ))),
    }
}

fn assemble(chain: &[SegmentHeader], (end, heads): (u64, Heads)) -> Result<Extent, LogError> {
    let followed = chain.iter().zip(chain.iter().skip(1));
    let mut ends = followed.map(|(header, next)| header.end_before(next)).collect::<Result<Vec<_>, _>>()?;
    ends.push(end);
    let segments = chain.iter().zip(ends).map(|(header, end)| Stretch { header: *header, end }).collect();
    let log =
        chain.last().map(|newest| newest.log).unwrap_or(LogIdentity { id: uuid::Uuid::nil(), epoch: 0 });
    Ok(Extent { log, heads, segments })
}

/// Reads the newest segment to the end of its last whole frame.
fn end_of_newest(disk: &dyn Disk, header: &SegmentHeader) -> Result<(u64, Heads), LogError> {
    let name = segment_name(header.number);
    let file = disk.open(&name).map_err(LogError::disk("opening", &name))?;
    let size = file.size().map_err(LogError::disk("measuring", &name))?;
    let mut scanner = Scanner::new(&*file, &name, header.salt, size);
    let mut heads = header.heads;
    let ending = scanner.read_growing(header.batches_at, |_, frame| {
        heads = later(heads, frame.header.heads);
        Ok(())
    })?;
    Ok((ending.at, heads))
}
