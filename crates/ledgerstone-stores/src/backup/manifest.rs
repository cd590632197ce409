//! The manifest of a backup: which log, where it stood, and every file with its size and its sum.

use std::path::{Path, PathBuf};

use ledgerstone_core::{BackendError, Code, ErrorKind, Heads, LogIdentity, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::backup::copying::hex;
use crate::backup::{BACKUP, unusable};
use crate::ownership::io_failure;

/// The newest version of the format that is known here.
pub(crate) const FORMAT: u32 = 1;
/// The largest manifest that is read: it has some 200 bytes for each segment.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// What a backup is and consists of; written last, so that a backup without it is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The version of the format.
    pub(crate) format: u32,
    /// The scheme of the store.
    pub(crate) store: String,
    /// Which log.
    pub(crate) log: LogIdentity,
    /// Where it stood.
    pub(crate) heads: Heads,
    /// When that was.
    pub(crate) taken_at: Timestamp,
    /// Which version of ledgerstone took it.
    pub(crate) ledgerstone: String,
    /// Its files.
    pub(crate) files: Vec<BackupFile>,
    /// The SHA-256 of this very document in compact JSON, with nothing here.
    pub(crate) digest: String,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupFile {
    /// Its name in the folder.
    pub(crate) name: String,
    /// What it is.
    pub(crate) holds: Content,
    /// How many bytes it has.
    pub(crate) bytes: u64,
    /// Their SHA-256.
    pub(crate) sha256: String,
}

/// What a file of a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    /// A segment of the log.
    Segment,
    /// The documents beside a log.
    Documents,
    /// Events and documents in one database.
    Database,
}

/// Returns where the manifest of a backup stands.
pub(crate) fn manifest_path(folder: &Path) -> PathBuf {
    folder.join("backup.json")
}

impl Manifest {
    /// Reads the manifest in a folder; nothing if there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, BackendError> {
        let path = manifest_path(folder);
        let failed = |error| io_failure(BACKUP, "open", &path, error);
        let bytes = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(found) if found.len() > MOST_BYTES => {
                return Err(unusable("open", folder, "its backup.json is too large to be one"));
            }
            Ok(_) => std::fs::read(&path).map_err(failed)?,
        };
        Self::decode(folder, &bytes).map(Some)
    }

    fn decode(folder: &Path, bytes: &[u8]) -> Result<Self, BackendError> {
        /// What every version of the format has.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let torn = |error| unusable("open", folder, format!("its backup.json is damaged ({error})"));
        let Version { format } = serde_json::from_slice(bytes).map_err(torn)?;
        if format > FORMAT {
            let message = format!(
                "the backup in {} has format {format} and this ledgerstone knows {FORMAT}; use a newer ledgerstone",
                folder.display()
            );
            return Err(BackendError::new(ErrorKind::Misconfigured, BACKUP, "open", message)
                .with_code(Code::NewerSchema));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(torn)?;
        if manifest.digest != manifest.sum() {
            return Err(unusable("open", folder, "its backup.json was changed"));
        }
        if let Some(file) = manifest.files.iter().find(|file| !is_plain(&file.name)) {
            return Err(unusable("open", folder, format!("{:?} is no name of a file in it", file.name)));
        }
        Ok(manifest)
    }

    /// Returns the bytes of the manifest, with its sum.
    pub(crate) fn encode(mut self) -> Vec<u8> {
        self.digest = self.sum();
        let mut bytes = serde_json::to_vec_pretty(&self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    fn sum(&self) -> String {
        let bare = Self { digest: String::new(), ..self.clone() };
        hex(Sha256::new_with_prefix(serde_json::to_vec(&bare).unwrap_or_default()))
    }

    /// Returns how many bytes its files have.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Returns the first file of a kind.
    pub(crate) fn file(&self, holds: Content) -> Option<&BackupFile> {
        self.files.iter().find(|file| file.holds == holds)
    }
}

/// Tells whether a name cannot lead out of the folder.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let name = "000000000001-4096-0a0b0c0d.log".to_owned();
        Manifest {
            format: FORMAT,
            store: "file".to_owned(),
            log: LogIdentity { id: uuid::Uuid::from_u128(7), epoch: 2 },
            heads: Heads::default(),
            taken_at: Timestamp::from_micros(1_000_000),
            ledgerstone: "0.1.0".to_owned(),
            files: vec![BackupFile { name, holds: Content::Segment, bytes: 4096, sha256: "00".to_owned() }],
            digest: String::new(),
        }
    }

    fn refusal(bytes: &[u8]) -> BackendError {
        Manifest::decode(Path::new("b"), bytes).expect_err("a refusal")
    }

    #[test]
    fn a_manifest_reads_back_and_no_changed_or_cut_one_does() {
        let bytes = manifest().encode();
        let read = Manifest::decode(Path::new("b"), &bytes).expect("sound");
        assert_eq!(Manifest { digest: String::new(), ..read }, manifest());
        for cut in 0..bytes.len() - 2 {
            assert_eq!(refusal(&bytes[..cut]).code(), Code::BackupUnusable, "cut at {cut}");
        }
        let text = String::from_utf8(bytes).expect("text");
        for (from, to) in [("4096", "4097"), ("0.1.0", "0.1.1"), ("\"application\": 0", "\"application\": 1")]
        {
            assert!(text.contains(from), "{text}");
            assert_eq!(refusal(text.replacen(from, to, 1).as_bytes()).code(), Code::BackupUnusable, "{from}");
        }
        let newer = text.replacen("\"format\": 1", "\"format\": 2", 1);
        assert_eq!(refusal(newer.as_bytes()).code(), Code::NewerSchema);
    }

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_refused() {
        for name in ["../x", "/etc/x", "a/b", ".x", ""] {
            let mut manifest = manifest();
            name.clone_into(&mut manifest.files[0].name);
            assert!(refusal(&manifest.encode()).message().contains("no name of a file"), "{name}");
        }
    }
}
