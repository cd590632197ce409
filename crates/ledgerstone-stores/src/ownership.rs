//! Ownership of a data folder: one process at a time, which says who it is and where it listens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind as IoErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// How often, and how long apart, a lock is tried: somebody may just be looking who holds it.
const GLANCES: u32 = 5;
/// How often a lock that this very process still holds is tried: a store that was dropped ends soon.
const OWN_GLANCES: u32 = 100;
const BETWEEN: Duration = Duration::from_millis(20);

/// Who holds a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process.
    pub pid: u32,
    /// Where its server listens, such as `127.0.0.1:7400`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Whose a lock is: what is said to be in use, and by the words of which backend.
#[derive(Debug, Clone)]
pub(crate) struct Whose {
    backend: &'static str,
    place: PathBuf,
}

impl Whose {
    /// Names a backend, and the folder or file as its locator does.
    pub(crate) fn new(backend: &'static str, place: &Path) -> Self {
        Self { backend, place: place.to_owned() }
    }

    /// Keeps anybody from owning it as long as the file is held, or says who does; nothing where there is no lock file.
    ///
    /// It may wait for a moment, as somebody may just be looking who does.
    pub(crate) fn share(&self, lock: &Path) -> Result<Option<File>, BackendError> {
        let file = match File::open(lock) {
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| self.cannot_be_locked(lock, error))?,
        };
        for glance in 0.. {
            match file.try_lock_shared() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if glance < GLANCES => std::thread::sleep(BETWEEN),
                Err(TryLockError::WouldBlock) => return Err(self.is_in_use(read_owner(lock))),
                // On a file system without such locks nobody could own it either.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
        Ok(Some(file))
    }

    fn is_in_use(&self, owner: Option<Owner>) -> BackendError {
        let by = match &owner {
            Some(Owner { pid, address: Some(address) }) => {
                format!("process {pid}, which serves it at http://{address}; use that address, or stop it")
            }
            Some(Owner { pid, address: None }) => format!("process {pid}; wait for it or stop it"),
            None => "another process; wait for it or stop it".to_owned(),
        };
        let message = format!("{} is in use by {by}", self.place.display());
        BackendError::new(ErrorKind::Unavailable, self.backend, "open", message).with_code(Code::Owned)
    }

    fn cannot_be_locked(&self, at: &Path, error: std::io::Error) -> BackendError {
        io_failure(self.backend, "lock", at, error)
    }
}

/// The lock on a data folder, held until it is released or its last clone is dropped.
///
/// The lock is the operating system's, so it goes when the process goes, however it goes.
#[derive(Debug, Clone)]
pub struct Ownership(Arc<Held>);

#[derive(Debug)]
struct Held {
    whose: Whose,
    path: PathBuf,
    file: Mutex<Option<File>>,
    /// The data itself, locked too, for the case that somebody deletes the lock file.
    data: Mutex<Option<File>>,
}

impl Ownership {
    /// Takes the lock file at `path`, or says who holds it. It may wait for a moment: not for the runtime.
    pub(crate) fn take(whose: Whose, path: PathBuf) -> Result<Self, BackendError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(|error| whose.cannot_be_locked(&path, error))?;
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(whose.cannot_be_locked(&path, error)),
                Err(TryLockError::WouldBlock) => {}
            }
            tries += 1;
            let owner = read_owner(&path);
            let ours = owner.as_ref().is_some_and(|owner| owner.pid == std::process::id());
            if tries >= if ours { OWN_GLANCES } else { GLANCES } {
                return Err(whose.is_in_use(owner));
            }
            std::thread::sleep(BETWEEN);
        }
        let (file, data) = (Mutex::new(Some(file)), Mutex::new(None));
        let ownership = Self(Arc::new(Held { whose, path, file, data }));
        ownership.write(Some(&Owner { pid: std::process::id(), address: None }));
        Ok(ownership)
    }

    /// Locks the data file too, so that deleting the lock file lets nobody in.
    pub(crate) fn guard(&self, data: &Path) -> Result<(), BackendError> {
        let whose = &self.0.whose;
        let file = File::open(data).map_err(|error| whose.cannot_be_locked(data, error))?;
        for glance in 0.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if glance < GLANCES => std::thread::sleep(BETWEEN),
                Err(TryLockError::WouldBlock) => return Err(whose.is_in_use(None)),
                // A file system without such locks leaves the lock file alone to do it.
                Err(TryLockError::Error(_)) => return Ok(()),
            }
        }
        *self.0.data.lock() = Some(file);
        Ok(())
    }

    /// Tells other processes where this one's server listens.
    pub fn publish_address(&self, address: &str) {
        self.write(Some(&Owner { pid: std::process::id(), address: Some(address.to_owned()) }));
    }

    /// Gives the folder free, for every clone.
    pub(crate) fn release(&self) {
        self.write(None);
        self.0.data.lock().take();
        self.0.file.lock().take();
    }

    /// Writes who holds the lock; what cannot be written leaves the lock as good as it is.
    fn write(&self, owner: Option<&Owner>) {
        let mut held = self.0.file.lock();
        let Some(file) = held.as_mut() else { return };
        let text = owner.and_then(|owner| serde_json::to_vec(owner).ok()).unwrap_or_default();
        let written = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0)));
        if let Err(error) = written.and_then(|_| file.write_all(&text)) {
            tracing::warn!(path = %self.0.path.display(), %error, "the lock file could not be written");
        }
    }
}

/// Tells who holds the lock file at `path` now, if anybody does.
pub(crate) fn owner_of_lock(path: &Path) -> Option<Owner> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Ok(()) => None,
        Err(_) => read_owner(path),
    }
}

fn read_owner(path: &Path) -> Option<Owner> {
    let mut text = String::new();
    File::open(path).ok()?.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Says that a store was opened only to read it.
pub(crate) fn only_read(backend: &'static str, operation: &'static str) -> BackendError {
    let message = "the store was opened only to be read; go through its owner, or open it to write";
    BackendError::new(ErrorKind::Misconfigured, backend, operation, message).with_code(Code::ReadOnly)
}

/// Says what a failure of the file system means for the data at `path`.
pub(crate) fn io_failure(
    backend: &'static str,
    operation: &'static str,
    path: &Path,
    error: std::io::Error,
) -> BackendError {
    let at = path.display();
    let (kind, code, message) = match error.kind() {
        IoErrorKind::PermissionDenied | IoErrorKind::ReadOnlyFilesystem => (
            ErrorKind::Misconfigured,
            Code::ReadOnly,
            format!("{at} cannot be written; give this user the right to, or choose another place"),
        ),
        IoErrorKind::StorageFull | IoErrorKind::QuotaExceeded => (
            ErrorKind::Unavailable,
            Code::DiskFull,
            format!("no space is left for {at}; make room and try again"),
        ),
        IoErrorKind::NotADirectory | IoErrorKind::IsADirectory | IoErrorKind::AlreadyExists => (
            ErrorKind::Misconfigured,
            Code::Locator,
            format!("{at} is not a place for a file or a folder; name another one"),
        ),
        _ => (ErrorKind::Unavailable, Code::Unreachable, format!("{at}: {error}")),
    };
    BackendError::new(kind, backend, operation, message).with_code(code).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(folder: &Path) -> Whose {
        Whose::new("file", folder)
    }

    #[test]
    fn a_lock_names_its_owner_until_it_is_released() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db.lock");
        assert_eq!(owner_of_lock(&path), None);
        let held = Ownership::take(whose(folder.path()), path.clone()).expect("free");
        held.publish_address("127.0.0.1:7400");
        let pid = std::process::id();
        assert_eq!(owner_of_lock(&path), Some(Owner { pid, address: Some("127.0.0.1:7400".to_owned()) }));
        held.release();
        assert_eq!(owner_of_lock(&path), None);
    }

    #[test]
    fn a_second_taker_is_told_who_holds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.db.lock");
        let _held = Ownership::take(whose(folder.path()), path.clone()).expect("free");
        let refused = Ownership::take(whose(folder.path()), path).expect_err("held");
        assert_eq!((refused.code(), refused.backend()), (Code::Owned, "file"));
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        let named = format!("{} is in use", folder.path().display());
        assert!(refused.to_string().contains(&named), "{refused}");
    }
}
