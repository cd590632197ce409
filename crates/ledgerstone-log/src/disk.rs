//! The file operations that the engine is built on, so that a simulated disk can stand in for a real one.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use crate::tiered_disk::TieredDisk;

/// A folder of files.
///
/// What was written is durable once the file was synced; a new, renamed or removed name is durable once the
/// folder was synced. A sync that failed says nothing about what is durable, and repeating it proves nothing: only
/// writing again and syncing that does. Names are plain: not empty, without separators, not `.` or `..`.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Returns the names of the files, in order; folders and names that are not UTF-8 are left out.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file that is there.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a file that is not there yet, empty.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, replacing what bears it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a name away; who has the file open goes on reading it.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names durable.
    fn sync_names(&self) -> io::Result<()>;

    /// Returns the folder and the archive behind it, if there is one.
    fn tiers(&self) -> Option<&TieredDisk> {
        None
    }
}

/// A file, read and written at given places, by many threads at once.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Returns how many bytes it has.
    fn size(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes at a place; fewer only at the end, or by a short read.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads what can be read without waiting for the medium; nothing if waiting is needed.
    fn read_cached_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<Option<usize>>;

    /// Says that a stretch will be read soon; it does not wait, and may do nothing.
    fn will_read(&self, at: u64, bytes: u64);

    /// Writes all bytes at a place, growing the file if needed; if it fails, any part of them may be written.
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable, and the size.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file, or grows it with zeros.
    fn set_size(&self, bytes: u64) -> io::Result<()>;
}

/// Refuses what is not the name of a file in the folder itself.
pub(crate) fn check_name(name: &str) -> io::Result<()> {
    let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']);
    if plain {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not the plain name of a file")))
}

impl dyn DiskFile {
    /// Fills the buffer from a place, or fails with [`io::ErrorKind::UnexpectedEof`].
    pub fn read_exact_at(&self, mut at: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(at, buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    at += read as u64;
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
