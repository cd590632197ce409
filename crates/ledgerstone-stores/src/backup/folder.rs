//! The folder that backups go into, one after another: a new one is whole before the one before it is let go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ledgerstone_core::{BackendError, Code, ErrorKind, Heads, LogIdentity, Timestamp};

use crate::backup::durable_names::{sync_folder, sync_parent};
use crate::backup::manifest::FORMAT;
use crate::backup::{BACKUP, BackupFile, BackupTaken, Content, Manifest, manifest_path, unusable};
use crate::ownership::{Ownership, Whose, io_failure};

const PARTIAL: &str = ".partial";

/// A folder into which a backup is being taken.
#[derive(Debug)]
pub(crate) struct BackupFolder {
    path: PathBuf,
    lock: Ownership,
    earlier: Option<Manifest>,
    /// The files of the new backup.
    files: Vec<BackupFile>,
    /// Those of them that the earlier backup does not have, to be taken away if this one comes to nothing.
    fresh: Vec<BackupFile>,
    is_finished: bool,
}

impl BackupFolder {
    /// Opens a folder, or makes it; one that holds anything but backups is refused.
    pub(crate) fn open(path: &Path) -> Result<Self, BackendError> {
        let failed = |error| io_failure(BACKUP, "open", path, error);
        if path.is_file() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(failed)?;
        let earlier = Manifest::read(path)?;
        if earlier.is_none()
            && let Some(foreign) = names(path).map_err(failed)?.into_iter().find(|name| !is_ours(name))
        {
            let message = format!(
                "{} holds {foreign:?} and no backup; name an empty folder, or one of earlier backups",
                path.display()
            );
            return Err(
                BackendError::new(ErrorKind::Conflict, BACKUP, "open", message).with_code(Code::NotEmpty)
            );
        }
        if is_new {
            sync_parent(path).map_err(failed)?;
        }
        let lock = Ownership::take(Whose::new(BACKUP, path), lock_path(path))?;
        // Somebody may have finished one while this one waited for the lock.
        let earlier = if earlier.is_some() { Manifest::read(path)? } else { earlier };
        Ok(Self {
            path: path.to_owned(),
            lock,
            earlier,
            files: Vec::new(),
            fresh: Vec::new(),
            is_finished: false,
        })
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a store that the earlier backup is not of, or that has lost events since.
    pub(crate) fn accept(&self, store: &str, log: LogIdentity, heads: Heads) -> Result<(), BackendError> {
        let Some(earlier) = &self.earlier else { return Ok(()) };
        let refuse = |why: String| {
            Err(unusable(
                "backup",
                &self.path,
                format!("{why}; name another folder, this one is left as it is"),
            ))
        };
        if (earlier.store.as_str(), earlier.log) != (store, log) {
            return refuse(format!(
                "it is of another log or epoch, {} of a {}: store, and this is {log} of a {store}: store",
                earlier.log, earlier.store
            ));
        }
        let Heads { application, system } = earlier.heads;
        if heads.application < application || heads.system < system {
            return refuse(format!(
                "it has {application} application and {system} system events, and the store has only {} and {}",
                heads.application, heads.system
            ));
        }
        Ok(())
    }

    /// Returns a file of the earlier backup that is still there.
    pub(crate) fn held(&self, name: &str, bytes: u64) -> Option<BackupFile> {
        let earlier = self.earlier.as_ref()?;
        let file = earlier.files.iter().find(|file| file.name == name && file.bytes == bytes)?;
        let is_there = fs::metadata(self.path.join(name)).is_ok_and(|found| found.len() == bytes);
        is_there.then(|| file.clone())
    }

    /// Returns where a file is written that has no name yet.
    pub(crate) fn partial(&self) -> PathBuf {
        self.path.join(format!("copying{PARTIAL}"))
    }

    /// Gives the file that was written its name.
    pub(crate) fn name(&mut self, file: BackupFile) -> Result<BackupFile, BackendError> {
        let path = self.path.join(&file.name);
        fs::rename(self.partial(), &path).map_err(|error| io_failure(BACKUP, "backup", &path, error))?;
        if !self.is_of_earlier(&file.name) {
            self.fresh.push(file.clone());
        }
        Ok(file)
    }

    /// Says that files belong to the new backup.
    pub(crate) fn add(&mut self, files: impl IntoIterator<Item = BackupFile>) {
        self.files.extend(files);
    }

    fn is_of_earlier(&self, name: &str) -> bool {
        self.earlier.iter().flat_map(|earlier| &earlier.files).any(|file| file.name == name)
    }

    /// Makes the new backup the one that the folder holds, and takes away what only the earlier one had.
    pub(crate) fn finish(
        mut self,
        store: &str,
        log: LogIdentity,
        heads: Heads,
        taken_at: Timestamp,
    ) -> Result<BackupTaken, BackendError> {
        let manifest = Manifest {
            format: FORMAT,
            store: store.to_owned(),
            log,
            heads,
            taken_at,
            ledgerstone: env!("CARGO_PKG_VERSION").to_owned(),
            files: std::mem::take(&mut self.files),
            digest: String::new(),
        };
        self.replace(&manifest).map_err(|error| io_failure(BACKUP, "backup", &self.path, error))?;
        self.is_finished = true;
        let is_kept = |name: &str| {
            !is_ours(name)
                || manifest.files.iter().any(|file| file.name == name)
                || [manifest_path(&self.path), lock_path(&self.path)].contains(&self.path.join(name))
        };
        for name in names(&self.path).unwrap_or_default().into_iter().filter(|name| !is_kept(name)) {
            // The next backup tries again.
            let _ = fs::remove_file(self.path.join(name));
        }
        Ok(BackupTaken {
            log,
            heads,
            taken_at,
            files: manifest.files.len() as u64,
            bytes: manifest.bytes(),
            copied_files: self.fresh.len() as u64,
            copied_bytes: self.fresh.iter().map(|file| file.bytes).sum(),
        })
    }

    fn replace(&self, manifest: &Manifest) -> io::Result<()> {
        let path = manifest_path(&self.path);
        let partial = self.path.join(format!("backup.json{PARTIAL}"));
        // The files are durable under their names before something speaks of them.
        sync_folder(&self.path)?;
        fs::write(&partial, manifest.clone().encode())?;
        fs::File::open(&partial)?.sync_all()?;
        fs::rename(&partial, &path)?;
        sync_folder(&self.path)
    }
}

/// A backup that came to nothing leaves the folder as it was.
impl Drop for BackupFolder {
    fn drop(&mut self) {
        if !self.is_finished {
            let partial = self.path.join(format!("backup.json{PARTIAL}"));
            let fresh = self.fresh.iter().map(|file| self.path.join(&file.name));
            for left in fresh.chain([self.partial(), partial]) {
                let _ = fs::remove_file(left);
            }
        }
        self.lock.release();
        if self.earlier.is_none() && !self.is_finished {
            let _ = fs::remove_file(lock_path(&self.path));
            // Only an empty folder goes.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("backup.json.lock")
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Tells whether a file of this name is a backup's, or what is left of one.
fn is_ours(name: &str) -> bool {
    let is_database = |kind: Content| {
        let rest = name.strip_prefix(database_prefix(kind)).and_then(|rest| rest.strip_suffix(".db"));
        rest.is_some_and(|sum| !sum.is_empty() && sum.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_segment = || {
        let parts = name.strip_suffix(".log").map(|name| name.split('-').collect::<Vec<_>>());
        matches!(parts.as_deref(), Some([number, end, mark])
            if number.len() == 12 && number.parse::<u64>().is_ok() && end.parse::<u64>().is_ok()
                && u32::from_str_radix(mark, 16).is_ok())
    };
    matches!(name, "backup.json" | "backup.json.lock" | "backup.json.partial" | "copying.partial")
        || is_database(Content::Documents)
        || is_database(Content::Database)
        || is_segment()
}

fn database_prefix(kind: Content) -> &'static str {
    if kind == Content::Documents { "documents-" } else { "database-" }
}

/// Returns the name of a database in a backup, by its sum.
pub(crate) fn database_name(kind: Content, sha256: &str) -> String {
    format!("{}{}.db", database_prefix(kind), sha256.get(..16).unwrap_or(sha256))
}
