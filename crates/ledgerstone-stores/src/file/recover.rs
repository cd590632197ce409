//! A folder made of a backup: everything grows in a folder inside, and is moved into place when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ledgerstone_core::{BackendError, Code, ErrorKind, IdSource as _, Locator, LogIdentity, TimeOrderedIds};
use rusqlite::Connection;

use crate::backend::check_parameters;
use crate::backup::{Content, Copying, Manifest, sync_folder, sync_parent};
use crate::file::backup::fetch_segments;
use crate::file::failure::BACKEND;
use crate::file::restore::{not_committed, open_log};
use crate::file::{PARAMETERS, documents, log};
use crate::ownership::{Ownership, Whose, io_failure};
use crate::restore::next_epoch;
use crate::sqlite::copying::fetch_database;
use crate::sqlite::database::lock_path;
use crate::sqlite::documents::follow_epoch;

/// Returns where a store grows until it is whole.
pub(crate) fn recovering(folder: &Path) -> PathBuf {
    folder.join("restoring")
}

/// Makes a store of a backup in a folder that is empty, or not there.
pub(crate) fn restore(
    locator: &Locator,
    from: &Path,
    manifest: &Manifest,
    copying: &Copying<'_>,
) -> Result<(LogIdentity, u64), BackendError> {
    check_parameters(BACKEND, locator, PARAMETERS)?;
    let folder = Path::new(locator.place());
    check_empty(folder)?;
    let failed_at = |error| io_failure(BACKEND, "restore", folder, error);
    let is_new = !folder.exists();
    fs::create_dir_all(folder).and_then(|()| sync_parent(folder)).map_err(failed_at)?;
    let lock = Ownership::take(Whose::new(BACKEND, folder), lock_path(&documents(folder)))?;
    // Somebody may have made a store while this one waited for the lock.
    check_empty(folder)?;
    let made = make(folder, from, manifest, copying);
    if made.is_err() {
        // What stays is refused by whoever opens it, and taken away by the next restore.
        let _ = remove_left(folder);
    }
    lock.release();
    if made.is_err() && is_new {
        let _ = fs::remove_file(lock_path(&documents(folder)));
        // Only an empty folder goes.
        let _ = fs::remove_dir(folder);
    }
    made
}

/// Refuses a folder that holds anything but what a restore left that was killed.
fn check_empty(folder: &Path) -> Result<(), BackendError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| io_failure(BACKEND, "restore", folder, error))?,
    };
    let is_left = recovering(folder).exists();
    let lock = lock_path(&documents(folder));
    for entry in entries {
        let path = entry.map_err(|error| io_failure(BACKEND, "restore", folder, error))?.path();
        // The documents are moved into place before the log, and the folder inside goes last.
        let is_ours =
            path == lock || (is_left && [recovering(folder), documents(folder), log(folder)].contains(&path));
        if !is_ours {
            let message = format!(
                "{} is not empty; a backup is restored into an empty folder, or one that is not there",
                folder.display()
            );
            return Err(
                BackendError::new(ErrorKind::Conflict, BACKEND, "restore", message).with_code(Code::NotEmpty)
            );
        }
    }
    Ok(())
}

/// Takes away what a restore left that was not finished.
fn remove_left(folder: &Path) -> io::Result<()> {
    if !recovering(folder).exists() {
        return Ok(());
    }
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    gone(fs::remove_file(documents(folder)))?;
    gone(fs::remove_dir_all(log(folder)))?;
    fs::remove_dir_all(recovering(folder))
}

fn make(
    folder: &Path,
    from: &Path,
    manifest: &Manifest,
    copying: &Copying<'_>,
) -> Result<(LogIdentity, u64), BackendError> {
    let failed_at = |error| io_failure(BACKEND, "restore", folder, error);
    remove_left(folder).map_err(failed_at)?;
    let growing = recovering(folder);
    fs::create_dir(&growing).and_then(|()| sync_folder(folder)).map_err(failed_at)?;
    fs::create_dir(log(&growing)).map_err(failed_at)?;
    copying.expect(manifest.bytes());
    fetch_segments(from, manifest, &log(&growing), copying)?;
    let identity = begin_epoch(&growing, manifest)?;
    let mut read_models = 0;
    if let Some(file) = manifest.file(Content::Documents) {
        fetch_database(from, file, &documents(&growing), copying)?;
        read_models = follow(&documents(&growing), manifest, identity)?;
    }
    put_in_place(folder, &growing).map_err(failed_at)?;
    Ok((identity, read_models))
}

/// Makes the copied log go on in a new epoch; its first segment says where it forked.
fn begin_epoch(growing: &Path, manifest: &Manifest) -> Result<LogIdentity, BackendError> {
    let mut opened = open_log(&log(growing))?;
    let found = (opened.reader.identity(), opened.reader.heads());
    if found != (manifest.log, manifest.heads) {
        let message =
            format!("the copied log is {} at {:?}, which is not that of the backup", found.0, found.1);
        return Err(BackendError::new(ErrorKind::Corrupt, BACKEND, "restore", message)
            .with_code(Code::BackupUnusable));
    }
    let identity = next_epoch(manifest.log, Some(manifest.log), TimeOrderedIds.next_id());
    let begun = opened.appender.become_log(identity);
    opened.appender.close();
    begun.map_err(not_committed)?;
    Ok(identity)
}

fn follow(documents: &Path, manifest: &Manifest, log: LogIdentity) -> Result<u64, BackendError> {
    use crate::sqlite::failure::failed;
    let mut connection = Connection::open(documents).map_err(failed("restore"))?;
    let transaction = connection.transaction().map_err(failed("restore"))?;
    let moved = follow_epoch(&transaction, (manifest.log, manifest.heads.application), log)?;
    transaction.commit().map_err(failed("restore"))?;
    connection.close().map_err(|(_, error)| failed("restore")(error))?;
    let synced = fs::File::open(documents).and_then(|file| file.sync_all());
    synced.map_err(|error| io_failure(BACKEND, "restore", documents, error))?;
    Ok(moved)
}

fn put_in_place(folder: &Path, growing: &Path) -> io::Result<()> {
    sync_folder(&log(growing))?;
    sync_folder(growing)?;
    if documents(growing).exists() {
        fs::rename(documents(growing), documents(folder))?;
    }
    fs::rename(log(growing), log(folder))?;
    sync_folder(folder)?;
    fs::remove_dir_all(growing)?;
    sync_folder(folder)
}
