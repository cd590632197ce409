//! Appending: many single-event writers at once, and one writer with large batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ledgerstone::core::{EventStore, ExpectedRevision};
use tokio::task::JoinSet;

use super::events::bench_batch;
use super::window::Workload;

/// The number of streams that the writers spread over.
const STREAMS: u64 = 100_000;

/// `writers` tasks, each appending one event and waiting for the answer before the next.
///
/// Every append goes to a stream of its own turn under `Any`, so that ids are looked up; that is the
/// dearest kind.
pub fn concurrent_singles(store: Arc<dyn EventStore>, writers: u64) -> Workload {
    let turn = Arc::new(AtomicU64::new(0));
    Workload::new(format!("append 1 event, {writers} writers"), move |length| {
        let (store, turn) = (Arc::clone(&store), Arc::clone(&turn));
        Box::pin(async move {
            let started = Instant::now();
            let mut tasks = JoinSet::new();
            for _ in 0..writers {
                tasks.spawn(write_singles(Arc::clone(&store), Arc::clone(&turn), started + length));
            }
            let mut appended = 0;
            while let Some(done) = tasks.join_next().await {
                appended += done??;
            }
            Ok(appended as f64 / started.elapsed().as_secs_f64())
        })
    })
}

async fn write_singles(
    store: Arc<dyn EventStore>,
    turn: Arc<AtomicU64>,
    until: Instant,
) -> anyhow::Result<u64> {
    let mut appended = 0;
    while Instant::now() < until {
        // A multiplier that is coprime to the number of streams visits them in a scattered order.
        let stream = turn.fetch_add(1, Ordering::Relaxed).wrapping_mul(48_271) % STREAMS;
        store.append(bench_batch(stream, ExpectedRevision::Any, 1)?).await?;
        appended += 1;
    }
    Ok(appended)
}

/// One writer that appends batches of `size` events, one after another, each to the next stream.
pub fn batches(store: Arc<dyn EventStore>, size: usize) -> Workload {
    let turn = Arc::new(AtomicU64::new(0));
    Workload::new(format!("append batches of {size}, 1 writer"), move |length: Duration| {
        let (store, turn) = (Arc::clone(&store), Arc::clone(&turn));
        Box::pin(async move {
            let started = Instant::now();
            let mut appended = 0;
            while started.elapsed() < length {
                let stream = turn.fetch_add(1, Ordering::Relaxed) % STREAMS;
                store.append(bench_batch(stream, ExpectedRevision::Any, size)?).await?;
                appended += size;
            }
            Ok(appended as f64 / started.elapsed().as_secs_f64())
        })
    })
}
