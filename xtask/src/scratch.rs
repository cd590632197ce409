//! A temporary folder that is removed when it goes out of scope.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

/// A folder of this process alone.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Creates an empty folder among the system's temporary files.
    pub(crate) fn create() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("ledgerstone-xtask-{}-{number}", process::id()));
        fs::create_dir(&path).with_context(|| format!("{} could not be created", path.display()))?;
        Ok(Self { path })
    }

    /// The path of something inside the folder.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind is in the system's temporary files, where it is swept up.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::Scratch;

    #[test]
    fn two_scratch_folders_differ_and_vanish() {
        let (first, second) = (Scratch::create().unwrap(), Scratch::create().unwrap());
        assert_ne!(first.join("x"), second.join("x"));
        let path = first.join("");
        assert!(path.is_dir());
        drop(first);
        assert!(!path.exists());
    }
}
