//! The baseline: a plain events table with two unique indexes on scattered keys, behind the same group commit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ledgerstone_server::bench::{Workload, bench_event};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -262144;
    PRAGMA wal_autocheckpoint = 4000;
    CREATE TABLE events (
        position INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        revision INTEGER NOT NULL,
        event_id BLOB NOT NULL,
        type TEXT NOT NULL,
        metadata TEXT NOT NULL,
        data BLOB NOT NULL,
        recorded_at INTEGER NOT NULL,
        UNIQUE (stream, revision),
        UNIQUE (event_id)
    );";

struct Row {
    stream: String,
    event: ledgerstone::core::EventData,
}

struct Request {
    rows: Vec<Row>,
    answer: oneshot::Sender<()>,
}

/// A store as one would write it in an afternoon.
#[derive(Clone)]
pub(crate) struct Plain {
    queue: SyncSender<Request>,
    turn: Arc<AtomicU64>,
}

impl Plain {
    /// Opens a new database and starts its writer.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        let (queue, requests) = sync_channel(1024);
        std::thread::spawn(move || write_all(&connection, &requests));
        Ok(Self { queue, turn: Arc::default() })
    }

    async fn append(&self, streams: u64, scatter: u64, size: usize) -> anyhow::Result<()> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let stream = format!("order-{:08}", turn.wrapping_mul(scatter) % streams);
        let rows = (0..size)
            .map(|_| Ok(Row { stream: stream.clone(), event: bench_event()? }))
            .collect::<anyhow::Result<_>>()?;
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.clone();
        let request = Request { rows, answer };
        match queue.try_send(request) {
            Ok(()) => {}
            Err(std::sync::mpsc::TrySendError::Full(request)) => {
                tokio::task::spawn_blocking(move || queue.send(request)).await??;
            }
            Err(error) => anyhow::bail!("{error}"),
        }
        answered.await?;
        Ok(())
    }

    /// Fills it with `events` events in batches of 1,000.
    pub(crate) async fn load(&self, events: u64) -> anyhow::Result<()> {
        for _ in 0..events / 1_000 {
            self.append(100_000, 1, 1_000).await?;
        }
        Ok(())
    }

    /// `writers` tasks, each appending one event after another.
    pub(crate) fn singles(&self, writers: u64) -> Workload {
        let plain = self.clone();
        Workload::new(format!("plain schema, 1 event, {writers} writers"), move |length| {
            let plain = plain.clone();
            Box::pin(async move {
                let started = Instant::now();
                let until = started + length;
                let mut tasks = tokio::task::JoinSet::new();
                for _ in 0..writers {
                    let plain = plain.clone();
                    tasks.spawn(async move {
                        let mut appended = 0_u64;
                        while Instant::now() < until {
                            plain.append(100_000, 48_271, 1).await?;
                            appended += 1;
                        }
                        anyhow::Ok(appended)
                    });
                }
                let mut appended = 0;
                while let Some(done) = tasks.join_next().await {
                    appended += done??;
                }
                Ok(appended as f64 / started.elapsed().as_secs_f64())
            })
        })
    }

    /// One writer with batches of `size`.
    pub(crate) fn batches(&self, size: usize) -> Workload {
        let plain = self.clone();
        Workload::new(format!("plain schema, batches of {size}, 1 writer"), move |length: Duration| {
            let plain = plain.clone();
            Box::pin(async move {
                let started = Instant::now();
                let mut appended = 0;
                while started.elapsed() < length {
                    plain.append(100_000, 1, size).await?;
                    appended += size;
                }
                Ok(appended as f64 / started.elapsed().as_secs_f64())
            })
        })
    }
}

fn write_all(connection: &Connection, requests: &Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let mut group = vec![first];
        let mut rows = group[0].rows.len();
        while rows < 4_096
            && let Ok(next) = requests.try_recv()
        {
            rows += next.rows.len();
            group.push(next);
        }
        if let Err(error) = write_group(connection, &group) {
            // Its callers see that nobody answers, and the run ends.
            drop(group);
            tracing::error!(%error, "the baseline cannot write");
            return;
        }
        for request in group {
            let _ = request.answer.send(());
        }
    }
}

fn write_group(connection: &Connection, group: &[Request]) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    {
        let mut next = connection
            .prepare_cached("SELECT coalesce(max(revision) + 1, 0) FROM events WHERE stream = ?1")?;
        let mut insert = connection.prepare_cached(
            "INSERT INTO events (stream, revision, event_id, type, metadata, data, recorded_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for row in group.iter().flat_map(|request| &request.rows) {
            let revision: i64 = next.query_row([&row.stream], |found| found.get(0))?;
            let metadata = serde_json::to_string(&row.event.metadata).unwrap_or_default();
            insert.execute(params![
                row.stream,
                revision,
                row.event.id.as_bytes(),
                row.event.event_type.as_str(),
                metadata,
                &row.event.payload[..],
                0_i64
            ])?;
        }
    }
    connection.execute_batch("COMMIT")
}
