//! Projecting: events into a read model, and what a read model saves against replaying.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use futures_util::StreamExt;
use ledgerstone::core::{
    CollectionName, CollectionRef, DocumentKey, DocumentStore, EventStore, Selection, StreamId, Tenant,
};
use ledgerstone::engine::ReadModels;

use super::window::Workload;

/// Rebuilds a read model over and over: how many events a second become rows.
pub fn projecting(models: ReadModels, model: CollectionName, events: u64) -> Workload {
    Workload::new(format!("project the log into {model}"), move |length| {
        let (models, model) = (models.clone(), model.clone());
        Box::pin(async move {
            let started = Instant::now();
            let mut projected = 0;
            while started.elapsed() < length {
                models.rebuild(&model, &|_| ()).await.context("rebuilding")?;
                projected += events;
            }
            Ok(projected as f64 / started.elapsed().as_secs_f64())
        })
    })
}

/// Reads one document of a read model.
pub fn model_reads(
    documents: Arc<dyn DocumentStore>,
    collection: CollectionRef,
    key: DocumentKey,
) -> Workload {
    Workload::new("read an aggregate of 10,000 events from its read model", move |length| {
        let (documents, collection, key) = (Arc::clone(&documents), collection.clone(), key.clone());
        Box::pin(async move {
            let started = Instant::now();
            let mut reads = 0_u64;
            while started.elapsed() < length {
                let found =
                    documents.get(&collection, &Tenant::default(), std::slice::from_ref(&key)).await?;
                anyhow::ensure!(matches!(found.as_slice(), [Some(_)]), "the document is missing");
                reads += 1;
            }
            Ok(reads as f64 / started.elapsed().as_secs_f64())
        })
    })
}

/// Replays a stream and decodes every payload, as a repository without snapshots would.
pub fn replays(store: Arc<dyn EventStore>, stream: StreamId) -> Workload {
    Workload::new("replay an aggregate of 10,000 events", move |length| {
        let (store, stream) = (Arc::clone(&store), stream.clone());
        Box::pin(async move {
            let started = Instant::now();
            let mut replays = 0_u64;
            while started.elapsed() < length {
                let mut frames = store.read(Selection::stream(stream.clone()));
                let mut amount = 0_u64;
                while let Some(frame) = frames.next().await {
                    for event in frame?.events {
                        let data: serde_json::Value = serde_json::from_slice(event.payload())?;
                        amount += data.get("amount").and_then(serde_json::Value::as_u64).unwrap_or(0);
                    }
                }
                std::hint::black_box(amount);
                replays += 1;
            }
            Ok(replays as f64 / started.elapsed().as_secs_f64())
        })
    })
}
