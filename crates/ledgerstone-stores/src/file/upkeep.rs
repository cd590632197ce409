//! The upkeep of a folder: its log is scavenged of what its streams have lost, and moved to its archive.

use std::sync::Arc;

use ledgerstone_core::{BackendError, RecordedEvent, Timestamp};
use ledgerstone_log::{Archive, Archived, Reclaimed, Scavenge};

use crate::cursor::is_removed;
use crate::file::archive_folder::ArchiveFolder;
use crate::file::failure::failed;
use crate::file::shared::Shared;
use crate::ownership::Ownership;
use crate::upkeep::Kept;

/// A folder that is looked after.
#[derive(Debug)]
pub(crate) struct FileUpkeep {
    shared: Arc<Shared>,
    archive: Option<ArchiveFolder>,
    /// Nobody else may look after the folder as long as this one does.
    _ownership: Option<Ownership>,
}

impl FileUpkeep {
    pub(crate) fn new(
        shared: Arc<Shared>,
        archive: Option<ArchiveFolder>,
        ownership: Option<Ownership>,
    ) -> Self {
        Self { shared, archive, _ownership: ownership }
    }
}

impl Kept for FileUpkeep {
    fn state(&self) -> Option<[u64; 2]> {
        let removals = self.shared.removals.read();
        if removals.depend_on_time() {
            return None;
        }
        // Else what removes events is told to the readers, or it is an event behind which older ones are too many;
        // and those close segments.
        Some([removals.taken(), self.shared.reader.closed_segments()])
    }

    fn scavenge(
        &self,
        least_percent: u8,
        dry_run: bool,
        go_on: &dyn Fn(&Reclaimed) -> bool,
    ) -> Result<Reclaimed, BackendError> {
        if let Some(archive) = &self.archive {
            archive.is_ours()?;
        }
        // What is not durable yet is not known as removed.
        let now = self.shared.clock.now();
        let is_removed =
            |event: &RecordedEvent| is_removed(event, self.shared.removals.read().of(event), now);
        let how = Scavenge { is_removed: &is_removed, least_percent, dry_run, go_on };
        self.shared.reader.scavenge(&how).map_err(failed("scavenge"))
    }

    fn archive(
        &self,
        before: Timestamp,
        go_on: &dyn Fn(&Archived) -> bool,
    ) -> Result<Archived, BackendError> {
        self.archive.as_ref().map_or(Ok(()), ArchiveFolder::claim)?;
        self.shared.reader.archive(&Archive { before, go_on }).map_err(failed("archive"))
    }
}
