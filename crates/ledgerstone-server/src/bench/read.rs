//! Reading: the whole log, and short streams.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use ledgerstone::core::{EventStore, ExpectedRevision, Selection};

use super::events::{bench_batch, bench_stream};
use super::window::Workload;

/// Reads the whole log, over and over, and looks at each event's type and payload.
pub fn read_all(store: Arc<dyn EventStore>) -> Workload {
    Workload::new("read all events", move |length| {
        let store = Arc::clone(&store);
        Box::pin(async move {
            let started = Instant::now();
            let (mut events, mut bytes) = (0_u64, 0_usize);
            while started.elapsed() < length {
                let mut frames = store.read(Selection::all());
                while let Some(frame) = frames.next().await {
                    for event in frame?.events {
                        events += 1;
                        bytes += event.payload().len() + event.event_type().len();
                    }
                }
            }
            std::hint::black_box(bytes);
            Ok(events as f64 / started.elapsed().as_secs_f64())
        })
    })
}

/// Writes `streams` streams of ten events each and loads them one after another, from one task.
pub async fn stream_loads(store: Arc<dyn EventStore>, streams: u64) -> anyhow::Result<Workload> {
    // The ten events of a stream arrive in different rounds, as they would.
    for _ in 0..10 {
        for chunk in (0..streams).collect::<Vec<_>>().chunks(100) {
            let mut batch = ledgerstone::core::Batch::default();
            for stream in chunk {
                let one = bench_batch(10_000_000 + stream, ExpectedRevision::Any, 1)?;
                batch.appends.extend(one.appends);
            }
            store.append(batch).await?;
        }
    }
    let mut turn = 0_u64;
    Ok(Workload::new("load a 10-event stream, 1 task", move |length| {
        let store = Arc::clone(&store);
        let first = turn;
        turn += 1_000_003;
        Box::pin(async move {
            let started = Instant::now();
            let mut loads = 0_u64;
            while started.elapsed() < length {
                let number = 10_000_000 + (first + loads * 48_271) % streams;
                let mut frames = store.read(Selection::stream(bench_stream(number)?));
                let mut events = 0;
                while let Some(frame) = frames.next().await {
                    events += frame?.events.len();
                }
                anyhow::ensure!(events == 10, "stream {number} has {events} events");
                loads += 1;
            }
            Ok(loads as f64 / started.elapsed().as_secs_f64())
        })
    }))
}
