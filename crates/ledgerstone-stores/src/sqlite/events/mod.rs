//! Events in SQLite: rows in the order of the log, and an index that follows them.

#[cfg(test)]
mod alike_tests;
mod checksum;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod failing_disk_tests;
#[cfg(test)]
mod file_tests;
mod filter;
mod id_index;
mod inspect;
mod ledger;
mod lists;
mod load;
mod marks;
mod merge;
mod postings;
mod reading;
#[cfg(test)]
mod reading_tests;
mod records;
mod shared;
mod tail;
mod tally;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use ledgerstone_core::{
    BackendError, Capabilities, Clock, EventStoreError, Frames, Heads, IdSource, IdempotenceWindow, Limits,
    LogIdentity, LogKind, Mark, Position, Removal, Selection, TenantScope,
};
use parking_lot::RwLock;
use tokio::task::JoinHandle;

use crate::cursor::Cursor;
use crate::frames::{Bundle, ReadFrames, frames};
use crate::group_commit::{GroupCommit, IndexTerms, ReadLog};
use crate::removals::Removals;
use crate::sqlite::database::{Database, check_begun};
pub(crate) use crate::sqlite::events::checksum::checksum;
pub(crate) use crate::sqlite::events::inspect::inspect;
pub(crate) use crate::sqlite::events::ledger::PUT_TENANT;
pub(crate) use crate::sqlite::events::load::{head, head_name, identity, stored_identity};
use crate::sqlite::events::reading::Reading;
pub(crate) use crate::sqlite::events::records::{as_sql, table};
use crate::sqlite::events::shared::Shared;
use crate::sqlite::events::tail::Tail;
use crate::sqlite::events::writer::Writer;
use crate::sqlite::failure::{BACKEND, failed};

/// The reading half of the events; group commit adds the writing half.
#[derive(Debug)]
pub struct SqliteEvents {
    shared: Arc<Shared>,
}

impl SqliteEvents {
    /// Opens the events of a database; it blocks.
    pub(crate) fn open(
        database: Arc<Database>,
        clock: Arc<dyn Clock>,
        ids: &dyn IdSource,
    ) -> Result<GroupCommit<Self>, BackendError> {
        let (reader, writer) = Self::halves(database, clock, ids)?;
        GroupCommit::new(Arc::new(reader), writer)
    }

    /// Opens the events of a file that is only read, up to where they stand; it blocks.
    pub(crate) fn open_read_only(
        database: Arc<Database>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Heads), BackendError> {
        let opened = Arc::clone(&database);
        opened.read_here(|connection| {
            check_begun(connection, database.path())?;
            // One snapshot, so that the index and the events agree.
            let snapshot = connection.unchecked_transaction().map_err(failed("open"))?;
            let hasher = load::hasher(&snapshot)?;
            let tail = |log| load::whole_tail(&snapshot, hasher, log).map(RwLock::new);
            let shared = Shared {
                identity: stored_identity(&snapshot)?,
                hasher,
                clock,
                application: tail(LogKind::Application)?,
                system: tail(LogKind::System)?,
                removals: RwLock::new(Removals::default()),
                tenants: RwLock::new(load::tenants(&snapshot)?),
                database,
            };
            let mut heads = Heads::default();
            for log in [LogKind::Application, LogKind::System] {
                heads.set(log, Position(head(&snapshot, log)?));
            }
            snapshot.finish().map_err(failed("open"))?;
            let removals = load::removals(&shared, connection, heads)?;
            *shared.removals.write() = removals;
            Ok((Self { shared: Arc::new(shared) }, heads))
        })
    }

    fn halves(
        database: Arc<Database>,
        clock: Arc<dyn Clock>,
        ids: &dyn IdSource,
    ) -> Result<(Self, Writer), BackendError> {
        let mut connection = database.writer()?;
        let (identity, hasher) = {
            let _gate = database.gate();
            identity(&mut connection, ids)?
        };
        let shared = Arc::new(Shared {
            database,
            identity,
            hasher,
            clock,
            application: RwLock::new(Tail::default()),
            system: RwLock::new(Tail::default()),
            removals: RwLock::new(Removals::default()),
            tenants: RwLock::new(Vec::new()),
        });
        let writer = Writer::open(Arc::clone(&shared))?;
        Ok((Self { shared }, writer))
    }
}

#[async_trait]
impl ReadLog for SqliteEvents {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            backend: BACKEND,
            durable: true,
            all_tenants: true,
            idempotence_window: IdempotenceWindow::WholeLog,
            limits: Limits::default(),
        }
    }

    fn identity(&self) -> LogIdentity {
        self.shared.identity
    }

    fn removal(&self, selection: &Selection) -> Option<Removal> {
        self.shared.removals.read().of_selection(selection)
    }

    fn read(&self, selection: Selection, heads: Heads, removal: Option<Removal>) -> Frames {
        let reading =
            Reading::new(Cursor::new(selection, heads, self.shared.clock.now()).with_removal(removal));
        frames(Begun { shared: Arc::clone(&self.shared), reading: Box::new(reading) })
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        let (prefix, now) = (prefix.to_owned(), self.shared.clock.now());
        let list = move |connection: &rusqlite::Connection| marks::list(connection, &tenant, &prefix, now);
        Ok(self.shared.database.read("list marks", list).await?)
    }

    fn hasher(&self) -> Option<IndexTerms> {
        Some(IndexTerms(self.shared.hasher))
    }
}

/// A reading, and what it reads from.
struct Begun {
    shared: Arc<Shared>,
    reading: Box<Reading>,
}

impl Begun {
    async fn read(self, most: usize) -> Bundle<Self> {
        let database = Arc::clone(&self.shared.database);
        let read = move |connection: &rusqlite::Connection| {
            Ok(Bundle::read(self, most, |begun| begun.reading.frame(&begun.shared, connection)))
        };
        database.read("read", read).await.unwrap_or_else(Bundle::failed)
    }
}

impl ReadFrames for Begun {
    const BACKEND: &'static str = BACKEND;

    fn is_done(&self) -> bool {
        self.reading.is_done()
    }

    fn first(self) -> impl Future<Output = Bundle<Self>> + Send {
        self.read(1)
    }

    fn ahead(self, most: usize) -> JoinHandle<Bundle<Self>> {
        tokio::spawn(self.read(most))
    }
}
