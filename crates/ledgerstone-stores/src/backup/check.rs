//! The check of a backup: every file is there with the bytes that were written.

use std::path::Path;

use ledgerstone_core::BackendError;

use crate::backup::copying::{CopyError, Copying};
use crate::backup::{Manifest, unusable};

/// What was found wrong with a backup.
#[derive(Debug, Default)]
pub(crate) struct Check {
    pub(crate) problems: Vec<String>,
}

/// Reads the manifest of a whole backup, or says that there is none.
pub(crate) fn read_checked(folder: &Path) -> Result<Manifest, BackendError> {
    if let Some(manifest) = Manifest::read(folder)? {
        return Ok(manifest);
    }
    let why = if folder.is_dir() {
        "it has no backup.json, so it is none, or was never finished"
    } else {
        "there is no such folder"
    };
    Err(unusable("open", folder, why))
}

impl Check {
    /// Notes a problem.
    pub(crate) fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Reads every file and compares it with what the manifest says.
    pub(crate) fn files(
        &mut self,
        folder: &Path,
        manifest: &Manifest,
        copying: &Copying<'_>,
    ) -> Result<(), BackendError> {
        copying.expect(manifest.bytes());
        for file in &manifest.files {
            let name = &file.name;
            match copying.digest(&folder.join(name)) {
                Ok((bytes, _)) if bytes != file.bytes => {
                    self.problem(format!("{name} has {bytes} bytes and had {}", file.bytes));
                }
                Ok((_, sum)) if sum != file.sha256 => {
                    self.problem(format!("{name} is damaged: its bytes are not those that were written"));
                }
                Ok(_) => {}
                Err(CopyError::From(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                    self.problem(format!("{name} is missing"));
                }
                Err(CopyError::From(error)) => self.problem(format!("{name} cannot be read: {error}")),
                Err(CopyError::To(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
