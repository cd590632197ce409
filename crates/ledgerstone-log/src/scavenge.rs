//! Scavenging: closed segments are rewritten without what was removed, while the log is read and written.

use std::fmt;
use std::sync::Arc;

use ledgerstone_core::RecordedEvent;
use parking_lot::RwLock;

use crate::archive::move_away;
use crate::disk::DiskFile;
use crate::failure::LogError;
use crate::log::LogReader;
use crate::rewriting::{Orders, Rewritten, rewrite};
use crate::segment::{OpenSegment, Segment, save_places};
use crate::segment_header::PARTIAL;
use crate::shared::Shared;

/// What is scavenged, and how.
pub struct Scavenge<'a> {
    /// Tells whether an application event was removed; once it has said so of an event, that event stays removed.
    pub is_removed: &'a dyn Fn(&RecordedEvent) -> bool,
    /// Of how many bytes in a hundred a segment must get rid to be worth it; any at all are worth it at 0.
    pub least_percent: u8,
    /// Whether to find out only what would be reclaimed.
    pub dry_run: bool,
    /// Is told after every stretch how far it is, may wait as long as it likes, and says whether to go on.
    pub go_on: &'a dyn Fn(&Reclaimed) -> bool,
}

impl fmt::Debug for Scavenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scavenge")
            .field("least_percent", &self.least_percent)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

/// What scavenging has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reclaimed {
    /// How many closed segments there are.
    pub segments: u64,
    /// How many of them were looked at.
    pub looked_at: u64,
    /// How many were rewritten, or would be.
    pub rewritten: u64,
    /// How many events gave up their room, or would.
    pub events: u64,
    /// How many bytes the closed segments had to begin with.
    pub bytes: u64,
    /// How many bytes were read.
    pub bytes_read: u64,
    /// How many bytes were written.
    pub bytes_written: u64,
    /// How many bytes were reclaimed, or would be.
    pub bytes_reclaimed: u64,
    /// Whether it was told to stop before it was done.
    pub stopped: bool,
}

impl LogReader {
    /// Returns how many segments can be scavenged and archived: those that grow no more, and are indexed.
    pub fn closed_segments(&self) -> u64 {
        settled(&self.shared).len() as u64
    }

    /// Rewrites the closed segments that are worth it, the oldest first; it blocks, and stops nobody.
    ///
    /// Whatever happens meanwhile, each segment is whole as it was before or whole as it is afterwards. What it
    /// gives back are the contents of removed events, of which stubs stay, the marks, which the newest segment
    /// holds all of, and the frames of single batches. Positions, revisions, ids and holes stay as they were.
    pub fn scavenge(&self, how: &Scavenge<'_>) -> Result<Reclaimed, LogError> {
        let shared = &*self.shared;
        let _alone = shared.upkeep.lock();
        let segments = settled(shared);
        let mut reclaimed = Reclaimed {
            segments: segments.len() as u64,
            bytes: segments.iter().map(|segment| segment.end()).sum(),
            ..Reclaimed::default()
        };
        for segment in segments {
            if !scavenge_one(shared, &segment, how, &mut reclaimed)? {
                reclaimed.stopped = true;
                break;
            }
            reclaimed.looked_at += 1;
        }
        Ok(reclaimed)
    }
}

/// Returns the segments that grow no more and whose index is written, so that nobody but readers holds them.
pub(crate) fn settled(shared: &Shared) -> Vec<Arc<Segment>> {
    let indexed = shared.index.read().view().runs().last().map_or(0, |run| run.last);
    let segments = shared.segments.read();
    let closed = segments.split_last().map(|(_, closed)| closed).unwrap_or_default();
    closed.iter().filter(|segment| segment.header.number <= indexed).cloned().collect()
}

/// Rewrites a segment if it is worth it; tells whether to go on.
fn scavenge_one(
    shared: &Shared,
    segment: &Arc<Segment>,
    how: &Scavenge<'_>,
    reclaimed: &mut Reclaimed,
) -> Result<bool, LogError> {
    let from = file(shared, segment)?;
    let Some(found) = pass(segment, &*from, None, how, reclaimed)? else { return Ok(false) };
    let saved = segment.end().saturating_sub(found.end);
    let enough = u128::from(saved) * 100 >= u128::from(segment.end()) * u128::from(how.least_percent);
    if saved == 0 || !enough {
        return Ok(true);
    }
    let written = if how.dry_run {
        Some(found)
    } else {
        let partial = format!("{}{PARTIAL}", segment.name);
        let written = write(shared, segment, &*from, &partial, how, reclaimed);
        if !matches!(written, Ok(Some(_))) {
            // What is left is taken away when the log opens.
            let _ = shared.disk.remove(&partial);
        }
        written?
    };
    let Some(written) = written else { return Ok(false) };
    reclaimed.rewritten += 1;
    reclaimed.events += written.events;
    reclaimed.bytes_reclaimed += segment.end().saturating_sub(written.end);
    Ok(true)
}

/// Opens the file of a segment without keeping other segments from staying open.
fn file(shared: &Shared, segment: &Segment) -> Result<Arc<dyn DiskFile>, LogError> {
    match segment.opened() {
        Some(open) => Ok(Arc::clone(&open.file)),
        None => shared.disk.open(&segment.name).map_err(LogError::disk("opening", &segment.name)),
    }
}

fn pass(
    segment: &Segment,
    from: &dyn DiskFile,
    into: Option<&dyn DiskFile>,
    how: &Scavenge<'_>,
    reclaimed: &mut Reclaimed,
) -> Result<Option<Rewritten>, LogError> {
    let mut go_on = |read, written| {
        reclaimed.bytes_read += read;
        reclaimed.bytes_written += written;
        (how.go_on)(reclaimed)
    };
    rewrite(segment, from, into, &mut Orders { is_removed: how.is_removed, go_on: &mut go_on })
}

/// Writes what is left of a segment, and puts it in its place; nothing if it was told to stop.
fn write(
    shared: &Shared,
    segment: &Arc<Segment>,
    from: &dyn DiskFile,
    partial: &str,
    how: &Scavenge<'_>,
    reclaimed: &mut Reclaimed,
) -> Result<Option<Rewritten>, LogError> {
    let (disk, name) = (&*shared.disk, &segment.name);
    // What an earlier attempt left does not matter.
    let _ = disk.remove(partial);
    let into = disk.create(partial).map_err(LogError::disk("creating", partial))?;
    let Some(written) = pass(segment, from, Some(&*into), how, reclaimed)? else { return Ok(None) };
    into.write_at(0, &written.header.encode()).map_err(LogError::disk("writing", partial))?;
    into.sync().map_err(LogError::disk("syncing", partial))?;
    // Readers that hold the segment go on with the old file, which is there as long as they hold it.
    segment.pin(disk)?;
    if let Err(error) = disk.rename(partial, name) {
        segment.unpin();
        return Err(LogError::disk("naming", name)(error));
    }
    if let Err(error) = disk.sync_names() {
        // After a crash the name stands for the old file or the new one, and either will do.
        tracing::warn!(%error, segment = name, "the name of a scavenged segment may not be durable yet");
    }
    let segment = put_in_place(shared, into, &written);
    move_back(shared, &segment)?;
    Ok(Some(written))
}

/// Moves a segment that was scavenged in the archive back there.
fn move_back(shared: &Shared, segment: &Arc<Segment>) -> Result<(), LogError> {
    let Some(tiers) = shared.disk.tiers() else { return Ok(()) };
    let held = tiers.open_archived(&segment.name).map_err(LogError::disk("opening", &segment.name))?;
    if held.is_some() {
        move_away(tiers, segment, &mut |_| true)?;
    }
    Ok(())
}

/// Lets readers find the segment that was written.
fn put_in_place(shared: &Shared, file: Arc<dyn DiskFile>, written: &Rewritten) -> Arc<Segment> {
    let places = written.places.clone();
    let bytes = places.bytes();
    let open = Arc::new(OpenSegment { file, places: RwLock::new(places) });
    let segment = Arc::new(Segment::growing(written.header, written.end, open));
    shared.replace(&segment);
    shared.warm.lock().keep(&segment, bytes);
    if let Err(error) = save_places(&*shared.disk, &segment, &written.places) {
        tracing::warn!(%error, segment = segment.name, "the table of places could not be kept");
    }
    segment
}
