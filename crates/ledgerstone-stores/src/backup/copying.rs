//! Copying with a sum over the bytes, and with somebody who looks on and may say stop.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerstone_core::{BackendError, ErrorKind};
use sha2::{Digest, Sha256};

use crate::backup::BACKUP;
use crate::ownership::io_failure;

/// How many bytes are copied between two looks at who looks on.
const PIECE: usize = 1024 * 1024;

/// Who looks on while files are copied or read.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Told how many bytes of how many are done.
    pub progress: &'a dyn Fn(u64, u64),
    /// Asked between two pieces whether to stop.
    pub stop: &'a AtomicBool,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// Work over bytes that are counted.
#[derive(Debug)]
pub(crate) struct Copying<'a> {
    watch: Watch<'a>,
    operation: &'static str,
    done: Cell<u64>,
    total: Cell<u64>,
}

/// Where bytes are read from: like [`std::os::unix::fs::FileExt::read_at`].
type ReadAt<'a> = &'a dyn Fn(u64, &mut [u8]) -> io::Result<usize>;

impl<'a> Copying<'a> {
    pub(crate) fn new(watch: Watch<'a>, operation: &'static str) -> Self {
        Self { watch, operation, done: Cell::new(0), total: Cell::new(0) }
    }

    /// Says that so many more bytes will be worked on.
    pub(crate) fn expect(&self, bytes: u64) {
        self.total.set(self.total.get() + bytes);
        (self.watch.progress)(self.done.get(), self.total.get());
    }

    /// Says that so many more bytes are done; an error means that somebody said stop.
    pub(crate) fn advance(&self, bytes: u64) -> Result<(), BackendError> {
        self.done.set(self.done.get() + bytes);
        (self.watch.progress)(self.done.get(), self.total.get());
        if self.watch.stop.load(Ordering::Relaxed) {
            return Err(BackendError::new(ErrorKind::Internal, BACKUP, self.operation, "it was interrupted"));
        }
        Ok(())
    }

    /// Copies the first `bytes` bytes into a new file, durably; returns their SHA-256.
    pub(crate) fn copy(&self, from: ReadAt<'_>, bytes: u64, to: &Path) -> Result<String, CopyError> {
        let failed = |error| CopyError::To(io_failure(BACKUP, self.operation, to, error));
        let mut file = File::create(to).map_err(failed)?;
        let mut sum = Sha256::new();
        let mut piece = vec![0; PIECE];
        let mut at = 0;
        while at < bytes {
            let wanted = usize::try_from(bytes - at).unwrap_or(PIECE).min(PIECE);
            let read = from(at, piece.get_mut(..wanted).unwrap_or_default()).map_err(CopyError::From)?;
            if read == 0 {
                return Err(CopyError::From(io::ErrorKind::UnexpectedEof.into()));
            }
            let read = piece.get(..read).unwrap_or_default();
            sum.update(read);
            file.write_all(read).map_err(failed)?;
            at += read.len() as u64;
            self.advance(read.len() as u64).map_err(CopyError::To)?;
        }
        file.sync_all().map_err(failed)?;
        Ok(hex(sum))
    }

    /// Reads a whole file; returns how many bytes it has and their SHA-256.
    pub(crate) fn digest(&self, path: &Path) -> Result<(u64, String), CopyError> {
        let mut file = File::open(path).map_err(CopyError::From)?;
        let (mut sum, mut bytes) = (Sha256::new(), 0);
        let mut piece = vec![0; PIECE];
        loop {
            let read = match file.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(CopyError::From)?,
            };
            if read == 0 {
                return Ok((bytes, hex(sum)));
            }
            sum.update(piece.get(..read).unwrap_or_default());
            bytes += read as u64;
            self.advance(read as u64).map_err(CopyError::To)?;
        }
    }
}

/// Why something was not copied.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// It could not be read.
    From(io::Error),
    /// It could not be written, or somebody said stop.
    To(BackendError),
}

impl CopyError {
    /// Takes it as an error of what is read, whose name is given.
    pub(crate) fn reading(self, operation: &'static str, path: &Path) -> BackendError {
        match self {
            Self::From(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                BackendError::new(ErrorKind::Unavailable, BACKUP, operation, message).with_source(error)
            }
            Self::To(error) => error,
        }
    }
}

/// Returns a sum as text.
pub(crate) fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
