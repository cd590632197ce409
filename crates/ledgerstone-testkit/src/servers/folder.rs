//! A temporary folder of one server, removed when it goes out of scope.

use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::server_error::ServerError;

/// A folder that nobody else knows.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Creates an empty folder among the system's temporary files.
    pub(super) fn create(of: &str) -> Result<Self, ServerError> {
        let path = std::env::temp_dir().join(format!("ledgerstone-{of}-{}", Uuid::new_v4().simple()));
        let what = || format!("{} could not be created", path.display());
        fs::create_dir(&path).map_err(|error| ServerError::machine(what())(error))?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind is in the system's temporary files, where it is swept up.
        let _ = fs::remove_dir_all(&self.path);
    }
}
