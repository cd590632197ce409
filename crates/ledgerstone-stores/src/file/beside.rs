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
    names.any(|name| is_segment(&name))
}

fn is_segment(name: &str) -> bool {
    name.strip_suffix(".log").is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Refuses a folder in which another program keeps files where the log would stand.
pub(crate) fn check_own(folder: &Path) -> Result<(), BackendError> {
    if documents(folder).exists() || has_log(folder) {
        return Ok(());
    }
    let Ok(entries) = std::fs::read_dir(log(folder)) else { return Ok(()) };
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_foreign =
        |name: &String| !name.starts_with(|first: char| first.is_ascii_digit()) && name != "watermark";
    let Some(foreign) = names.find(is_foreign) else { return Ok(()) };
    let message =
        format!("{} holds {foreign}, which is no file of a log; name another folder", log(folder).display());
    Err(BackendError::new(ErrorKind::Misconfigured, BACKEND, "open", message).with_code(Code::ForeignData))
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
