//! The folder that closed segments are moved to: apart from the store's own, and one store's only.

use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Write as _};
use std::path::{Path, PathBuf};

use ledgerstone_core::{BackendError, Locator};

use crate::backend::misplaced;
use crate::file::failure::BACKEND;
use crate::file::log;
use crate::ownership::io_failure;

/// What a locator says of it.
pub(crate) const ARCHIVE: &str = "archive";
/// The file in it that names the folder whose archive it is.
const OWNER: &str = "owner";

/// The archive of a folder.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveFolder {
    pub(crate) path: PathBuf,
    store: PathBuf,
}

impl ArchiveFolder {
    /// Takes what a locator names, if it names one; it may not be where the store itself stands.
    pub(crate) fn of(locator: &Locator) -> Result<Option<Self>, BackendError> {
        let Some(archive) = locator.parameter(ARCHIVE) else { return Ok(None) };
        let (path, store) = (PathBuf::from(archive), PathBuf::from(locator.place()));
        if archive.is_empty() {
            return Err(misplaced(BACKEND, "the archive is no folder; write it like archive=/mnt/archive"));
        }
        // A name that was mistyped, or what is not mounted, shall not become a folder of its own somewhere.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
            let message = format!("the archive cannot stand in {}, which is no folder", parent.display());
            return Err(misplaced(BACKEND, message));
        }
        if is_same(&path, &store) || is_same(&path, &log(&store)) {
            let message =
                format!("{archive} is the folder of the store itself; name another one as its archive");
            return Err(misplaced(BACKEND, message));
        }
        Ok(Some(Self { path, store }))
    }

    /// Refuses it if it is another store's; tells whether it is this one's already.
    pub(crate) fn is_ours(&self) -> Result<bool, BackendError> {
        match fs::read_to_string(self.path.join(OWNER)) {
            Ok(named) if named.trim_end() == self.store()? => Ok(true),
            Ok(named) => {
                let message = format!(
                    "{} is the archive of {}; give this store one of its own, or delete the file {OWNER} there if that \
                     one was moved here",
                    self.path.display(),
                    named.trim_end()
                );
                Err(misplaced(BACKEND, message))
            }
            Err(error) if error.kind() == IoErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Makes it this store's, or refuses it if it is another one's.
    pub(crate) fn claim(&self) -> Result<(), BackendError> {
        if self.is_ours()? {
            return Ok(());
        }
        let store = self.store()?;
        let written = File::create_new(self.path.join(OWNER)).and_then(|mut file| {
            writeln!(file, "{store}")?;
            file.sync_all()
        });
        written.map_err(|error| self.failed(error))
    }

    fn store(&self) -> Result<String, BackendError> {
        let store = fs::canonicalize(&self.store).map_err(|error| self.failed(error))?;
        Ok(store.to_string_lossy().into_owned())
    }

    fn failed(&self, error: std::io::Error) -> BackendError {
        io_failure(BACKEND, "archive", &self.path, error)
    }
}

/// Tells whether two paths lead to one folder, by links and mounts too.
#[cfg(unix)]
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    place(one).is_some_and(|one| Some(one) == place(other))
}

#[cfg(not(unix))]
fn is_same(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}
