//! A file in memory that counts reads and can pretend to be cold.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::DiskFile;

/// A file in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryFile(Mutex<MemoryState>);

#[derive(Debug, Default)]
struct MemoryState {
    bytes: Vec<u8>,
    reads: usize,
    synced: usize,
    cold: bool,
    announced: HashSet<u64>,
}

impl MemoryFile {
    pub(super) fn of(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(MemoryState { bytes, ..MemoryState::default() })))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().bytes.clone()
    }

    /// Returns how often it was read since this was asked last.
    pub(super) fn reads(&self) -> usize {
        std::mem::take(&mut self.0.lock().reads)
    }

    pub(super) fn is_synced(&self) -> bool {
        let state = self.0.lock();
        state.synced == state.bytes.len()
    }

    /// Lets only what was announced be in the cache from now on.
    pub(super) fn chill(&self) {
        self.0.lock().cold = true;
    }
}

impl DiskFile for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().bytes.len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        state.reads += 1;
        let rest = state.bytes.get(at as usize..).unwrap_or_default();
        let size = rest.len().min(buffer.len());
        buffer[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }

    fn read_cached_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let state = self.0.lock();
        let cached = !state.cold || state.announced.contains(&at);
        drop(state);
        if cached { self.read_at(at, buffer).map(Some) } else { Ok(None) }
    }

    fn will_read(&self, at: u64, _: u64) {
        self.0.lock().announced.insert(at);
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let end = at as usize + bytes.len();
        if state.bytes.len() < end {
            state.bytes.resize(end, 0);
        }
        state.bytes[at as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.synced = state.bytes.len();
        Ok(())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.0.lock().bytes.resize(bytes as usize, 0);
        Ok(())
    }
}
