//! The demo: a client directory from end to end, on one folder, in a few seconds.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use example_clients::domain::{ClientEvent, ClientFields};
use example_clients::salesforce::SAMPLE_FEED;
use example_clients::{CLIENTS, ClientDirectory, ClientsProjection, Ingested};
use futures_util::StreamExt;
use ledgerstone::core::{Body, CollectionName, Document, EventStore, Filter, Selection};
use ledgerstone::engine::{AsOf, Past, Progress, ReadModelOptions, ReadModels, Subscription};
use ledgerstone::stores::Backend;
use serde_json::{Value, json};

/// How long the read model may take to show what was just recorded.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the demo writes, and how.
pub struct Stage<'a> {
    /// Where people read.
    pub out: &'a mut dyn Write,
    /// The store's locator, to tell where to look next.
    pub store: String,
    /// Is told how many more lines of the feed were recorded.
    pub progress: &'a (dyn Fn(usize) + Send + Sync),
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Runs the demo and returns what it saw, for `--json`.
pub async fn run(backend: &Backend, stage: &mut Stage<'_>) -> anyhow::Result<Value> {
    let started = Instant::now();
    let directory = ClientDirectory::new(Arc::clone(&backend.events), Arc::clone(&backend.documents));
    let models = ReadModels::new(
        Arc::clone(&backend.events),
        Arc::clone(&backend.documents),
        ReadModelOptions::default(),
    );
    models.load().await?;
    models.register(Arc::new(ClientsProjection::new()?)).await?;

    let (ingested, streamed) = ingest(backend, &directory, stage).await?;
    let documents = project(&models, &ingested, &directory, stage).await?;
    let example = search(&directory, stage).await?;
    let events = history(&directory, &example, stage).await?;
    let seconds = rebuild(&models, stage).await?;
    look_next(stage, &example, started)?;
    Ok(json!({
        "store": stage.store,
        "lines": ingested.read,
        "recorded": ingested.recorded,
        "repeated": ingested.repeated,
        "rejected": ingested.rejected.iter().map(|line| json!({ "line": line.number, "reason": line.reason })).collect::<Vec<_>>(),
        "streamed": streamed,
        "clients": documents,
        "example": example.key,
        "history": events,
        "rebuild_seconds": seconds,
        "seconds": started.elapsed().as_secs_f64(),
    }))
}

/// Records the feed while a subscription follows the log from where it stands.
async fn ingest(
    backend: &Backend,
    directory: &ClientDirectory,
    stage: &mut Stage<'_>,
) -> anyhow::Result<(Ingested, usize)> {
    writeln!(stage.out, "1. Reading a feed of client changes into {}", stage.store)?;
    let before = backend.events.head().await?;
    let seen = Arc::new(AtomicUsize::new(0));
    let follower = tokio::spawn(follow(Arc::clone(&backend.events), Arc::clone(&seen), before));
    let ingested = directory.ingest(SAMPLE_FEED, stage.progress).await?;
    writeln!(
        stage.out,
        "   {} lines read: {} changes recorded, {} known before, {} lines rejected",
        ingested.read,
        ingested.recorded,
        ingested.repeated,
        ingested.rejected.len()
    )?;
    for line in ingested.rejected.iter().take(4) {
        writeln!(stage.out, "   line {}: {}", line.number, line.reason)?;
    }
    if ingested.rejected.len() > 4 {
        writeln!(stage.out, "   … and {} more", ingested.rejected.len() - 4)?;
    }
    let waited = Instant::now();
    while seen.load(Ordering::Relaxed) < ingested.recorded && waited.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    follower.abort();
    let streamed = seen.load(Ordering::Relaxed);
    writeln!(stage.out, "   a subscription followed along and saw {streamed} events\n")?;
    Ok((ingested, streamed))
}

async fn follow(
    events: Arc<dyn EventStore>,
    seen: Arc<AtomicUsize>,
    from: ledgerstone::core::LogHead,
) -> anyhow::Result<()> {
    let point = ledgerstone::core::LogPoint { log: from.log, position: from.heads.application };
    let mut frames = Subscription::follow(events, Selection::all(), Some(point));
    while let Some(frame) = frames.next().await {
        seen.fetch_add(frame?.events.len(), Ordering::Relaxed);
    }
    Ok(())
}

async fn project(
    models: &ReadModels,
    ingested: &Ingested,
    directory: &ClientDirectory,
    stage: &mut Stage<'_>,
) -> anyhow::Result<u64> {
    writeln!(stage.out, "2. Filling the read model `{CLIENTS}`")?;
    let clients = CollectionName::new(CLIENTS)?;
    let started = Instant::now();
    let read = AtomicU64::new(0);
    models.catch_up(&clients, &|progress: Progress| read.store(progress.events, Ordering::Relaxed)).await?;
    if let Some(point) = ingested.point {
        models.wait_for(&clients, point, PATIENCE).await?;
    }
    let count = directory.count().await?;
    writeln!(
        stage.out,
        "   {} events became {count} clients in {:.0} ms (deleted ones are kept, and hidden)\n",
        read.into_inner(),
        started.elapsed().as_secs_f64() * 1e3
    )?;
    Ok(count)
}

async fn search(directory: &ClientDirectory, stage: &mut Stage<'_>) -> anyhow::Result<Document> {
    writeln!(
        stage.out,
        "3. Searching: active clients with the words `patisserie export`, accents and case aside"
    )?;
    let active = Filter::Eq { field: "status".try_into()?, value: "active".into() };
    let mut page = directory.search("patisserie export", vec![active.clone()]).await?;
    if page.documents.is_empty() {
        page = directory.search("export", vec![active]).await?;
    }
    for document in page.documents.iter().take(5) {
        let body = &document.body;
        writeln!(
            stage.out,
            "   {:<34} {:<8} {:<3} {}",
            text(body, "name"),
            text(body, "priority"),
            text(body, "country"),
            text(body, "business_types")
        )?;
    }
    let active = directory.by_status("active").await?;
    let swiss = directory.by_country("CH").await?;
    writeln!(
        stage.out,
        "   first pages: {} active clients{}, {} in CH{}\n",
        active.documents.len(),
        if active.next.is_some() { " and more" } else { "" },
        swiss.documents.len(),
        if swiss.next.is_some() { " and more" } else { "" },
    )?;
    let version = |document: &Document| document.body.get("version").and_then(Value::as_u64);
    page.documents.into_iter().max_by_key(version).context("the search found no client")
}

fn text(body: &Body, field: &str) -> String {
    match body.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
        None => "-".to_owned(),
    }
}

/// Shows what happened to a client, and the client as of the middle of its life.
async fn history(
    directory: &ClientDirectory,
    client: &Document,
    stage: &mut Stage<'_>,
) -> anyhow::Result<usize> {
    let past = directory.history(client.key.as_str()).await?;
    writeln!(stage.out, "4. The history of {}", text(&client.body, "name"))?;
    for Past { event, recorded } in &past {
        let at = recorded.occurred_at().map_or_else(String::new, |time| time.at.to_string());
        writeln!(stage.out, "   {:.19}  {:<15} {}", at, recorded.event_type(), change(event))?;
    }
    let middle = past.get(past.len() / 2).and_then(|past| past.recorded.occurred_at());
    if let Some(middle) = middle {
        let then = directory.load_at(client.key.as_str(), AsOf::OccurredAt(middle.at)).await?;
        let now = directory.load(client.key.as_str()).await?;
        writeln!(stage.out, "   as of {:.19}: {}", middle.at.to_string(), fields(&then.state.fields))?;
        writeln!(stage.out, "   now:                       {}\n", fields(&now.state.fields))?;
    }
    Ok(past.len())
}

fn change(event: &ClientEvent) -> String {
    match event {
        ClientEvent::ClientCreated(created) => fields(&created.fields),
        ClientEvent::ClientUpdated(updated) if updated.gap => {
            "something changed; the CRM lost what".to_owned()
        }
        ClientEvent::ClientUpdated(updated) => fields(&updated.changes),
        ClientEvent::ClientDeleted(_) | ClientEvent::ClientRestored(_) => String::new(),
    }
}

fn fields(fields: &ClientFields) -> String {
    let Ok(Value::Object(map)) = serde_json::to_value(fields) else { return String::new() };
    let pairs = map.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    pairs.collect::<Vec<_>>().join(" ")
}

async fn rebuild(models: &ReadModels, stage: &mut Stage<'_>) -> anyhow::Result<f64> {
    writeln!(stage.out, "5. Rebuilding the read model beside the live one, which goes on answering")?;
    let clients = CollectionName::new(CLIENTS)?;
    let started = Instant::now();
    let read = AtomicU64::new(0);
    models
        .rebuild(&clients, &|progress: Progress| {
            read.fetch_max(progress.events, Ordering::Relaxed);
        })
        .await?;
    let seconds = started.elapsed().as_secs_f64();
    writeln!(stage.out, "   {} events replayed and swapped in {:.0} ms\n", read.into_inner(), seconds * 1e3)?;
    Ok(seconds)
}

fn look_next(stage: &mut Stage<'_>, client: &Document, started: Instant) -> anyhow::Result<()> {
    let store = &stage.store;
    writeln!(stage.out, "Done in {:.1} s. Where to look next:", started.elapsed().as_secs_f64())?;
    writeln!(stage.out, "   ledgerstone --store {store} events read --stream client-{}", client.key)?;
    writeln!(stage.out, "   ledgerstone --store {store} streams list")?;
    writeln!(stage.out, "   ledgerstone --store {store} read-models query {CLIENTS} --search export")?;
    writeln!(stage.out, "   ledgerstone --store {store} serve        then http://127.0.0.1:7400/reference")?;
    writeln!(stage.out, "   docs/README.md for the book, examples/clients for the code of this demo")?;
    Ok(())
}
