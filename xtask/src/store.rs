//! A store on this disk: which backend keeps it, and where.

use std::path::{Path, PathBuf};

/// A backend that keeps its data on this disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    File,
    Sqlite,
}

impl Scheme {
    /// Every one that can be killed and failed.
    pub(crate) const ALL: [Self; 2] = [Self::File, Self::Sqlite];
}

/// A store on this disk.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    scheme: Scheme,
    path: PathBuf,
}

impl Store {
    pub(crate) fn new(scheme: Scheme, path: PathBuf) -> Self {
        Self { scheme, path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its locator.
    pub(crate) fn locator(&self) -> String {
        let place = self.path.display();
        match self.scheme {
            // So small that segments are closed, indexed and merged all the time.
            Scheme::File => format!("file:{place}?segment_bytes=65536"),
            Scheme::Sqlite => format!("sqlite:{place}"),
        }
    }
}
