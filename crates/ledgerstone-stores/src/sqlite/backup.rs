//! Backups of a database: a copy of it, and a new epoch when it is restored.

use std::path::{Path, PathBuf};

use ledgerstone_core::{
    BackendError, Code, ErrorKind, Heads, IdSource as _, Locator, LogIdentity, LogKind, Position,
    TimeOrderedIds,
};
use rusqlite::{Connection, params};

use crate::backup::{BackupFolder, Backups, Check, Content, Copying, Manifest, sync_parent, unusable};
use crate::ownership::{Ownership, Whose, io_failure};
use crate::restore::next_epoch;
use crate::sqlite::copying::{back_up_database, fetch_database};
use crate::sqlite::database::{lock_path, look_at, tidy};
use crate::sqlite::documents::follow_epoch;
use crate::sqlite::events::{head, inspect, stored_identity};
use crate::sqlite::failure::{BACKEND, failed};
use crate::sqlite::restore::check_restored_file;

/// How a database is backed up.
pub(crate) static BACKUPS: Backups = Backups { take, check, restore };

fn take(
    locator: &Locator,
    into: &mut BackupFolder,
    copying: &Copying<'_>,
) -> Result<(LogIdentity, Heads), BackendError> {
    let path = Path::new(locator.place());
    let connection = look_at(path)?;
    check_restored_file(&connection, path)?;
    let (log, heads) = standing(&connection)?;
    into.accept(BACKEND, log, heads)?;
    let mut stands = (log, heads);
    let file = back_up_database(&connection, Content::Database, into, copying, |copy| {
        stands = standing(copy)?;
        Ok(())
    })?;
    drop(connection);
    tidy(path);
    into.accept(BACKEND, stands.0, stands.1)?;
    into.add([file]);
    Ok(stands)
}

/// Reads which log a database holds, and where it stands.
fn standing(connection: &Connection) -> Result<(LogIdentity, Heads), BackendError> {
    let application = Position(head(connection, LogKind::Application)?);
    let system = Position(head(connection, LogKind::System)?);
    Ok((stored_identity(connection)?, Heads { application, system }))
}

fn check(folder: &Path, manifest: &Manifest, check: &mut Check) -> Result<(), BackendError> {
    let Some(file) = manifest.file(Content::Database) else {
        check.problem("it has no database");
        return Ok(());
    };
    let path = folder.join(&file.name);
    let found = inspect(&path)?;
    found.problems.into_iter().for_each(|problem| check.problem(format!("{}: {problem}", file.name)));
    if standing(&look_at(&path)?)? != (manifest.log, manifest.heads) {
        check.problem(format!("{} stands elsewhere than the manifest says", file.name));
    }
    Ok(())
}

fn restore(
    locator: &Locator,
    from: &Path,
    manifest: &Manifest,
    copying: &Copying<'_>,
) -> Result<(LogIdentity, u64), BackendError> {
    let path = PathBuf::from(locator.place());
    let file = manifest.file(Content::Database);
    let file = file.ok_or_else(|| unusable("restore", from, "it has no database"))?;
    if path.exists() {
        let message =
            format!("{} is there already; a backup is restored into a file that is not", path.display());
        return Err(
            BackendError::new(ErrorKind::Conflict, BACKEND, "restore", message).with_code(Code::NotEmpty)
        );
    }
    let failed_at = |error| io_failure(BACKEND, "restore", &path, error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed_at)?;
    }
    let lock = Ownership::take(Whose::new(BACKEND, &path), lock_path(&path))?;
    let growing = restoring_path(&path);
    copying.expect(file.bytes);
    let made = fetch_database(from, file, &growing, copying).and_then(|()| {
        let changed = begin_epoch(&growing, manifest)?;
        std::fs::File::open(&growing).and_then(|file| file.sync_all()).map_err(failed_at)?;
        std::fs::rename(&growing, &path).and_then(|()| sync_parent(&path)).map_err(failed_at)?;
        Ok(changed)
    });
    if made.is_err() {
        let _ = std::fs::remove_file(&growing);
    }
    lock.release();
    made
}

/// Returns where a database grows until it is whole.
fn restoring_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".restoring");
    name.into()
}

/// Makes a copied log go on in a new epoch, and its read models with it.
fn begin_epoch(path: &Path, manifest: &Manifest) -> Result<(LogIdentity, u64), BackendError> {
    let log = next_epoch(manifest.log, Some(manifest.log), TimeOrderedIds.next_id());
    let mut connection = Connection::open(path).map_err(failed("restore"))?;
    let transaction = connection.transaction().map_err(failed("restore"))?;
    let forked = format!("{} {} {}", manifest.log, manifest.heads.application, manifest.heads.system);
    let set = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    transaction.execute(set, params!["epoch", log.epoch]).map_err(failed("restore"))?;
    let name = format!("epoch {} forked from", log.epoch);
    transaction.execute(set, params![name, forked]).map_err(failed("restore"))?;
    let follow = follow_epoch(&transaction, (manifest.log, manifest.heads.application), log)?;
    transaction.commit().map_err(failed("restore"))?;
    connection.close().map_err(|(_, error)| failed("restore")(error))?;
    Ok((log, follow))
}
