//! A disk in memory that is as nasty as POSIX allows, and equally nasty for the same seed.

mod fault;
#[cfg(test)]
mod fault_tests;
mod file;
mod inode;
mod medium;
mod names;
mod random;
mod sectors;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use self::file::SimulatedFile;
use self::medium::Medium;
use crate::disk::{Disk, DiskFile, check_name};

pub use self::fault::{Cause, Fault, Operation};

/// A disk in memory that loses what was not synced, and fails as it is told.
///
/// - What is durable is what a sync that succeeded covered, for contents and names apart: the file that was
///   synced may still lose its name, or keep its old one.
/// - After a sync that failed readers go on seeing what was written, and a later sync covers only what was
///   written after it. What of the rest is durable was settled in secret when the sync failed.
/// - A clone is the same disk; [`Self::crash`] and [`Self::kill`] make another. Files that were open before go
///   on with the old one.
///
/// One thread that does the same operations finds the same chances.
#[derive(Clone)]
pub struct SimulatedDisk {
    shared: Arc<Mutex<Medium>>,
}

impl SimulatedDisk {
    /// Makes an empty disk, whose chances follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self::of(Medium::new(seed))
    }

    fn of(medium: Medium) -> Self {
        Self { shared: Arc::new(Mutex::new(medium)) }
    }

    /// Returns the disk as it could be found after a power loss, without faults; each call finds another way.
    ///
    /// Of what was not synced any part may be there: of a write all of it, its begin, or any of its 512-byte
    /// sectors, whatever became of the writes before; the size it grew to, or one on the way, with zeros or
    /// bytes of other files where nothing arrived; and each change of a name or not.
    #[must_use]
    pub fn crash(&self) -> Self {
        let crashed = self.shared.lock().crashed();
        Self::of(crashed)
    }

    /// Returns the disk as the next process finds it, without faults: all that was written is seen, and as
    /// durable as it was.
    #[must_use]
    pub fn kill(&self) -> Self {
        let killed = self.shared.lock().killed();
        Self::of(killed)
    }

    /// Returns how many operations were asked of the disk and its files, failed ones included.
    pub fn operations(&self) -> u64 {
        self.shared.lock().plan.operations
    }

    /// Plans a fault for the operation that comes when so many were asked for; the first has number 0.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.shared.lock().plan.fail_at(operation, fault);
    }

    /// Plans a fault for the next operation of a kind, after letting some of the kind pass.
    pub fn fail_next(&self, operation: Operation, skip: u64, fault: Fault) {
        self.shared.lock().plan.fail_next(operation, skip, fault);
    }

    /// Plans a fault for one in so many operations of a kind, by chance.
    pub fn fail_often(&self, operation: Operation, one_in: usize, fault: Fault) {
        self.shared.lock().plan.fail_often(operation, one_in, fault);
    }

    /// Ends all faults, takes writes again and has room without end.
    pub fn lift_faults(&self) {
        let mut medium = self.shared.lock();
        medium.plan.lift();
        medium.read_only = false;
        medium.room = None;
    }

    /// Sets whether all changes fail with EROFS, and with them a sync of what was not synced before.
    pub fn set_read_only(&self, read_only: bool) {
        self.shared.lock().read_only = read_only;
    }

    /// Sets for how many bytes of all named files there is room; beyond them is ENOSPC.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.shared.lock().room = bytes;
    }

    /// Sets that one in so many cached reads would have to wait; 0 is never. A new disk has 4.
    pub fn set_cold_reads(&self, one_in: usize) {
        self.shared.lock().cold_reads = one_in;
    }

    /// Sets whether bytes of other files may be found where a file grew; on a new disk they may.
    pub fn set_leftovers(&self, leftovers: bool) {
        self.shared.lock().leftovers = leftovers;
    }

    /// Flips a bit of a file, as readers see it and on the medium.
    pub fn flip(&self, name: &str, at: u64, bit: u32) -> io::Result<()> {
        let mut medium = self.shared.lock();
        let inode = medium.names.of(name)?;
        let place = usize::try_from(at).unwrap_or(usize::MAX);
        let flipped = medium.inodes.get_mut(inode).is_some_and(|held| held.flip(place, bit));
        if flipped { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn file(&self, inode: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { shared: Arc::clone(&self.shared), inode })
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SimulatedDisk").finish_non_exhaustive()
    }
}

impl Disk for SimulatedDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        self.shared
            .lock()
            .attempt(Operation::Names, |medium| Ok(medium.names.cached.keys().cloned().collect()))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        check_name(name)?;
        let inode = self.shared.lock().attempt(Operation::Open, |medium| medium.names.of(name))?;
        Ok(self.file(inode))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        check_name(name)?;
        let inode = self.shared.lock().attempt(Operation::Create, |medium| medium.create(name))?;
        Ok(self.file(inode))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        self.shared.lock().attempt(Operation::Rename, |medium| {
            medium.writable()?;
            medium.names.rename(from, to)
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        self.shared.lock().attempt(Operation::Remove, |medium| {
            medium.writable()?;
            medium.names.remove(name)
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.shared.lock().sync_names()
    }
}
