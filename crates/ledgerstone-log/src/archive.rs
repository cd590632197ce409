//! Archiving: closed segments move to another folder, from which they are read like any other.

use std::fmt;
use std::sync::Arc;

use ledgerstone_core::Timestamp;

use crate::chain::header_of;
use crate::failure::LogError;
use crate::log::LogReader;
use crate::scavenge::settled;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tiered_disk::TieredDisk;

/// What is archived.
pub struct Archive<'a> {
    /// A segment moves if everything in it was recorded before.
    pub before: Timestamp,
    /// Is told after every stretch how far it is, may wait as long as it likes, and says whether to go on.
    pub go_on: &'a dyn Fn(&Archived) -> bool,
}

impl fmt::Debug for Archive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("before", &self.before).finish_non_exhaustive()
    }
}

/// What archiving has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Archived {
    /// How many closed segments there are.
    pub segments: u64,
    /// How many of them are in the archive.
    pub archived: u64,
    /// How many of those came there now.
    pub moved: u64,
    /// How many bytes were moved.
    pub bytes: u64,
    /// Whether it was told to stop before it was done.
    pub stopped: bool,
}

impl LogReader {
    /// Moves closed segments to the archive, the oldest first; it blocks, and stops nobody.
    ///
    /// A segment goes from its folder only when its copy is durable. Their indexes stay where they are.
    pub fn archive(&self, how: &Archive<'_>) -> Result<Archived, LogError> {
        let shared = &*self.shared;
        let _alone = shared.upkeep.lock();
        let Some(tiers) = shared.disk.tiers() else {
            let message =
                "the log has no archive; name one in the locator, like file:./data?archive=/mnt/archive";
            return Err(LogError::Archive(message.to_owned()));
        };
        let there = tiers.archived().map_err(LogError::disk("listing", "the archive"))?;
        let segments = settled(shared);
        let mut archived = Archived { segments: segments.len() as u64, ..Archived::default() };
        archived.archived = segments.iter().filter(|segment| there.contains(&segment.name)).count() as u64;
        let near = segments.iter().filter(|segment| !there.contains(&segment.name));
        let moving: Vec<_> = near.take_while(|segment| ended_before(shared, segment, how.before)).collect();
        // Where one of them finds no place, none is moved.
        moving.iter().try_for_each(|segment| check_place(tiers, segment))?;
        for segment in moving {
            let mut go_on = |bytes| {
                archived.bytes += bytes;
                (how.go_on)(&archived)
            };
            if !move_away(tiers, segment, &mut go_on)? {
                archived.stopped = true;
                break;
            }
            archived.moved += 1;
            archived.archived += 1;
        }
        Ok(archived)
    }
}

/// Tells whether everything in a closed segment was recorded before a time.
fn ended_before(shared: &Shared, segment: &Segment, time: Timestamp) -> bool {
    let segments = shared.segments.read();
    let next = segments.iter().find(|next| next.header.previous == segment.header.number);
    next.is_some_and(|next| next.header.recorded_at < time)
}

/// Moves a segment; whoever reads it goes on, and whoever comes later finds it in the archive.
pub(crate) fn move_away(
    tiers: &TieredDisk,
    segment: &Arc<Segment>,
    go_on: &mut dyn FnMut(u64) -> bool,
) -> Result<bool, LogError> {
    check_place(tiers, segment)?;
    let name = &segment.name;
    let moved = tiers.archive(name, segment.end(), go_on).map_err(LogError::disk("archiving", name))?;
    if moved {
        segment.close();
    }
    Ok(moved)
}

/// Refuses to replace what the archive holds under the name of a segment, other than a copy of it and what it was
/// before it was scavenged.
fn check_place(tiers: &TieredDisk, segment: &Segment) -> Result<(), LogError> {
    let name = &segment.name;
    let opening = LogError::disk("opening", name);
    let Some(held) = tiers.open_archived(name).map_err(opening)? else { return Ok(()) };
    let size = held.size().map_err(LogError::disk("measuring", name))?;
    let is_earlier = header_of(&*held, segment.header.number).is_ok_and(|header| {
        let written_end = header.scavenged.map_or(size, |scavenged| scavenged.written_end);
        segment.header.is_scavenged_from(&header, written_end)
    });
    let is_copy = || tiers.is_copied(name, segment.end()).map_err(LogError::disk("comparing", name));
    if is_earlier || is_copy()? {
        return Ok(());
    }
    Err(LogError::Archive(format!(
        "the archive holds {name} of another log, or of a copy of this one; give each store an archive of its own"
    )))
}
