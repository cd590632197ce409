//! What goes wrong in a log, as an error of the store.

use ledgerstone_core::{BackendError, Code, ErrorKind};
use ledgerstone_log::LogError;

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
            error if error.is_full() => (ErrorKind::Unavailable, Code::DiskFull),
            error if error.is_read_only() => (ErrorKind::Unavailable, Code::ReadOnly),
            _ => (ErrorKind::Unavailable, Code::Internal),
        };
        BackendError::new(kind, BACKEND, operation, error.to_string()).with_code(code).with_source(error)
    }
}
