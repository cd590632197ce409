//! A folder that is only read: what is made beside its files stands in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::disk::{Disk, DiskFile};

/// A folder that is only read; indexes that it lacks are made in memory.
#[derive(Debug)]
pub(crate) struct OverlayDisk {
    folder: Arc<dyn Disk>,
    made: Mutex<BTreeMap<String, Arc<MadeFile>>>,
    /// Names that somebody took away.
    hidden: Mutex<BTreeSet<String>>,
}

impl OverlayDisk {
    pub(crate) fn over(folder: Arc<dyn Disk>) -> Self {
        Self { folder, made: Mutex::default(), hidden: Mutex::default() }
    }
}

impl Disk for OverlayDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let hidden = self.hidden.lock();
        let mut names = self.folder.names()?;
        names.retain(|name| !hidden.contains(name));
        names.extend(self.made.lock().keys().cloned());
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(made) = self.made.lock().get(name) {
            return Ok(Arc::clone(made) as _);
        }
        if self.hidden.lock().contains(name) {
            Err(io::ErrorKind::NotFound.into())
        } else {
            self.folder.open(name)
        }
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        // A table of places is held by who uses it.
        if name.contains(".places") {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let file = Arc::new(MadeFile::default());
        self.made.lock().insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut made = self.made.lock();
        let file = made.remove(from).ok_or(io::ErrorKind::ReadOnlyFilesystem)?;
        made.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if self.made.lock().remove(name).is_none() {
            self.hidden.lock().insert(name.to_owned());
        }
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file in memory.
#[derive(Debug, Default)]
struct MadeFile(RwLock<Vec<u8>>);

impl DiskFile for MadeFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.read().len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.read();
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let size = rest.len().min(buffer.len());
        if let (Some(from), Some(into)) = (rest.get(..size), buffer.get_mut(..size)) {
            into.copy_from_slice(from);
        }
        Ok(size)
    }

    fn read_cached_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.read_at(at, buffer).map(Some)
    }

    fn will_read(&self, _: u64, _: u64) {}

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut held = self.0.write();
        let end = at + bytes.len();
        if held.len() < end {
            held.resize(end, 0);
        }
        if let Some(place) = held.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.0.write().resize(usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?, 0);
        Ok(())
    }
}
