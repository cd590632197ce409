//! The chain of segments: each says in its header which one it follows, and where that one ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::failure::LogError;
use crate::segment::Segment;
use crate::segment_header::{HEADER_BYTES, SegmentHeader, segment_name};

/// Follows the segments from the newest one back; returns them in order, and the numbers of those that are left.
pub(crate) fn read_chain(
    disk: &dyn Disk,
    numbers: &[u64],
) -> Result<(Vec<SegmentHeader>, Vec<u64>), LogError> {
    let mut headers = BTreeMap::new();
    for number in numbers {
        headers.insert(*number, read_header(disk, *number)?);
    }
    let mut chain = Vec::with_capacity(headers.len());
    let mut next = headers.pop_last().map(|(_, header)| header);
    while let Some(header) = next {
        chain.push(header);
        next = match header.previous {
            0 => None,
            previous => {
                let found = headers.remove(&previous);
                Some(found.ok_or_else(|| missing(previous))?)
            }
        };
    }
    chain.reverse();
    check_chain(&chain)?;
    Ok((chain, headers.into_keys().collect()))
}

fn missing(number: u64) -> LogError {
    LogError::Mixed(format!(
        "{} is missing; bring it back, or name the archive that it was moved to, like file:./data?archive=FOLDER",
        segment_name(number)
    ))
}

fn check_chain(chain: &[SegmentHeader]) -> Result<(), LogError> {
    for (one, next) in chain.iter().zip(chain.iter().skip(1)) {
        let name = segment_name(next.number);
        // A restored log goes on as the one that it was exported from; the seed stays.
        let back = one.log.id == next.log.id && one.log.epoch > next.log.epoch;
        if one.seed != next.seed || back {
            return Err(LogError::Mixed(format!("{name} belongs to another log")));
        }
        let falls = next.heads.application < one.heads.application
            || next.heads.system < one.heads.system
            || next.recorded_at < one.recorded_at;
        if falls || next.number <= one.number {
            return Err(LogError::Mixed(format!("{name} begins before its predecessor")));
        }
    }
    Ok(())
}

/// Reads the header of a segment.
pub(crate) fn read_header(disk: &dyn Disk, number: u64) -> Result<SegmentHeader, LogError> {
    let name = segment_name(number);
    let file = disk.open(&name).map_err(LogError::disk("opening", &name))?;
    header_of(&*file, number)
}

/// Reads the header of the file that holds a segment.
pub(crate) fn header_of(file: &dyn DiskFile, number: u64) -> Result<SegmentHeader, LogError> {
    let name = segment_name(number);
    let mut bytes = [0; HEADER_BYTES];
    let size = file.size().map_err(LogError::disk("measuring", &name))?;
    if size < HEADER_BYTES as u64 {
        return Err(LogError::damaged(name, size, "it is shorter than a header"));
    }
    file.read_exact_at(0, &mut bytes).map_err(LogError::disk("reading", &name))?;
    let header = SegmentHeader::decode(&name, &bytes)?;
    if header.number != number {
        return Err(LogError::Mixed(format!("{name} holds segment {}; it was renamed", header.number)));
    }
    Ok(header)
}

/// Refuses a newest segment that stands in the archive alone: only what another one follows is moved there, and
/// the folder that had that one is gone, or is another log's.
pub(crate) fn check_near(disk: &dyn Disk, newest: u64) -> Result<(), LogError> {
    let Some(tiers) = disk.tiers() else { return Ok(()) };
    let name = segment_name(newest);
    let archived = tiers.archived().map_err(LogError::disk("listing", "the archive"))?;
    if !archived.contains(&name) {
        return Ok(());
    }
    Err(LogError::Mixed(format!(
        "{name} stands in the archive, so a segment came after it, and it is missing; bring the folder of the log \
         back, or name the archive that belongs to this folder"
    )))
}

/// Refuses a newest segment that was scavenged: only what another one follows is.
pub(crate) fn check_growing(newest: &SegmentHeader) -> Result<(), LogError> {
    match newest.scavenged {
        None => Ok(()),
        Some(_) => Err(LogError::Mixed(format!(
            "{} was scavenged, so a segment came after it, and it is missing; bring it back",
            segment_name(newest.number)
        ))),
    }
}

/// Takes the segments that another one follows, which says where they end.
pub(crate) fn segments_before_newest(
    disk: &dyn Disk,
    chain: &[SegmentHeader],
) -> Result<Vec<Arc<Segment>>, LogError> {
    let pairs = chain.iter().zip(chain.iter().skip(1));
    let segments = pairs.map(|(header, next)| {
        let end = header.end_before(next)?;
        let segment = Segment::closed(*header, end);
        let file = disk.open(&segment.name).map_err(LogError::disk("opening", &segment.name))?;
        let size = file.size().map_err(LogError::disk("measuring", &segment.name))?;
        if size < end {
            return Err(LogError::damaged(&segment.name, size, "it was cut short"));
        }
        Ok(Arc::new(segment))
    });
    segments.collect()
}
