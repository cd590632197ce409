//! The log that documents stand beside, remembered so that a log that is gone is not taken for one that never was.

use std::path::Path;

use ledgerstone_core::{BackendError, Code, ErrorKind, LogIdentity};
use rusqlite::{OptionalExtension as _, params};

use crate::file::failure::BACKEND;
use crate::file::{documents, log};
use crate::sqlite::database::Database;
use crate::sqlite::failure::failed;

const GET: &str = "SELECT value FROM meta WHERE name = 'beside'";
const PUT: &str = "INSERT OR REPLACE INTO meta (name, value) VALUES ('beside', ?1)";

/// Tells whether a folder has segments of a log.
pub(crate) fn has_log(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(log(folder)) else { return false };
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.any(|name| name.ends_with(".log"))
}

/// Refuses a folder whose log is gone: with a new one it would look as if nothing had ever been recorded.
pub(crate) fn check_log(database: &Database, folder: &Path) -> Result<(), BackendError> {
    if has_log(folder) {
        return Ok(());
    }
    let Some(known) = remembered(database)? else { return Ok(()) };
    let message = format!(
        "the segments of log {known} are missing in {}; bring them back, restore a backup, or delete {} to begin anew",
        log(folder).display(),
        documents(folder).display()
    );
    Err(BackendError::new(ErrorKind::Corrupt, BACKEND, "open", message).with_code(Code::Corrupt))
}

/// Remembers which log is there.
pub(crate) fn remember_log(database: &Database, log: LogIdentity) -> Result<(), BackendError> {
    let id = log.id.to_string();
    if remembered(database)?.as_ref() == Some(&id) {
        return Ok(());
    }
    let _gate = database.gate();
    database.writer()?.execute(PUT, params![id]).map(drop).map_err(failed("open"))
}

fn remembered(database: &Database) -> Result<Option<String>, BackendError> {
    database.read_here(|connection| {
        connection.query_row(GET, [], |row| row.get(0)).optional().map_err(failed("open"))
    })
}
