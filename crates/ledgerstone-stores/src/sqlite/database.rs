//! The database file: opened, checked and brought up to date once, then shared by events and documents.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ledgerstone_core::{BackendError, Code, ErrorKind};
use parking_lot::{Mutex, MutexGuard};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::ownership::{Ownership, Whose, io_failure};
use crate::sqlite::checkpointer::PAGES_AT_MOST;
use crate::sqlite::failure::{BACKEND, failed};

/// Marks the file as ours ("LSdb"), as `file` and `PRAGMA application_id` show it.
const APPLICATION_ID: i32 = 0x4C53_6462;
/// The steps that bring an older schema up to date; `user_version` counts those that were taken.
const STEPS: &[&str] = &[concat!(include_str!("sqlite.sql"), include_str!("documents.sql"))];
/// How many readers look at once; the rest wait their turn.
const READERS: usize = 16;
/// How long to wait for another program, such as somebody's SQLite shell, that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open database: one process owns it, writers pass one gate, readers come from a pool.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    /// Nothing where the file is only read.
    ownership: Option<Ownership>,
    access: Access,
    gate: Mutex<()>,
    idle: Mutex<Vec<Connection>>,
    readers: Semaphore,
}

/// How connections are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Own,
    /// To read beside whoever writes.
    Read,
    /// To read a file that nobody can write to, as nothing can be made beside it.
    ReadImmutable,
}

impl Database {
    /// Opens a file that is there, to read it, beside its owner or where nobody can write.
    pub(crate) fn open_read_only(path: &Path) -> Result<Arc<Self>, BackendError> {
        let mut database = Self {
            path: path.to_owned(),
            ownership: None,
            access: Access::Read,
            gate: Mutex::new(()),
            idle: Mutex::new(Vec::new()),
            readers: Semaphore::new(READERS),
        };
        if !path.exists() {
            return Err(not_begun(path));
        }
        let wal = wal_path(path);
        let is_moved = std::fs::metadata(&wal).map_or(true, |found| found.len() == 0);
        let steps = |database: &Self| steps_taken(&database.connect(OpenFlags::empty())?, path);
        let mut taken = steps(&database);
        if taken.as_ref().is_err_and(is_barred) && is_moved {
            database.access = Access::ReadImmutable;
            taken = steps(&database);
        }
        let taken = taken.map_err(|error| if is_moved { error } else { unmoved(path, &wal, error) })?;
        if taken == STEPS.len() { Ok(Arc::new(database)) } else { Err(not_begun(path)) }
    }

    /// Tells whether nothing of SQLite's stands beside a file.
    pub(crate) fn is_tidy(path: &Path) -> bool {
        !wal_path(path).exists()
    }

    /// Tells whether the file is only read.
    pub(crate) fn is_read_only(&self) -> bool {
        self.access != Access::Own
    }

    /// Opens the file, creating it and the folder it stands in, takes its lock and updates its schema.
    ///
    /// It blocks: call it where that is allowed.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, BackendError> {
        Self::open_of(Whose::new(BACKEND, path), path)
    }

    /// Does as [`open`](Self::open) with a file that is part of something larger, whose lock its lock is.
    pub(crate) fn open_of(whose: Whose, path: &Path) -> Result<Arc<Self>, BackendError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| io_failure(BACKEND, "open", folder, error))?;
        }
        if path.is_dir() {
            let message = format!("{} is a folder; name a file in it", path.display());
            return Err(misconfigured(Code::Locator, message));
        }
        let ownership = Ownership::take(whose, lock_path(path))?;
        let database = Self {
            path: path.to_owned(),
            ownership: Some(ownership),
            access: Access::Own,
            gate: Mutex::new(()),
            idle: Mutex::new(Vec::new()),
            readers: Semaphore::new(READERS),
        };
        let mut connection = database.connect(OpenFlags::SQLITE_OPEN_CREATE)?;
        if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed("open"))? {
            let message = format!("{} cannot be written; give this user the right to", path.display());
            return Err(misconfigured(Code::ReadOnly, message));
        }
        if let Some(ownership) = &database.ownership {
            ownership.guard(path)?;
        }
        bring_up_to_date(&mut connection, path)?;
        Ok(Arc::new(database))
    }

    /// Opens a connection that may write; write only while holding the [`gate`](Self::gate).
    pub(crate) fn writer(&self) -> Result<Connection, BackendError> {
        let connection = self.connect(OpenFlags::empty())?;
        connection.pragma_update(None, "cache_size", -64 * 1024).map_err(failed("open"))?;
        connection.pragma_update(None, "wal_autocheckpoint", PAGES_AT_MOST).map_err(failed("open"))?;
        Ok(connection)
    }

    /// Waits until nobody else in this process writes; hold the guard around every write transaction.
    pub(crate) fn gate(&self) -> MutexGuard<'_, ()> {
        self.gate.lock()
    }

    /// Runs `work` with a reading connection where it may block.
    pub(crate) async fn read<T, E, F>(self: &Arc<Self>, operation: &'static str, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<BackendError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let closed = || BackendError::new(ErrorKind::Unavailable, BACKEND, operation, "the store was closed");
        let _turn = self.readers.acquire().await.map_err(|_| closed())?;
        let database = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || database.read_here(work)).await;
        done.unwrap_or_else(|error| {
            let message = format!("the reader ended: {error}");
            Err(BackendError::new(ErrorKind::Internal, BACKEND, operation, message).into())
        })
    }

    /// Runs `work` with a reading connection on this very thread.
    pub(crate) fn read_here<T, E: From<BackendError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.reader()?,
        };
        let result = work(&connection);
        let mut idle = self.idle.lock();
        if idle.len() < READERS && !self.readers.is_closed() {
            idle.push(connection);
        }
        result
    }

    /// Returns where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses readers from now on and gives the file free.
    pub(crate) fn close(&self) {
        self.readers.close();
        self.idle.lock().clear();
        if let Some(ownership) = &self.ownership {
            ownership.release();
        }
    }

    /// Returns the lock that this process holds on the file, unless it only reads.
    pub(crate) fn ownership(&self) -> Option<&Ownership> {
        self.ownership.as_ref()
    }

    fn reader(&self) -> Result<Connection, BackendError> {
        let connection = self.connect(OpenFlags::empty())?;
        connection.pragma_update(None, "query_only", true).map_err(failed("open"))?;
        connection.pragma_update(None, "cache_size", -32 * 1024).map_err(failed("open"))?;
        Ok(connection)
    }

    fn connect(&self, more: OpenFlags) -> Result<Connection, BackendError> {
        let connection = match self.access {
            Access::Own => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
                Connection::open_with_flags(&self.path, flags).map_err(failed("open"))?
            }
            Access::Read => Connection::open_with_flags(&self.path, READING).map_err(failed("open"))?,
            Access::ReadImmutable => {
                let flags = READING | OpenFlags::SQLITE_OPEN_URI;
                Connection::open_with_flags(immutable(&self.path), flags).map_err(failed("open"))?
            }
        };
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed("open"))?;
        if self.access == Access::Own {
            connection.pragma_update(None, "synchronous", "FULL").map_err(failed("open"))?;
        }
        // Else a statement is compiled anew whenever a bound value might change its plan.
        let stable_plans = DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
        connection.set_db_config(stable_plans, true).map_err(failed("open"))?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    }
}

/// How a file is opened that is only read.
const READING: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Names a file that cannot change, so that SQLite needs nothing beside it (sqlite.org/uri.html).
fn immutable(path: &Path) -> String {
    let encoded = crate::connection::percent_encode(&path.to_string_lossy()).replace("%2F", "/");
    format!("file:{encoded}?immutable=1")
}

/// A store that could not be made to its end has tables, and neither an identity nor an event.
const IS_BEGUN: &str = "SELECT EXISTS (SELECT 1 FROM meta) OR EXISTS (SELECT 1 FROM events)";

/// Opens a file of ours to look at it, beside whoever writes to it.
pub(crate) fn look_at(path: &Path) -> Result<Connection, BackendError> {
    let connection = look_at_documents(path)?;
    check_begun(&connection, path)?;
    Ok(connection)
}

/// Refuses a file that holds no log yet.
pub(crate) fn check_begun(connection: &Connection, path: &Path) -> Result<(), BackendError> {
    let is_begun: bool = connection.query_row(IS_BEGUN, [], |row| row.get(0)).map_err(failed("open"))?;
    if is_begun { Ok(()) } else { Err(not_begun(path)) }
}

/// Does as [`look_at`] with a file that may hold documents and no log.
pub(crate) fn look_at_documents(path: &Path) -> Result<Connection, BackendError> {
    Database::open_read_only(path)?.connect(OpenFlags::empty())
}

/// Tells whether SQLite could not make beside a file what it needs there, rather than found it in use.
fn is_barred(error: &BackendError) -> bool {
    use rusqlite::ErrorCode;
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<rusqlite::Error>());
    let code = source.and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure))
}

/// Says why a file cannot be read whose write-ahead log holds what the file does not, where that is why.
fn unmoved(path: &Path, wal: &Path, error: BackendError) -> BackendError {
    if !matches!(error.code(), Code::ReadOnly | Code::Unreachable) {
        return error;
    }
    let message = format!(
        "{} holds commits that are not in {} yet, and reading them writes beside it; open the store once where it can \
         be written, or read a copy of both files there",
        wal.display(),
        path.display()
    );
    misconfigured(Code::ReadOnly, message).with_source(error)
}

fn not_begun(path: &Path) -> BackendError {
    let message = format!("{} holds no store yet; the first append or import makes it", path.display());
    BackendError::new(ErrorKind::NotFound, BACKEND, "open", message)
}

/// Takes away what reading a file that nobody owns has left beside it, as long as nobody does.
pub(crate) fn tidy(path: &Path) {
    let lock = std::fs::OpenOptions::new().read(true).write(true).open(lock_path(path));
    let Some(lock) = lock.ok().filter(|lock| lock.try_lock().is_ok()) else { return };
    // The last connection that may write takes an empty write-ahead log away when it closes.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let tidied = Connection::open_with_flags(path, flags)
        .and_then(|connection| connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())));
    if let Err(error) = tidied {
        tracing::debug!(%error, "what reading has left beside the file stays until it is opened");
    }
    drop(lock);
}

/// Returns where SQLite keeps the write-ahead log of a database file: beside it.
fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Returns where the lock of a database file stands: beside it.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Returns how many steps of the schema a file has taken; refuses what is not ours or newer.
fn steps_taken(connection: &Connection, path: &Path) -> Result<usize, BackendError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let id = pragma("application_id").map_err(failed("open"))?;
    let version = pragma("user_version").map_err(failed("open"))?;
    let is_empty = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";
    let empty: bool = connection.query_row(is_empty, [], |row| row.get(0)).map_err(failed("open"))?;
    if !empty && id != i64::from(APPLICATION_ID) {
        let message = format!("{} holds the tables of another program; name another file", path.display());
        return Err(misconfigured(Code::ForeignData, message));
    }
    let taken = usize::try_from(version).unwrap_or(usize::MAX);
    if taken > STEPS.len() {
        let message = format!(
            "{} has schema {version} and this ledgerstone knows {}; use a newer ledgerstone",
            path.display(),
            STEPS.len()
        );
        return Err(misconfigured(Code::NewerSchema, message));
    }
    Ok(taken)
}

fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), BackendError> {
    let taken = steps_taken(connection, path)?;
    // The answer is a row, so it is not an update.
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(failed("open"))?;
    if taken == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(failed("open"))?;
    for step in STEPS.iter().skip(taken) {
        transaction.execute_batch(step).map_err(failed("open"))?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed("open"))?;
    let steps = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", steps).map_err(failed("open"))?;
    transaction.commit().map_err(failed("open"))
}

fn misconfigured(code: Code, message: String) -> BackendError {
    BackendError::new(ErrorKind::Misconfigured, BACKEND, "open", message).with_code(code)
}
