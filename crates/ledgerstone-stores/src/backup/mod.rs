//! Backups: the files of a store as they stood at one moment, whole and checked, in a folder of their own.

mod check;
mod copying;
mod durable_names;
mod folder;
mod manifest;
mod segment_disk;

use std::path::Path;

use ledgerstone_core::{BackendError, Code, ErrorKind, Heads, Locator, LogIdentity, Timestamp};
use serde::Serialize;

pub(crate) use check::{Check, read_checked};
pub use copying::Watch;
pub(crate) use copying::{CopyError, Copying};
pub(crate) use durable_names::{sync_folder, sync_parent};
pub(crate) use folder::{BackupFolder, database_name};
pub(crate) use manifest::{BackupFile, Content, Manifest, manifest_path};
pub(crate) use segment_disk::{SegmentDisk, segment_file};

use crate::backend::{Adapter, find_adapter};

/// The name under which backups report their failures.
pub(crate) const BACKUP: &str = "backup";

/// Where a log stands.
pub(crate) type Standing = (LogIdentity, Heads);

/// Which log was made of a backup, and how many read models go on from where they stood.
pub(crate) type Made = (LogIdentity, u64);

/// What a backend with files of its own knows about backups.
#[derive(Debug)]
pub(crate) struct Backups {
    /// Copies what a locator names, whoever writes to it.
    pub(crate) take: fn(&Locator, &mut BackupFolder, &Copying<'_>) -> Result<Standing, BackendError>,
    /// Looks through the copies, whose bytes are those that were written.
    pub(crate) check: fn(&Path, &Manifest, &mut Check) -> Result<(), BackendError>,
    /// Makes what a locator names of a backup that was checked.
    pub(crate) restore: fn(&Locator, &Path, &Manifest, &Copying<'_>) -> Result<Made, BackendError>,
}

/// A backup that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupTaken {
    /// Which log it is of.
    pub log: LogIdentity,
    /// Where the log stood.
    pub heads: Heads,
    /// When that was.
    pub taken_at: Timestamp,
    /// How many files it has.
    pub files: u64,
    /// How many bytes those have.
    pub bytes: u64,
    /// How many files were not in the folder before.
    pub copied_files: u64,
    /// How many bytes those have.
    pub copied_bytes: u64,
}

/// What a look through a whole backup found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupChecked {
    /// Which log it is of.
    pub log: LogIdentity,
    /// Where the log stood.
    pub heads: Heads,
    /// When that was.
    pub taken_at: Timestamp,
    /// The scheme of the store that it was taken of.
    pub store: String,
    /// How many files it has.
    pub files: u64,
    /// How many bytes those have.
    pub bytes: u64,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// A store that was made of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupRestored {
    /// Which log it is now: the same, in a new epoch.
    pub log: LogIdentity,
    /// The log that it forked from, at the heads.
    pub forked_from: LogIdentity,
    /// Where it stands.
    pub heads: Heads,
    /// When the backup was taken.
    pub taken_at: Timestamp,
    /// How many generations of read models go on from where they stood.
    pub read_models: u64,
}

/// Takes a backup of what a locator names into a folder, whoever writes to it meanwhile; it blocks.
///
/// Files that an earlier backup in the folder has are not copied again. Whatever fails, the earlier backup stays
/// whole; a new one is there once the manifest has been replaced.
pub fn back_up(
    locator: &Locator,
    to: &Path,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<BackupTaken, BackendError> {
    let (adapter, ways) = ways(find_adapter(crate::ADAPTERS, locator)?)?;
    let mut folder = BackupFolder::open(to)?;
    let (log, heads) = (ways.take)(locator, &mut folder, &Copying::new(watch, "backup"))?;
    folder.finish(adapter.scheme, log, heads, now)
}

/// Reads a whole backup and says what is wrong with it, changing nothing; it blocks.
pub fn check_backup(from: &Path, watch: Watch<'_>) -> Result<BackupChecked, BackendError> {
    let (manifest, check) = checked(from, &Copying::new(watch, "verify"))?;
    Ok(BackupChecked {
        log: manifest.log,
        heads: manifest.heads,
        taken_at: manifest.taken_at,
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        store: manifest.store,
        problems: check.problems,
    })
}

/// Makes a store of a backup where a locator says, which must be empty; it blocks.
///
/// The backup is read whole before anything is written. The log begins a new epoch, and read models that stood in
/// the log go on from there.
pub fn restore_backup(
    from: &Path,
    locator: &Locator,
    watch: Watch<'_>,
) -> Result<BackupRestored, BackendError> {
    let (adapter, ways) = ways(find_adapter(crate::ADAPTERS, locator)?)?;
    let copying = Copying::new(watch, "restore");
    let (manifest, check) = checked(from, &copying)?;
    if let Some(first) = check.problems.first() {
        let more = check.problems.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" ({more} more problems)") };
        return Err(unusable("restore", from, format!("{first}{more}")));
    }
    if manifest.store != adapter.scheme {
        let message = format!(
            "{} is a backup of a {}: store; restore it into a {}: locator",
            from.display(),
            manifest.store,
            manifest.store
        );
        return Err(
            BackendError::new(ErrorKind::Misconfigured, BACKUP, "restore", message).with_code(Code::Locator)
        );
    }
    let (log, read_models) = (ways.restore)(locator, from, &manifest, &copying)?;
    let Manifest { log: forked_from, heads, taken_at, .. } = manifest;
    Ok(BackupRestored { log, forked_from, heads, taken_at, read_models })
}

fn checked(from: &Path, copying: &Copying<'_>) -> Result<(Manifest, Check), BackendError> {
    let manifest = read_checked(from)?;
    let adapter = crate::ADAPTERS.iter().find(|adapter| adapter.scheme == manifest.store);
    let unknown = || unusable("verify", from, format!("this build has no {:?} backend", manifest.store));
    let (_, ways) = ways(adapter.ok_or_else(unknown)?)?;
    let mut check = Check::default();
    check.files(from, &manifest, copying)?;
    if check.problems.is_empty() {
        (ways.check)(from, &manifest, &mut check)?;
    }
    Ok((manifest, check))
}

fn ways(adapter: &'static Adapter) -> Result<(&'static Adapter, &'static Backups), BackendError> {
    let Some(ways) = adapter.backups else {
        let message = format!(
            "a {}: store has no files here; run the command on the machine that has them, with file: or sqlite:",
            adapter.scheme
        );
        return Err(BackendError::new(ErrorKind::Unsupported, BACKUP, "backup", message));
    };
    Ok((adapter, ways))
}

/// Says why a backup cannot be used.
pub(crate) fn unusable(operation: &'static str, folder: &Path, why: impl std::fmt::Display) -> BackendError {
    let message = format!("the backup in {} cannot be used: {why}", folder.display());
    BackendError::new(ErrorKind::Corrupt, BACKUP, operation, message).with_code(Code::BackupUnusable)
}
