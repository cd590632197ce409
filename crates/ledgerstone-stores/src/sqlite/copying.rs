//! A copy of a database as it stands at one moment, whoever writes to it meanwhile.

use std::path::Path;

use ledgerstone_core::{BackendError, Code, ErrorKind};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::backup::{BackupFile, BackupFolder, Content, Copying, database_name};
use crate::ownership::io_failure;
use crate::sqlite::failure::{BACKEND, failed};

/// How many pages are copied between two looks at who looks on.
const PAGES: i32 = 256;

/// Copies a database into a folder of backups, unless it is there already.
///
/// `look` is shown the copy before it gets its name.
pub(crate) fn back_up_database(
    from: &Connection,
    holds: Content,
    into: &mut BackupFolder,
    copying: &Copying<'_>,
    look: impl FnOnce(&Connection) -> Result<(), BackendError>,
) -> Result<BackupFile, BackendError> {
    let partial = into.partial();
    // What an earlier attempt left does not matter.
    let _ = std::fs::remove_file(&partial);
    copy_database(from, &partial, copying)?;
    let copy = open_copy(&partial)?;
    look(&copy)?;
    drop(copy);
    let failed = |error| io_failure(BACKEND, "backup", &partial, error);
    std::fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
    copying.expect(std::fs::metadata(&partial).map_err(failed)?.len());
    let sum = copying.digest(&partial).map_err(|error| error.reading("backup", &partial))?;
    let (bytes, sha256) = sum;
    let file = BackupFile { name: database_name(holds, &sha256), holds, bytes, sha256 };
    match into.held(&file.name, file.bytes) {
        Some(held) => {
            let _ = std::fs::remove_file(&partial);
            Ok(held)
        }
        None => into.name(file),
    }
}

/// Copies every page into a new file; the copy is complete without a write-ahead log, and not synced yet.
fn copy_database(from: &Connection, to: &Path, copying: &Copying<'_>) -> Result<(), BackendError> {
    let snapshot = from.unchecked_transaction().map_err(failed("backup"))?;
    // The first look begins the snapshot; while it stands, nobody's commit makes the copying begin anew.
    let pages: i64 =
        snapshot.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(failed("backup"))?;
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed("backup"))?;
    let page: i64 = snapshot.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(failed("backup"))?;
    let bytes = |pages: i64| u64::try_from(pages.saturating_mul(page)).unwrap_or_default();
    copying.expect(bytes(pages));
    let mut copy = Connection::open(to).map_err(failed("backup"))?;
    // The file is synced as a whole in the end.
    copy.pragma_update(None, "synchronous", "OFF").map_err(failed("backup"))?;
    {
        let backup = Backup::new(&snapshot, &mut copy).map_err(failed("backup"))?;
        loop {
            let step = backup.step(PAGES).map_err(failed("backup"))?;
            copying.advance(bytes(i64::from(PAGES)).min(bytes(pages)))?;
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                _ => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
    }
    // Else whoever opens the copy would write a log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).map_err(failed("backup"))?;
    copy.close().map_err(|(_, error)| failed("backup")(error))
}

/// Opens a copy that nobody else opens, to read it.
pub(crate) fn open_copy(path: &Path) -> Result<Connection, BackendError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(failed("open"))
}

/// Lets SQLite look at every page; returns what it finds wrong.
pub(crate) fn integrity(connection: &Connection) -> Result<Vec<String>, BackendError> {
    let mut statement = connection.prepare("PRAGMA integrity_check").map_err(failed("verify"))?;
    let found = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed("verify"))?;
    let found: Vec<String> = found.collect::<Result<_, _>>().map_err(failed("verify"))?;
    Ok(found.into_iter().filter(|text| text != "ok").collect())
}

/// Copies a database of a backup to where it is used, and checks that the bytes are those of the backup.
pub(crate) fn fetch_database(
    from: &Path,
    file: &BackupFile,
    to: &Path,
    copying: &Copying<'_>,
) -> Result<(), BackendError> {
    let path = from.join(&file.name);
    let unread = |error| io_failure(BACKEND, "restore", &path, error);
    let source = std::fs::File::open(&path).map_err(unread)?;
    let read = |at, buffer: &mut [u8]| std::os::unix::fs::FileExt::read_at(&source, buffer, at);
    let sum = copying.copy(&read, file.bytes, to).map_err(|error| error.reading("restore", &path))?;
    if sum == file.sha256 {
        return Ok(());
    }
    let message = format!("{} changed while it was copied; verify the backup", path.display());
    Err(BackendError::new(ErrorKind::Corrupt, BACKEND, "restore", message).with_code(Code::BackupUnusable))
}
