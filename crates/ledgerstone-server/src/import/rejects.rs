//! The rejects file: every row that was not imported, with its line and the reason.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::failure::Failure;

/// Collects rejected rows in a file beside the final one, which gets its name in the end.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    partial: PathBuf,
    file: Option<BufWriter<File>>,
}

#[derive(Serialize)]
struct Reject<'a> {
    line: u64,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row_base64: Option<String>,
}

impl Rejects {
    /// Names the file; nothing is written before the first row comes.
    pub(super) fn new(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.partial"));
        Self { path: path.to_owned(), partial, file: None }
    }

    /// Adds a row; one that is no text is kept as base64.
    pub(super) fn add(&mut self, line: u64, raw: &[u8], reason: &str) -> Result<(), Failure> {
        let text = std::str::from_utf8(raw).ok();
        let reject =
            Reject { line, reason, row: text, row_base64: text.is_none().then(|| STANDARD.encode(raw)) };
        let mut json = serde_json::to_vec(&reject).unwrap_or_default();
        json.push(b'\n');
        let path = self.path.display();
        let failed = |error: &std::io::Error| {
            Failure::io(format!("the rejects file {path} cannot be written"), error)
                .with_help("name another file with --rejects")
        };
        let mut file = match self.file.take() {
            Some(file) => file,
            None => BufWriter::new(File::create(&self.partial).map_err(|error| failed(&error))?),
        };
        file.write_all(&json).map_err(|error| failed(&error))?;
        self.file = Some(file);
        Ok(())
    }

    /// Puts the file in its place, and returns it if there were rejected rows.
    ///
    /// The file of an earlier run goes away even if there were none, so that nobody mends rows twice.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>, Failure> {
        let path = self.path.display();
        let failed =
            |error: std::io::Error| Failure::io(format!("the rejects file {path} cannot be written"), &error);
        let Some(mut file) = self.file.take() else {
            return match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(None),
            };
        };
        file.flush().map_err(failed)?;
        file.get_ref().sync_all().map_err(failed)?;
        std::fs::rename(&self.partial, &self.path).map_err(failed)?;
        Ok(Some(self.path.clone()))
    }
}

/// A run that failed leaves no half-written file.
impl Drop for Rejects {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}
