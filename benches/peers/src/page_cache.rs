//! The page cache: what of a folder's files is in memory, and how it is made cold.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;

/// Takes every file of a folder, and of the folders in it, out of the page cache.
pub(crate) fn drop_cached(folder: &Path) -> Result<()> {
    visit(folder, &mut |path, _| {
        let file = File::open(path)?;
        // Only pages that were written back can be dropped.
        file.sync_all()?;
        Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
    })
}

/// Reads every file of a folder once, so that it is in the page cache.
pub(crate) fn warm(folder: &Path) -> Result<()> {
    visit(folder, &mut |path, _| io::copy(&mut File::open(path)?, &mut io::sink()).map(|_| ()))
}

/// Returns how many bytes of the disk a folder takes.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    visit(folder, &mut |_, metadata| {
        bytes += metadata.blocks() * 512;
        Ok(())
    })?;
    Ok(bytes)
}

/// Visits every file; one that goes meanwhile is left out, as a merge takes what it has merged away.
fn visit(folder: &Path, visitor: &mut dyn FnMut(&Path, &Metadata) -> io::Result<()>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let visited = std::fs::metadata(&path).and_then(|metadata| match metadata.is_dir() {
            true => Ok(true),
            false => visitor(&path, &metadata).map(|()| false),
        });
        match visited {
            Ok(true) => visit(&path, visitor)?,
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
