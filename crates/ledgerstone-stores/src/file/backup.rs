//! Backups of a folder: documents first, then the log up to where it is durable, so that no read model is ahead.

use std::path::Path;

use ledgerstone_core::{BackendError, Code, ErrorKind, Heads, Locator, LogIdentity};
use ledgerstone_log::{Disk, Stretch, extent, verify, verify_some};

use crate::backend::check_parameters;
use crate::backup::{
    BackupFile, BackupFolder, Backups, Check, Content, CopyError, Copying, Manifest, SegmentDisk, unusable,
};
use crate::file::failure::{BACKEND, failed};
use crate::file::recover::restore;
use crate::file::restore::check_restored;
use crate::file::standing::standing;
use crate::file::{PARAMETERS, documents, read_only_disk};
use crate::ownership::io_failure;
use crate::sqlite::copying::{back_up_database, integrity, open_copy};
use crate::sqlite::database::{look_at_documents, tidy};
use crate::sqlite::documents::checkpoints;

/// How a folder is backed up.
pub(crate) static BACKUPS: Backups = Backups { take, check, restore };

/// How often copying the log is begun anew if its files are replaced meanwhile.
const TRIES: usize = 5;

fn take(
    locator: &Locator,
    into: &mut BackupFolder,
    copying: &Copying<'_>,
) -> Result<(LogIdentity, Heads), BackendError> {
    check_parameters(BACKEND, locator, PARAMETERS)?;
    let folder = Path::new(locator.place());
    check_restored(folder)?;
    let begun = standing(locator, "backup")?;
    into.accept(BACKEND, begun.log, begun.heads)?;
    let documents = documents(folder);
    if documents.exists() {
        let connection = look_at_documents(&documents)?;
        let file = back_up_database(&connection, Content::Documents, into, copying, |_| Ok(()))?;
        into.add([file]);
        drop(connection);
        tidy(&documents);
    }
    for _ in 0..TRIES {
        // What was durable before the documents were copied is durable now.
        let stands = standing(locator, "backup")?;
        if stands.log != begun.log {
            let message = "the log was replaced by another while it was copied; take the backup again";
            return Err(BackendError::new(ErrorKind::Conflict, BACKEND, "backup", message));
        }
        let Some(files) = copy_segments(locator, &stands.segments, into, copying)? else { continue };
        into.add(files);
        return Ok((stands.log, stands.heads));
    }
    let message = "the files of the log were replaced again and again while they were copied; try again";
    Err(BackendError::new(ErrorKind::Unavailable, BACKEND, "backup", message))
}

/// Copies the segments that are not in the backup yet, and checks them; nothing if one was replaced meanwhile.
fn copy_segments(
    locator: &Locator,
    segments: &[Stretch],
    into: &mut BackupFolder,
    copying: &Copying<'_>,
) -> Result<Option<Vec<BackupFile>>, BackendError> {
    let disk = read_only_disk(locator, "backup")?;
    let held = |segment: &Stretch| into.held(&stored_name(segment), segment.end);
    let missing = segments.iter().filter(|segment| held(segment).is_none());
    copying.expect(missing.map(|segment| segment.end).sum());
    let (mut files, mut copied) = (Vec::new(), Vec::new());
    for segment in segments {
        if let Some(held) = into.held(&stored_name(segment), segment.end) {
            files.push(held);
            continue;
        }
        let Some(file) = copy_segment(&*disk, segment, into, copying)? else { return Ok(None) };
        copied.push(segment.file());
        files.push(file);
    }
    let sound = SegmentDisk::open(into.path(), &files)
        .map_err(|error| io_failure(BACKEND, "backup", into.path(), error))?;
    let mut first = None;
    let mut problem = |problem: &ledgerstone_log::LogError| {
        first.get_or_insert_with(|| format!("{problem}; the store is damaged, and was not backed up"));
    };
    verify_some(&sound, &mut |name| copied.iter().any(|copied| copied == name), &mut problem)
        .map_err(failed("backup"))?;
    match first {
        Some(problem) => {
            Err(BackendError::new(ErrorKind::Corrupt, BACKEND, "backup", problem).with_code(Code::Corrupt))
        }
        None => Ok(Some(files)),
    }
}

fn copy_segment(
    disk: &dyn Disk,
    segment: &Stretch,
    into: &mut BackupFolder,
    copying: &Copying<'_>,
) -> Result<Option<BackupFile>, BackendError> {
    let path = into.path().join(segment.file());
    let file = match disk.open(&segment.file()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| CopyError::From(error).reading("backup", &path))?,
    };
    let mut beginning = [0; 128];
    let read = file.read_exact_at(0, &mut beginning);
    read.map_err(|error| CopyError::From(error).reading("backup", &path))?;
    if !segment.begins(&beginning) {
        return Ok(None);
    }
    let read = |at, buffer: &mut [u8]| file.read_at(at, buffer);
    let copied = copying.copy(&read, segment.end, &into.partial());
    let sha256 = copied.map_err(|error| error.reading("backup", &path))?;
    let name = stored_name(segment);
    into.name(BackupFile { name, holds: Content::Segment, bytes: segment.end, sha256 }).map(Some)
}

/// Returns the name of a segment in a backup: another end or another header is another file.
fn stored_name(segment: &Stretch) -> String {
    format!("{:012}-{}-{:08x}.log", segment.number(), segment.end, segment.fingerprint())
}

fn check(folder: &Path, manifest: &Manifest, check: &mut Check) -> Result<(), BackendError> {
    let disk = SegmentDisk::open(folder, &manifest.files)
        .map_err(|error| io_failure(BACKEND, "verify", folder, error))?;
    let before = check.problems.len();
    verify(&disk, &mut |problem| check.problem(problem.to_string())).map_err(failed("verify"))?;
    if check.problems.len() == before {
        match extent(&disk, false).map_err(failed("verify"))? {
            Some(found) if (found.log, found.heads) == (manifest.log, manifest.heads) => {}
            Some(found) => check.problem(format!(
                "its log is {} and stands at {:?}, and the manifest says {} and {:?}",
                found.log, found.heads, manifest.log, manifest.heads
            )),
            None => check.problem("it has no segment of a log"),
        }
    }
    let Some(file) = manifest.file(Content::Documents) else { return Ok(()) };
    let connection = open_copy(&folder.join(&file.name))?;
    let wrong = integrity(&connection)?;
    wrong.into_iter().for_each(|wrong| check.problem(format!("{}: {wrong}", file.name)));
    for (_, name, point) in checkpoints(&connection)? {
        if point.log == manifest.log && point.position > manifest.heads.application {
            check.problem(format!("the read model {name} stands at {}, ahead of the log", point.position));
        }
    }
    Ok(())
}

/// Fetches the segments of a backup into the folder of a log.
pub(crate) fn fetch_segments(
    from: &Path,
    manifest: &Manifest,
    to: &Path,
    copying: &Copying<'_>,
) -> Result<(), BackendError> {
    for file in manifest.files.iter().filter(|file| file.holds == Content::Segment) {
        let path = from.join(&file.name);
        let source = std::fs::File::open(&path);
        let source = source.map_err(|error| CopyError::From(error).reading("restore", &path))?;
        let read = |at, buffer: &mut [u8]| std::os::unix::fs::FileExt::read_at(&source, buffer, at);
        let target = to.join(crate::backup::segment_file(&file.name));
        let sum = copying.copy(&read, file.bytes, &target);
        if sum.map_err(|error| error.reading("restore", &path))? != file.sha256 {
            return Err(unusable("restore", from, format!("{} changed while it was copied", file.name)));
        }
    }
    Ok(())
}
