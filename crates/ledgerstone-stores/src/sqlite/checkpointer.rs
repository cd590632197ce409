//! The checkpointer: moves what was committed from the write-ahead log into the database, beside the writer.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use ledgerstone_core::{BackendError, ErrorKind};

use crate::sqlite::database::Database;
use crate::sqlite::failure::{BACKEND, failed};

/// After so many bytes of commits the log is moved, in the background.
const MOVE_AFTER: usize = 8 * 1024 * 1024;
/// After so many pages of log the writer moves what is left by itself, so that the log begins anew.
pub(crate) const PAGES_AT_MOST: i64 = 8192;

/// A thread that moves the write-ahead log into the database while the writer goes on.
///
/// A move syncs twice, which would else be added to the time of some unlucky commit.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    written: usize,
}

impl Checkpointer {
    /// Starts the thread.
    pub(crate) fn start(database: &Database) -> Result<Self, BackendError> {
        let connection = database.writer()?;
        connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(failed("open"))?;
        let (wake, woken) = sync_channel(1);
        let work = move || {
            while woken.recv().is_ok() {
                let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                if let Err(error) = moved {
                    // The writer will do it, and tell its callers if it cannot.
                    tracing::warn!(%error, "the write-ahead log could not be moved into the database");
                }
            }
        };
        let thread = std::thread::Builder::new().name("sqlite-checkpoint".to_owned()).spawn(work);
        let thread = thread.map_err(|error| {
            let message = format!("no thread for the checkpointer: {error}");
            BackendError::new(ErrorKind::Internal, BACKEND, "open", message).with_source(error)
        })?;
        Ok(Self { wake: Some(wake), thread: Some(thread), written: 0 })
    }

    /// Notes that about so many bytes were committed.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        let Some(wake) = self.wake.as_ref().filter(|_| self.written >= MOVE_AFTER) else { return };
        match wake.try_send(()) {
            Ok(()) => self.written = 0,
            Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake.take();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}
