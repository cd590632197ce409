//! A file of a simulated disk.

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::fault::Operation;
use super::medium::Medium;
use crate::disk::DiskFile;

/// A file of a simulated disk, open.
pub(super) struct SimulatedFile {
    pub(super) shared: Arc<Mutex<Medium>>,
    pub(super) inode: usize,
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SimulatedFile").field("inode", &self.inode).finish_non_exhaustive()
    }
}

impl DiskFile for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        self.shared.lock().attempt(Operation::Size, |medium| {
            let held = medium.inodes.get(self.inode).ok_or(io::ErrorKind::NotFound)?;
            Ok(held.cached.len() as u64)
        })
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.shared.lock().read(self.inode, at, buffer)
    }

    fn read_cached_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut medium = self.shared.lock();
        let read = medium.read(self.inode, at, buffer)?;
        Ok((!medium.is_cold()).then_some(read))
    }

    fn will_read(&self, _at: u64, _bytes: u64) {}

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.shared.lock().write(self.inode, at, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.shared.lock().sync(self.inode)
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.shared.lock().attempt(Operation::SetSize, |medium| medium.set_size(self.inode, bytes))
    }
}
