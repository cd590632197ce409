//! All that a simulated disk knows, and what each operation does with it.

use std::io;

use super::fault::{Cause, Fault, Operation, Plan};
use super::inode::Inode;
use super::names::Names;
use super::random::Random;
use super::sectors::{Leftovers, SECTOR, pieces};

/// The largest file (EFBIG beyond it), since a simulated file lies in memory.
const LARGEST: usize = 1 << 30;

/// All that a simulated disk knows.
#[derive(Debug)]
pub(super) struct Medium {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: Names,
    pub(super) plan: Plan,
    /// Decides what a reader or a writer meets.
    chances: Random,
    /// Decides what survives, apart from the other, so that reads do not change it.
    fates: Random,
    pub(super) read_only: bool,
    pub(super) room: Option<u64>,
    pub(super) cold_reads: usize,
    pub(super) leftovers: bool,
}

impl Medium {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            inodes: Vec::new(),
            names: Names::default(),
            plan: Plan::default(),
            chances: random.fork(),
            fates: random.fork(),
            read_only: false,
            room: None,
            cold_reads: 4,
            leftovers: true,
        }
    }

    /// Returns the disk as it could be found after a power loss.
    pub(super) fn crashed(&mut self) -> Self {
        let leftovers = self.some_leftovers();
        let names = self.names.crashed(&mut self.fates);
        let fates = &mut self.fates;
        let mut inodes: Vec<_> = self.inodes.iter().map(|_| Inode::default()).collect();
        for inode in names.cached.values() {
            if let (Some(crashed), Some(held)) = (inodes.get_mut(*inode), self.inodes.get(*inode)) {
                *crashed = held.crashed(fates, &leftovers);
            }
        }
        self.succeeded_by(inodes, names)
    }

    /// Returns the disk as another process finds it.
    pub(super) fn killed(&mut self) -> Self {
        self.succeeded_by(self.inodes.clone(), self.names.clone())
    }

    fn succeeded_by(&mut self, inodes: Vec<Inode>, names: Names) -> Self {
        let (cold_reads, leftovers) = (self.cold_reads, self.leftovers);
        Self { inodes, names, cold_reads, leftovers, ..Self::with(self.fates.fork()) }
    }

    fn with(mut random: Random) -> Self {
        Self { chances: random.fork(), fates: random, ..Self::new(0) }
    }

    /// Picks sectors that other files hold or held.
    fn some_leftovers(&mut self) -> Leftovers {
        let mut found = Leftovers::default();
        if !self.leftovers {
            return found;
        }
        for _ in 0..8 {
            let bytes =
                self.inodes.get(self.fates.below(self.inodes.len())).map_or(&[][..], |held| &held.cached);
            let start = self.fates.below(bytes.len().div_ceil(SECTOR)) * SECTOR;
            found.0.extend(bytes.get(start..).map(|rest| rest.iter().take(SECTOR).copied().collect()));
        }
        found
    }

    /// Counts an operation and does it, unless a fault is due.
    pub(super) fn attempt<T>(
        &mut self,
        operation: Operation,
        act: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.plan.due(operation, &mut self.chances) {
            None | Some(Fault::Short) => act(self),
            Some(fault) => {
                if matches!(fault, Fault::Torn(_) | Fault::Stops) && self.chances.coin() {
                    act(self)?;
                }
                Err(fault.error())
            }
        }
    }

    pub(super) fn writable(&self) -> io::Result<()> {
        if self.read_only { Err(Cause::ReadOnly.error()) } else { Ok(()) }
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<usize> {
        self.writable()?;
        if self.free() == Some(0) {
            return Err(Cause::Full.error());
        }
        let inode = self.inodes.len();
        self.names.create(name, inode)?;
        self.inodes.push(Inode::default());
        Ok(inode)
    }

    pub(super) fn sync_names(&mut self) -> io::Result<()> {
        let due = self.plan.due(Operation::SyncNames, &mut self.chances);
        let due = due.or_else(|| self.unsyncable(self.names.is_clean()));
        match due {
            None | Some(Fault::Short) => {
                self.names.sync();
                Ok(())
            }
            Some(fault) => {
                self.names.fail_sync(&mut self.fates);
                Err(fault.error())
            }
        }
    }

    pub(super) fn sync(&mut self, inode: usize) -> io::Result<()> {
        let due = self.plan.due(Operation::Sync, &mut self.chances);
        let leftovers =
            if due.is_some() || self.read_only { self.some_leftovers() } else { Leftovers::default() };
        let unsyncable = self.unsyncable(self.inodes.get(inode).is_none_or(Inode::is_clean));
        let held = self.inodes.get_mut(inode).ok_or(io::ErrorKind::NotFound)?;
        match due.or(unsyncable) {
            None | Some(Fault::Short) => {
                held.sync();
                Ok(())
            }
            Some(fault) => {
                held.fail_sync(&mut self.fates, &leftovers);
                Err(fault.error())
            }
        }
    }

    /// A file system that turned read-only cannot write back what it still held.
    fn unsyncable(&self, clean: bool) -> Option<Fault> {
        (self.read_only && !clean).then_some(Fault::Fails(Cause::ReadOnly))
    }

    pub(super) fn read(&mut self, inode: usize, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let fault = self.plan.due(Operation::Read, &mut self.chances);
        let held = self.inodes.get(inode).ok_or(io::ErrorKind::NotFound)?;
        let rest = usize::try_from(at).ok().and_then(|at| held.cached.get(at..)).unwrap_or_default();
        let mut count = rest.len().min(buffer.len());
        match fault {
            None => {}
            Some(Fault::Short) if count > 0 => count = 1 + self.chances.below(count),
            Some(Fault::Short) => {}
            Some(fault) => return Err(fault.error()),
        }
        if let (Some(into), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            into.copy_from_slice(from);
        }
        Ok(count)
    }

    pub(super) fn is_cold(&mut self) -> bool {
        self.chances.one_in(self.cold_reads)
    }

    pub(super) fn write(&mut self, inode: usize, at: u64, bytes: &[u8]) -> io::Result<()> {
        let fault = self.plan.due(Operation::Write, &mut self.chances);
        self.writable()?;
        let at = place(at, bytes.len())?;
        let fitting = bytes.get(..self.fitting(inode, at, bytes.len())).unwrap_or(bytes);
        match fault {
            None | Some(Fault::Short) => self.put(inode, at, fitting)?,
            Some(Fault::Fails(_)) => {}
            Some(Fault::Prefix(_) | Fault::Stops) => {
                let prefix = self.chances.below(fitting.len() + 1);
                self.put(inode, at, fitting.get(..prefix).unwrap_or_default())?;
            }
            Some(Fault::Torn(_)) => {
                for (at, piece) in pieces(at, fitting) {
                    if self.chances.coin() {
                        self.put(inode, at, piece)?;
                    }
                }
            }
        }
        match fault {
            Some(fault) if fault != Fault::Short => Err(fault.error()),
            _ if fitting.len() < bytes.len() => Err(Cause::Full.error()),
            _ => Ok(()),
        }
    }

    fn put(&mut self, inode: usize, at: usize, bytes: &[u8]) -> io::Result<()> {
        if !bytes.is_empty() {
            self.inodes.get_mut(inode).ok_or(io::ErrorKind::NotFound)?.write(at, bytes);
        }
        Ok(())
    }

    pub(super) fn set_size(&mut self, inode: usize, size: u64) -> io::Result<()> {
        self.writable()?;
        let size = place(size, 0)?;
        if self.fitting(inode, 0, size) < size {
            return Err(Cause::Full.error());
        }
        self.inodes.get_mut(inode).ok_or(io::ErrorKind::NotFound)?.set_size(size);
        Ok(())
    }

    /// Returns how many of the bytes to be written at a place there is room for.
    fn fitting(&self, inode: usize, at: usize, bytes: usize) -> usize {
        let Some(free) = self.free() else { return bytes };
        let size = self.inodes.get(inode).map_or(0, |held| held.cached.len());
        let most = size.saturating_add(usize::try_from(free).unwrap_or(usize::MAX));
        bytes.min(most.saturating_sub(at))
    }

    /// Returns how many bytes there is room for, if the disk has an end.
    fn free(&self) -> Option<u64> {
        let named = self.names.cached.values().filter_map(|inode| self.inodes.get(*inode));
        let used: usize = named.map(|held| held.cached.len()).sum();
        Some(self.room?.saturating_sub(used as u64))
    }
}

/// Returns a place in memory for a place in a file, if what begins there is not too large.
fn place(at: u64, bytes: usize) -> io::Result<usize> {
    let place = usize::try_from(at).ok().filter(|at| at.checked_add(bytes).is_some_and(|end| end <= LARGEST));
    place.ok_or_else(|| io::ErrorKind::FileTooLarge.into())
}
