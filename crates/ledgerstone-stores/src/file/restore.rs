//! Restoring into a folder: another log grows beside an empty one, and takes its place when it is whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledgerstone_core::{
    BackendError, Code, ErrorKind, Heads, IdSource, LogIdentity, LogKind, Position, RecordedEvent, Tenant,
    TimeOrderedIds,
};
use ledgerstone_log::{Appender, CommitError, Entry, LogReader, NewEvent, Opened, Options, RealDisk, id_key};

use crate::file::failure::{BACKEND, failed};
use crate::file::recover::recovering;
use crate::file::{documents, log};
use crate::ownership::{Whose, io_failure};
use crate::restore::{Restore, next_epoch};
use crate::sqlite::database::Database;

/// A folder that events are restored into.
pub(crate) struct FileRestore {
    folder: PathBuf,
    database: Arc<Database>,
    reader: LogReader,
    appender: Appender,
    begun: bool,
}

/// Returns where a log grows until it is whole.
fn restoring(folder: &Path) -> PathBuf {
    folder.join("log.restoring")
}

/// Refuses a folder that holds a part of a restore: it would look empty.
pub(crate) fn check_restored(folder: &Path) -> Result<(), BackendError> {
    if recovering(folder).exists() {
        let message = format!(
            "{} holds a restore that was not finished; run the same restore of the backup again",
            folder.display()
        );
        return Err(BackendError::new(ErrorKind::Corrupt, BACKEND, "open", message).with_code(Code::Corrupt));
    }
    if !restoring(folder).exists() {
        return Ok(());
    }
    let message = format!(
        "{} holds a restore that was not finished; run the same import --restore again, \
         or delete {} and restore anew",
        folder.display(),
        restoring(folder).display()
    );
    Err(BackendError::new(ErrorKind::Corrupt, BACKEND, "open", message).with_code(Code::Corrupt))
}

impl FileRestore {
    /// Opens a folder, or makes it, and takes out what a restore before left half done; it blocks.
    pub(crate) fn open(folder: &Path) -> Result<Self, BackendError> {
        // Its lock is that of the whole folder.
        let database = Database::open_of(Whose::new(BACKEND, folder), &documents(folder))?;
        if recovering(folder).exists() {
            check_restored(folder)?;
        }
        if restoring(folder).exists() {
            let undone = std::fs::remove_dir_all(restoring(folder));
            undone.map_err(|error| io_failure(BACKEND, "restore", &restoring(folder), error))?;
        }
        let Opened { reader, appender, .. } = open_log(&log(folder))?;
        Ok(Self { folder: folder.to_owned(), database, reader, appender, begun: false })
    }

    /// Begins the log that is restored, beside the one that is there and empty.
    fn begin(&mut self) -> Result<(), BackendError> {
        if self.reader.heads() != Heads::default() {
            let message = "a file: store can be restored into only while it is empty; name another folder";
            return Err(
                BackendError::new(ErrorKind::Conflict, BACKEND, "restore", message).with_code(Code::NotEmpty)
            );
        }
        let Opened { reader, appender, .. } = open_log(&restoring(&self.folder))?;
        (self.reader, self.appender, self.begun) = (reader, appender, true);
        Ok(())
    }

    fn put_event(&mut self, event: &RecordedEvent, terms: &mut Vec<u64>) -> Result<(), BackendError> {
        let mut before = self.appender.written();
        before.set(event.log(), Position(event.position().0.saturating_sub(1)));
        self.appender.leap(before).map_err(not_committed)?;
        let hasher = self.reader.hasher();
        terms.clear();
        hasher.of_recorded(event, terms);
        let stream = event
            .stream()
            .zip(event.revision())
            .map(|(stream, revision)| (hasher.stream(event.log(), event.tenant(), stream), revision.0));
        let (log, position, id_key) = (event.log(), event.position(), id_key(event.id()));
        let tenant = Tenant::new(event.tenant())
            .map_err(|error| BackendError::new(ErrorKind::Invalid, BACKEND, "restore", error.to_string()))?;
        self.appender.begin();
        let entry = Entry { log, position, id_key, stream, terms };
        self.appender.event(NewEvent { entry, record: event.as_bytes() });
        self.appender.end(&tenant, Vec::new(), event.recorded_at());
        Ok(())
    }

    /// Puts the restored log in the place of the empty one.
    fn replace(&self) -> std::io::Result<()> {
        let (old, new) = (log(&self.folder), restoring(&self.folder));
        std::fs::remove_dir_all(&old)?;
        std::fs::rename(&new, &old)?;
        std::fs::File::open(&self.folder)?.sync_all()
    }
}

pub(crate) fn open_log(folder: &Path) -> Result<Opened, BackendError> {
    let disk = RealDisk::open(folder).map_err(|error| io_failure(BACKEND, "restore", folder, error))?;
    let ids: Arc<dyn IdSource> = Arc::new(TimeOrderedIds);
    ledgerstone_log::open(Arc::new(disk), Options::new(ids)).map_err(failed("restore"))
}

pub(crate) fn not_committed(error: CommitError) -> BackendError {
    match error {
        CommitError::Refused(error) | CommitError::Indeterminate(error) => failed("restore")(error),
    }
}

impl Restore for FileRestore {
    fn put(&mut self, events: &[RecordedEvent]) -> Result<(), BackendError> {
        if !self.begun {
            self.begin()?;
        }
        self.appender.ready().map_err(failed("restore"))?;
        let mut terms = Vec::new();
        for event in events {
            self.put_event(event, &mut terms)?;
        }
        self.appender.commit().map_err(not_committed)
    }

    fn complete(&mut self, origin: Option<LogIdentity>, heads: Heads) -> Result<LogIdentity, BackendError> {
        if !self.begun {
            self.begin()?;
        }
        for kind in [LogKind::Application, LogKind::System] {
            let mut raised = self.appender.written();
            raised.set(kind, heads.of(kind).max(raised.of(kind)));
            self.appender.leap(raised).map_err(not_committed)?;
        }
        self.appender.raise(heads);
        let identity = next_epoch(self.reader.identity(), origin, TimeOrderedIds.next_id());
        self.appender.become_log(identity).map_err(not_committed)?;
        self.appender.close();
        self.replace().map_err(|error| io_failure(BACKEND, "restore", &self.folder, error))?;
        Ok(identity)
    }

    fn finish(self: Box<Self>) {
        let Self { mut appender, database, .. } = *self;
        appender.close();
        database.close();
    }
}
