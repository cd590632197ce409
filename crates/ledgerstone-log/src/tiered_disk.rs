//! A folder with an archive behind it: closed segments may stand in either, and are found in both.

use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::segment_header::PARTIAL;
use crate::segment_header::segment_number;

/// How many bytes are copied at once.
const CHUNK: u64 = if cfg!(test) { 300 } else { 256 * 1024 };

/// A folder with an archive behind it.
///
/// Everything is written to the folder, and whole closed segments may be moved to the archive later. What stands
/// in both, since a move or a scavenge was interrupted, is read from the folder.
#[derive(Debug)]
pub struct TieredDisk {
    near: Arc<dyn Disk>,
    archive: Arc<dyn Disk>,
}

impl TieredDisk {
    /// Puts an archive behind a folder.
    pub fn new(near: Arc<dyn Disk>, archive: Arc<dyn Disk>) -> Self {
        Self { near, archive }
    }

    /// Returns which of the names stand in the archive only.
    pub(crate) fn archived(&self) -> io::Result<Vec<String>> {
        let near = self.near.names()?;
        Ok(self.segments()?.into_iter().filter(|name| !near.contains(name)).collect())
    }

    /// Opens what the archive holds under a name, whatever the folder holds.
    pub(crate) fn open_archived(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        match self.archive.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Tells whether the archive holds the first `bytes` bytes of a file, and no more, under its name.
    pub(crate) fn is_copied(&self, name: &str, bytes: u64) -> io::Result<bool> {
        let (near, archived) = (self.near.open(name)?, self.archive.open(name)?);
        if archived.size()? != bytes {
            return Ok(false);
        }
        let mut buffers = [Vec::new(), Vec::new()];
        let mut at = 0;
        while at < bytes {
            let size = (bytes - at).min(CHUNK);
            for (file, buffer) in [&near, &archived].into_iter().zip(&mut buffers) {
                buffer.resize(usize::try_from(size).unwrap_or_default(), 0);
                file.read_exact_at(at, buffer)?;
            }
            if buffers[0] != buffers[1] {
                return Ok(false);
            }
            at += size;
        }
        Ok(true)
    }

    /// Moves the first `bytes` bytes of a file to the archive; tells whether it was told to go on until the end.
    ///
    /// The file goes from the folder only when its copy is durable, and its name there.
    pub(crate) fn archive(
        &self,
        name: &str,
        bytes: u64,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<bool> {
        let partial = format!("{name}{PARTIAL}");
        // What an earlier attempt left does not matter.
        let _ = self.archive.remove(&partial);
        let copied = self.copy(name, &partial, bytes, go_on);
        if !matches!(copied, Ok(true)) {
            let _ = self.archive.remove(&partial);
            return copied;
        }
        self.archive.rename(&partial, name)?;
        self.archive.sync_names()?;
        self.near.remove(name)?;
        self.near.sync_names()?;
        Ok(true)
    }

    fn copy(
        &self,
        name: &str,
        partial: &str,
        bytes: u64,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<bool> {
        let (from, into) = (self.near.open(name)?, self.archive.create(partial)?);
        let mut buffer = Vec::new();
        let mut at = 0;
        while at < bytes {
            let size = (bytes - at).min(CHUNK);
            buffer.resize(usize::try_from(size).unwrap_or_default(), 0);
            from.read_exact_at(at, &mut buffer)?;
            into.write_at(at, &buffer)?;
            at += size;
            if !go_on(size) {
                return Ok(false);
            }
        }
        into.sync()?;
        Ok(true)
    }

    /// Returns the names in the archive of segments, and of those that were not finished.
    fn segments(&self) -> io::Result<Vec<String>> {
        let is_ours = |name: &String| segment_number(name.strip_suffix(PARTIAL).unwrap_or(name)).is_some();
        Ok(self.archive.names()?.into_iter().filter(is_ours).collect())
    }
}

impl Disk for TieredDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.near.names()?;
        names.extend(self.segments()?);
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        match self.near.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && segment_number(name).is_some() => {
                self.archive.open(name)
            }
            opened => opened,
        }
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.near.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.near.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let is_missing =
            |removed: &io::Result<()>| removed.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
        let near = self.near.remove(name);
        if segment_number(name.strip_suffix(PARTIAL).unwrap_or(name)).is_none() {
            return near;
        }
        let archived = self.archive.remove(name);
        match (is_missing(&near), is_missing(&archived)) {
            (true, _) => archived,
            (false, true) => near,
            (false, false) => near.and(archived),
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        self.near.sync_names()
    }

    fn tiers(&self) -> Option<&TieredDisk> {
        Some(self)
    }
}
