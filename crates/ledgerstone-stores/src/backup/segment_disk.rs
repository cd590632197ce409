//! The segments of a backup, read as if they stood in the folder of a log.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ledgerstone_log::{Disk, DiskFile, RealDisk};

use crate::backup::{BackupFile, Content};

/// The segments of a backup under the names that they had.
#[derive(Debug)]
pub(crate) struct SegmentDisk {
    folder: RealDisk,
    /// The names in the log, and in the backup.
    files: Vec<(String, String)>,
}

impl SegmentDisk {
    pub(crate) fn open(folder: &Path, files: &[BackupFile]) -> io::Result<Self> {
        let segments = files.iter().filter(|file| file.holds == Content::Segment);
        let names = segments.map(|file| (segment_file(&file.name), file.name.clone()));
        let mut files: Vec<_> = names.collect();
        files.sort();
        Ok(Self { folder: RealDisk::read_only(folder)?, files })
    }
}

/// Returns the name that a segment of a backup had in the log.
pub(crate) fn segment_file(name: &str) -> String {
    format!("{}.log", name.split('-').next().unwrap_or_default())
}

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Disk for SegmentDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files.iter().map(|(name, _)| name.clone()).collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let found = self.files.iter().find(|(known, _)| known == name);
        let (_, stored) = found.ok_or(io::ErrorKind::NotFound)?;
        self.folder.open(stored)
    }

    fn create(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        refused()
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        refused()
    }

    fn sync_names(&self) -> io::Result<()> {
        refused()
    }
}
