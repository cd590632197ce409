//! The check of a whole log, from its segments alone.

use ledgerstone_core::{Heads, Position};

use crate::chain::{check_growing, check_near, header_of, read_chain};
use crate::disk::Disk;
use crate::failure::LogError;
use crate::frame::Frame;
use crate::scanner::Scanner;
use crate::segment::place_of;
use crate::segment_header::{SegmentHeader, segment_name, segment_number};

/// Reads every segment of a folder from front to back and hands what is wrong to `problem`; returns how many
/// application and system events there are.
///
/// Nothing is changed, so somebody else may be writing. What stands behind the last whole frame of the newest
/// segment is no problem: it may just be on its way. The indexes are not looked at, as nothing trusts them.
pub fn verify(disk: &dyn Disk, problem: &mut dyn FnMut(&LogError)) -> Result<(u64, u64), LogError> {
    verify_some(disk, &mut |_| true, problem)
}

/// Does as [`verify`] with those segments whose files are wanted; each is asked for in order.
pub fn verify_some(
    disk: &dyn Disk,
    is_wanted: &mut dyn FnMut(&str) -> bool,
    problem: &mut dyn FnMut(&LogError),
) -> Result<(u64, u64), LogError> {
    let names = disk.names().map_err(LogError::disk("listing", "the folder"))?;
    let numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    if numbers.is_empty() {
        return Ok((0, 0));
    }
    let chain = match read_chain(disk, &numbers) {
        Ok((chain, _)) => chain,
        Err(error) => {
            problem(&error);
            return Ok((0, 0));
        }
    };
    let check = |newest: &SegmentHeader| check_growing(newest).and_then(|()| check_near(disk, newest.number));
    if let Some(Err(error)) = chain.last().map(check) {
        problem(&error);
    }
    let mut counts = [0, 0];
    for (at, header) in chain.iter().enumerate() {
        if !is_wanted(&segment_name(header.number)) {
            continue;
        }
        let next = chain.get(at + 1);
        let checked = SegmentCheck { header, next, heads: header.heads }.check(disk, &mut counts, problem);
        if let Err(error) = checked {
            problem(&error);
        }
    }
    Ok((counts[0], counts[1]))
}

/// A segment that is being checked.
struct SegmentCheck<'a> {
    header: &'a SegmentHeader,
    next: Option<&'a SegmentHeader>,
    heads: Heads,
}

impl SegmentCheck<'_> {
    fn check(
        mut self,
        disk: &dyn Disk,
        counts: &mut [u64; 2],
        problem: &mut dyn FnMut(&LogError),
    ) -> Result<(), LogError> {
        let name = segment_name(self.header.number);
        let file = disk.open(&name).map_err(LogError::disk("opening", &name))?;
        let size = file.size().map_err(LogError::disk("measuring", &name))?;
        // Since the chain was followed, scavenging may have put another file in its place.
        let header = header_of(&*file, self.header.number)?;
        let end = self.next.map_or(Ok(size), |next| header.end_before(next))?;
        if end > size {
            return Err(LogError::damaged(&name, size, "it was cut short"));
        }
        let mut scanner = Scanner::new(&*file, &name, header.salt, end);
        let next = self.next;
        let mut take = |at, frame: &Frame<'_>| {
            if let Err(why) = self.take(frame, counts) {
                problem(&LogError::damaged(&name, at, why));
            }
        };
        if next.is_some() {
            while let Some((at, frame)) = scanner.next_whole()? {
                take(at, &frame);
            }
        } else {
            scanner.read_growing(header.batches_at, |at, frame| {
                take(at, frame);
                Ok(())
            })?;
        }
        match next {
            Some(next) if next.heads != self.heads => {
                let why = format!(
                    "it ends at {:?} and the next segment begins behind {:?}",
                    self.heads, next.heads
                );
                Err(LogError::damaged(&name, end, why))
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, frame: &Frame<'_>, counts: &mut [u64; 2]) -> Result<(), String> {
        for (_, record) in frame.records() {
            let (log, position) = place_of(record);
            let before: Position = self.heads.of(log);
            if position <= before {
                return Err(format!("position {position} follows {before}"));
            }
            self.heads.set(log, position);
            counts[log as usize] += 1;
        }
        if crate::segment::later(self.heads, frame.header.heads) != frame.header.heads {
            return Err("its events stand behind what its header says".to_owned());
        }
        self.heads = frame.header.heads;
        Ok(())
    }
}
