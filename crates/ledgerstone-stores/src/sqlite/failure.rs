//! What a failure of SQLite means, in the words that every backend shares.

use ledgerstone_core::{BackendError, Code, ErrorKind};
use rusqlite::ErrorCode;

/// The name of this backend in errors, and its scheme.
pub(crate) const BACKEND: &str = "sqlite";

/// Returns what turns an error of SQLite into one of `operation`: for `map_err`.
pub(crate) fn failed(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> BackendError {
    move |error| failure(operation, error)
}

/// Turns an error of SQLite into one of `operation`.
pub(crate) fn failure(operation: &'static str, error: rusqlite::Error) -> BackendError {
    let code = error.sqlite_error_code();
    let (kind, code, message) = match code {
        Some(ErrorCode::DiskFull) => (
            ErrorKind::Unavailable,
            Code::DiskFull,
            "no space is left on the disk; make room and try again".to_owned(),
        ),
        Some(
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied,
        ) => (
            ErrorKind::Misconfigured,
            Code::ReadOnly,
            "the database cannot be written; give this user the right to".to_owned(),
        ),
        Some(ErrorCode::NotADatabase) => (
            ErrorKind::Misconfigured,
            Code::ForeignData,
            "the file is no SQLite database; name another file".to_owned(),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            ErrorKind::Corrupt,
            Code::Corrupt,
            format!("the database is damaged; restore a backup ({error})"),
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::Unavailable,
            Code::Unreachable,
            "another program holds the database locked; close it and try again".to_owned(),
        ),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::OutOfMemory) => {
            (ErrorKind::Unavailable, Code::Unreachable, error.to_string())
        }
        _ => (ErrorKind::Internal, Code::Internal, error.to_string()),
    };
    BackendError::new(kind, BACKEND, operation, message).with_code(code).with_source(error)
}

/// Says that stored bytes do not read back, and where.
pub(crate) fn corrupt(operation: &'static str, what: impl std::fmt::Display) -> BackendError {
    let message = format!("{what}; restore a backup");
    BackendError::new(ErrorKind::Corrupt, BACKEND, operation, message)
}
