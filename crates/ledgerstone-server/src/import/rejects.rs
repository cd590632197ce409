//! The rejects file: every row that was not imported, with its line and the reason.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::row::MAX_ROW_BYTES;
use super::source::Input;
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

/// A reject as it is read back, to see that a file is one of ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[expect(dead_code, reason = "it only has to be there")]
    line: u64,
    #[expect(dead_code, reason = "it only has to be there")]
    reason: String,
    row: Option<String>,
    row_base64: Option<String>,
}

/// The longest first line that is looked at: the largest row, escaped, with its reason.
const FIRST_LINE_BYTES: u64 = 7 * MAX_ROW_BYTES as u64;

/// Refuses a rejects file that is the input, or that holds anything but rejects of an earlier run.
pub(super) fn check_rejects(path: &Path, input: &Input) -> Result<(), Failure> {
    let refuse = |why: &str| {
        Err(Failure::usage(format!("the rejects file {} {why}", path.display()))
            .with_help("name another file with --rejects"))
    };
    if let Input::File(input) = input
        && let Ok(input) = input.canonicalize()
    {
        let is_input = |path: &Path| path.canonicalize().is_ok_and(|path| path == input);
        if is_input(path) || is_input(&partial_of(path)) {
            return refuse("would replace the input");
        }
    }
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return refuse(&format!("cannot be looked at: {error}")),
    };
    if !found.is_file() {
        return refuse("is no regular file");
    }
    if found.len() > 0 && !begins_with_a_reject(path) {
        return refuse("exists and holds something else");
    }
    Ok(())
}

fn begins_with_a_reject(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let reader = BufReader::new(file).take(FIRST_LINE_BYTES);
    let first = serde_json::Deserializer::from_reader(reader).into_iter::<Known>().next();
    first.is_some_and(|known| known.is_ok_and(|known| known.row.is_some() || known.row_base64.is_some()))
}

fn partial_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial"))
}

impl Rejects {
    /// Names the file; nothing is written before the first row comes.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), partial: partial_of(path), file: None }
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
    /// The file of an earlier run goes away even if there were none, so that nobody mends rows twice;
    /// any other file is left alone.
    pub(super) fn finish(mut self, input: &Input) -> Result<Option<PathBuf>, Failure> {
        check_rejects(&self.path, input)?;
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
