//! What goes wrong in a log, as an error of the store.

use std::path::Path;

use ledgerstone_core::{BackendError, Code, ErrorKind};
use ledgerstone_log::LogError;

use crate::file::beside::has_log;
use crate::file::documents;

/// The name of this backend.
pub(crate) const BACKEND: &str = "file";

/// Returns what makes a failure of the log an error of the store.
pub(crate) fn failed(operation: &'static str) -> impl Fn(LogError) -> BackendError {
    move |error| {
        let (kind, code) = match &error {
            LogError::Damaged { .. } | LogError::Mixed(_) => (ErrorKind::Corrupt, Code::Corrupt),
            LogError::Replaced { .. } => (ErrorKind::Unavailable, Code::Owned),
            LogError::Archive(_) => (ErrorKind::Misconfigured, Code::Locator),
            LogError::Newer { .. } => (ErrorKind::Misconfigured, Code::NewerSchema),
            error if error.is_missing() => (ErrorKind::Corrupt, Code::Corrupt),
            error if error.is_full() => (ErrorKind::Unavailable, Code::DiskFull),
            error if error.is_read_only() => (ErrorKind::Unavailable, Code::ReadOnly),
            _ => (ErrorKind::Unavailable, Code::Internal),
        };
        BackendError::new(kind, BACKEND, operation, error.to_string()).with_code(code).with_source(error)
    }
}

/// Says of documents that cannot be used that the events of the folder stand apart from them.
pub(crate) fn apart_from_events(folder: &Path) -> impl Fn(BackendError) -> BackendError {
    move |error| {
        if !matches!(error.code(), Code::ForeignData | Code::Corrupt) || !has_log(folder) {
            return error;
        }
        let is = if error.code() == Code::Corrupt { "is damaged" } else { "holds no documents of a store" };
        let message = format!(
            "{} {is}, and the events are not in it; move it away, and read models are built anew from them",
            documents(folder).display()
        );
        BackendError::new(ErrorKind::Corrupt, BACKEND, "open", message)
            .with_code(Code::Corrupt)
            .with_source(error)
    }
}
