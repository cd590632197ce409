//! A folder of the operating system's file system.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, check_name};

/// A folder of the operating system's file system.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
    is_read_only: bool,
}

impl RealDisk {
    /// Takes a folder, and makes it if it is not there yet, durably.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        let made = folder.ancestors().take_while(|above| !above.exists()).count();
        std::fs::create_dir_all(&folder)?;
        // Also where it was there already: who made it may have been killed before its name was durable.
        for (index, parent) in folder.ancestors().skip(1).take(made.max(1)).enumerate() {
            match File::open(parent).and_then(|parent| parent.sync_all()) {
                // Who may not even look into the parent did not make the folder.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && index >= made => {}
                synced => synced?,
            }
        }
        Ok(Self { folder, is_read_only: false })
    }

    /// Takes a folder only to read in it: what would change something is refused.
    pub fn read_only(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = std::path::absolute(folder)?;
        std::fs::read_dir(&folder)?;
        Ok(Self { folder, is_read_only: true })
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.is_read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        check_name(name)?;
        Ok(self.folder.join(name))
    }
}

impl Disk for RealDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name)?;
        Ok(Arc::new(RealFile(OpenOptions::new().read(true).write(!self.is_read_only).open(path)?)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.check_writable()?;
        let path = self.path(name)?;
        Ok(Arc::new(RealFile(OpenOptions::new().read(true).write(true).create_new(true).open(path)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check_writable()?;
        std::fs::rename(self.path(from)?, self.path(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check_writable()?;
        std::fs::remove_file(self.path(name)?)
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// A file of the operating system's file system.
#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn read_cached_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        use rustix::io::{Errno, ReadWriteFlags};
        let wanted = buffer.len();
        // The largest number would mean the place where the file stands.
        if at == u64::MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        loop {
            let mut parts = [io::IoSliceMut::new(buffer)];
            match rustix::io::preadv2(&self.0, &mut parts, at, ReadWriteFlags::NOWAIT) {
                Ok(read) if read == wanted => return Ok(Some(read)),
                // Fewer bytes than asked for: the file ends, or the rest is not in memory.
                Ok(read) => return Ok((at.saturating_add(read as u64) >= self.size()?).then_some(read)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                // A system or a file system that cannot tell.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    return self.read_at(at, buffer).map(Some);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn read_cached_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.read_at(at, buffer).map(Some)
    }

    fn will_read(&self, at: u64, bytes: u64) {
        #[cfg(target_os = "linux")]
        if let Some(bytes) = std::num::NonZero::new(bytes) {
            // Advice may be ignored, so its failure may too.
            let _ = rustix::fs::fadvise(&self.0, at, Some(bytes), rustix::fs::Advice::WillNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (at, bytes);
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, RealDisk) {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(folder.path().join("a/b")).unwrap();
        (folder, disk)
    }

    fn read(file: &dyn DiskFile, at: u64, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        let read = file.read_at(at, &mut buffer).unwrap();
        buffer.truncate(read);
        buffer
    }

    #[test]
    fn a_folder_is_made_with_those_above_it_and_opened_again() {
        let (folder, disk) = disk();
        disk.create("x").unwrap().write_at(0, b"kept").unwrap();
        let again = RealDisk::open(folder.path().join("a/b")).unwrap();
        assert_eq!(read(&*again.open("x").unwrap(), 0, 9), b"kept");
    }

    #[test]
    fn a_file_stands_where_a_folder_is_wanted_and_is_left_alone() {
        let (folder, disk) = disk();
        disk.create("x").unwrap();
        assert!(RealDisk::open(folder.path().join("a/b/x")).is_err());
        assert_eq!(disk.names().unwrap(), ["x"]);
    }

    #[test]
    fn what_is_written_at_a_place_is_read_there() {
        let (_folder, disk) = disk();
        let file = disk.create("x").unwrap();
        file.write_at(3, b"abc").unwrap();
        file.write_at(1, b"z").unwrap();
        file.sync().unwrap();
        assert_eq!(file.size().unwrap(), 6);
        assert_eq!(read(&*file, 0, 100), b"\0z\0abc");
        assert_eq!(read(&*file, 6, 100), b"");
        let error = file.read_exact_at(4, &mut [0; 3]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_cached_read_answers_as_a_read_or_that_it_would_wait() {
        let (_folder, disk) = disk();
        let file = disk.create("x").unwrap();
        file.write_at(0, b"abcdef").unwrap();
        file.will_read(0, 6);
        file.will_read(0, 0);
        for (at, bytes, expected) in
            [(0, 6, "abcdef"), (2, 2, "cd"), (4, 9, "ef"), (6, 1, ""), (99, 1, ""), (0, 0, "")]
        {
            let mut buffer = vec![0; bytes];
            if let Some(read) = file.read_cached_at(at, &mut buffer).unwrap() {
                assert_eq!(&buffer[..read], expected.as_bytes(), "at {at}");
            }
        }
        assert!(file.read_cached_at(u64::MAX, &mut [0]).is_err());
    }

    #[test]
    fn a_size_cuts_and_grows_with_zeros() {
        let (_folder, disk) = disk();
        let file = disk.create("x").unwrap();
        file.write_at(0, b"abcdef").unwrap();
        file.set_size(2).unwrap();
        file.set_size(4).unwrap();
        assert_eq!(read(&*file, 0, 100), b"ab\0\0");
    }

    #[test]
    fn names_are_made_once_renamed_over_others_and_removed() {
        let (folder, disk) = disk();
        disk.create("b").unwrap();
        let file = disk.create("a").unwrap();
        file.write_at(0, b"a").unwrap();
        std::fs::create_dir(folder.path().join("a/b/folder")).unwrap();
        assert_eq!(disk.create("a").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(disk.open("c").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.names().unwrap(), ["a", "b"]);
        disk.rename("a", "b").unwrap();
        assert_eq!(disk.names().unwrap(), ["b"]);
        assert_eq!(read(&*disk.open("b").unwrap(), 0, 9), b"a");
        disk.remove("b").unwrap();
        disk.sync_names().unwrap();
        assert_eq!(disk.names().unwrap(), [""; 0]);
        assert_eq!(read(&*file, 0, 9), b"a");
    }

    #[test]
    fn a_folder_that_is_only_read_is_not_changed() {
        let (folder, disk) = disk();
        disk.create("x").unwrap().write_at(0, b"kept").unwrap();
        let reading = RealDisk::read_only(folder.path().join("a/b")).unwrap();
        let file = reading.open("x").unwrap();
        assert_eq!(read(&*file, 0, 9), b"kept");
        assert!(file.write_at(0, b"z").is_err() && file.set_size(0).is_err());
        let refused = [reading.create("y").err(), reading.rename("x", "y").err(), reading.remove("x").err()];
        for error in refused {
            assert_eq!(error.unwrap().kind(), io::ErrorKind::ReadOnlyFilesystem);
        }
        assert_eq!(read(&*disk.open("x").unwrap(), 0, 9), b"kept");
        assert!(RealDisk::read_only(folder.path().join("none")).is_err());
        assert!(!folder.path().join("none").exists());
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let (_folder, disk) = disk();
        disk.create("x").unwrap();
        for name in ["", ".", "..", "/x", "../x", "a/x", "x/", "a\\x", "x\0"] {
            for refused in [disk.open(name).err(), disk.create(name).err(), disk.rename("x", name).err()] {
                assert_eq!(refused.unwrap().kind(), io::ErrorKind::InvalidInput, "{name:?}");
            }
            assert_eq!(disk.remove(name).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(disk.names().unwrap(), ["x"]);
    }
}
