//! A folder in which little is in memory: for some looks, or always, reading means waiting.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledgerstone_log::{Disk, DiskFile, RealDisk};

/// A folder of slow files.
#[derive(Debug)]
pub(crate) struct SlowDisk {
    folder: RealDisk,
    pace: Arc<Pace>,
}

/// How slow the files are, and what was read of them.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// How many more looks find nothing in memory.
    pub(crate) misses: AtomicU64,
    /// How often somebody waited.
    pub(crate) waits: AtomicU64,
}

#[derive(Debug)]
struct SlowFile {
    file: Arc<dyn DiskFile>,
    pace: Arc<Pace>,
}

impl SlowDisk {
    pub(crate) fn open(folder: &Path) -> (Arc<Self>, Arc<Pace>) {
        let pace = Arc::new(Pace::default());
        let folder = RealDisk::open(folder).expect("a folder");
        (Arc::new(Self { folder, pace: Arc::clone(&pace) }), pace)
    }

    fn slow(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(SlowFile { file, pace: Arc::clone(&self.pace) })
    }
}

impl Disk for SlowDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        self.folder.names()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.folder.open(name).map(|file| self.slow(file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.folder.create(name).map(|file| self.slow(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.folder.sync_names()
    }
}

impl DiskFile for SlowFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.pace.waits.fetch_add(1, Ordering::Relaxed);
        self.file.read_at(at, buffer)
    }

    fn read_cached_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let fewer = |misses: u64| misses.checked_sub(1);
        if self.pace.misses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
            return Ok(None);
        }
        // It has arrived, whatever the machine has in memory.
        self.file.read_at(at, buffer).map(Some)
    }

    fn will_read(&self, at: u64, bytes: u64) {
        self.file.will_read(at, bytes);
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(at, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.file.set_size(bytes)
    }
}
