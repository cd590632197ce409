//! The writer: one connection, one transaction for each group of batches.

use std::sync::Arc;

use ledgerstone_core::{BackendError, Code, EventStoreError, Heads, LogKind, Position, Timestamp};
use rusqlite::Connection;

use crate::decide::{Verdict, decide};
use crate::group_commit::{CommitLog, refuse, told_again};
use crate::removals::Removals;
use crate::sqlite::checkpointer::Checkpointer;
use crate::sqlite::events::id_index::IdIndex;
use crate::sqlite::events::load;
use crate::sqlite::events::marks::Retired;
use crate::sqlite::events::merge::Merge;
use crate::sqlite::events::records::table;
use crate::sqlite::events::shared::Shared;
use crate::sqlite::events::tail::RUN;
use crate::sqlite::failure::failed;
use crate::staged::Staged;
use crate::stream_cache::StreamCache;

/// What a commit adds to the write-ahead log beside its events, roughly: a few pages.
const COMMIT_BYTES: usize = 16 * 1024;

/// The writing half of the events.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Connection,
    /// The heads, those of the running transaction included.
    pub(super) written: Heads,
    /// The heads that are durable.
    durable: Heads,
    pub(super) recorded_at: Timestamp,
    pub(super) streams: StreamCache,
    pub(super) ids: IdIndex,
    pub(super) retired: Retired,
    /// What the running transaction removes.
    pub(super) removing: Removals,
    /// Whether the running transaction has written anything.
    pub(super) wrote: bool,
    merges: Vec<Merge>,
    checkpointer: Checkpointer,
    /// Whether a transaction failed, so that memory may know more than the file.
    stale: bool,
}

impl Writer {
    /// Takes up where the file stands.
    pub(crate) fn open(shared: Arc<Shared>) -> Result<Self, BackendError> {
        let connection = shared.database.writer()?;
        let checkpointer = Checkpointer::start(&shared.database)?;
        let mut writer = Self {
            shared,
            connection,
            written: Heads::default(),
            durable: Heads::default(),
            recorded_at: Timestamp::from_micros(i64::MIN),
            streams: StreamCache::default(),
            ids: IdIndex::default(),
            retired: Retired::default(),
            removing: Removals::default(),
            wrote: false,
            merges: Vec::new(),
            checkpointer,
            stale: false,
        };
        let shared = Arc::clone(&writer.shared);
        let _gate = shared.database.gate();
        writer.reload()?;
        Ok(writer)
    }

    /// Throws away what memory knows and reads it from the file.
    fn reload(&mut self) -> Result<(), BackendError> {
        self.streams.clear();
        self.removing.clear();
        self.merges.clear();
        self.recorded_at = Timestamp::from_micros(i64::MIN);
        for log in [LogKind::Application, LogKind::System] {
            self.written.set(log, Position(load::head(&self.connection, log)?));
            let newest = table(log).newest(&self.connection)?;
            if let Some(at) = table(log).recorded_at(&self.connection, newest)? {
                self.recorded_at = self.recorded_at.max(at);
            }
            let tail = load::tail(&self.connection, self.shared.hasher, log)?;
            *self.shared.tail(log).write() = tail;
        }
        self.retired = Retired::default();
        self.ids = IdIndex::load(&self.connection)?;
        *self.shared.tenants.write() = load::tenants(&self.connection)?;
        // Readers go on meanwhile, and must not see what was removed.
        let removals = load::removals(&self.shared, &self.connection, self.written)?;
        *self.shared.removals.write() = removals;
        self.durable = self.written;
        self.stale = false;
        Ok(())
    }

    /// Makes memory agree with the file again after a failure.
    fn recover(&mut self) -> Result<(), BackendError> {
        if !self.stale {
            return Ok(());
        }
        self.connection = self.shared.database.writer()?;
        self.reload()
    }

    fn run(&self, sql: &'static str) -> Result<(), BackendError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed("append"))?;
        statement.execute([]).map_err(failed("append"))?;
        Ok(())
    }

    /// Judges and writes a group inside a transaction that has begun; the caller ends it.
    fn write(&mut self, batches: &mut [Staged]) -> Result<Vec<Verdict>, BackendError> {
        let now = self.shared.clock.now().max(self.recorded_at);
        let mut verdicts = Vec::with_capacity(batches.len());
        let mut events = 0;
        for staged in batches {
            let verdict = decide(self, staged, now)?;
            if let Err(EventStoreError::Backend(error)) = &verdict {
                // After some failures SQLite has rolled back, and what came next would be written bare.
                if self.connection.is_autocommit() {
                    return Err(told_again(error));
                }
                tracing::error!(%error, "an append could not be judged");
            }
            if verdict.as_ref().is_ok_and(|appended| !appended.repeated) {
                events += staged.events.len();
            }
            verdicts.push(verdict);
        }
        if self.wrote {
            self.merge(events)?;
        }
        Ok(verdicts)
    }

    /// Merges a part of the oldest full runs into the tables.
    fn merge(&mut self, events: usize) -> Result<(), BackendError> {
        for log in [LogKind::Application, LogKind::System] {
            if self.merges.iter().any(|merge| merge.place().0 == log) {
                continue;
            }
            let tail = self.shared.tail(log).read();
            if let Some((base, run)) = tail.oldest_full().filter(|(base, _)| self.is_durable(log, *base)) {
                self.merges.push(Merge::new(log, base, run));
            }
        }
        for merge in &mut self.merges {
            let quota = merge.quota(events);
            merge.step(&self.connection, quota)?;
        }
        Ok(())
    }

    /// Tells whether a whole run after `base` was committed before this transaction.
    fn is_durable(&self, log: LogKind, base: u64) -> bool {
        self.durable.of(log).0 >= base + RUN
    }

    /// Takes over what a transaction has made durable.
    fn settle(&mut self) {
        self.durable = self.written;
        let merges = std::mem::take(&mut self.merges);
        for merge in merges {
            if merge.is_complete() {
                let (log, base) = merge.place();
                self.ids.add(log, base, &merge.ids);
                self.shared.tail(log).write().drop_oldest();
            } else {
                self.merges.push(merge);
            }
        }
    }

    fn abandon(&mut self) {
        self.stale = true;
        if !self.connection.is_autocommit()
            && let Err(error) = self.run("ROLLBACK")
        {
            tracing::warn!(%error, "a failed transaction could not be rolled back");
        }
    }
}

impl CommitLog for Writer {
    fn heads(&self) -> Heads {
        self.durable
    }

    fn published(&mut self) {
        if !self.removing.is_empty() {
            self.shared.removals.write().take(&mut self.removing);
        }
    }

    fn commit(&mut self, batches: &mut [Staged]) -> Vec<Verdict> {
        let shared = Arc::clone(&self.shared);
        let _gate = shared.database.gate();
        if let Err(error) = self.recover().and_then(|()| self.run("BEGIN IMMEDIATE")) {
            return refuse(batches, &error, EventStoreError::Backend);
        }
        self.wrote = false;
        let verdicts = match self.write(batches) {
            Ok(verdicts) => verdicts,
            Err(error) => {
                self.abandon();
                return refuse(batches, &error, EventStoreError::Backend);
            }
        };
        if !self.wrote {
            if self.run("ROLLBACK").is_err() {
                self.abandon();
            }
            return verdicts;
        }
        match self.run("COMMIT") {
            Ok(()) => {
                self.settle();
                let bytes: usize = batches.iter().map(|staged| staged.bytes).sum();
                self.checkpointer.wrote(bytes + COMMIT_BYTES);
                verdicts
            }
            Err(error) => {
                self.abandon();
                // A full disk is noticed before the frame that would have made the commit valid.
                let certain = error.code() == Code::DiskFull;
                let why = if certain { EventStoreError::Backend } else { EventStoreError::Indeterminate };
                refuse(batches, &error, why)
            }
        }
    }
}
