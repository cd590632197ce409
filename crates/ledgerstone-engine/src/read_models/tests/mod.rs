//! Read models over a store in memory: feeding, poison, swapping, declarations.

mod declaring;
mod feeding;
mod interrupted;
mod overtaking;
mod poison;
mod replaying;
mod resetting;
mod swapping;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ledgerstone_core::{
    Append, Appended, Batch, Body, CollectionId, CollectionName, Definition, DefinitionHash, DocumentKey,
    DocumentStore, EventData, EventStore, EventType, ExpectedRevision, Field, FieldKind, FieldName, LogPoint,
    Projection, ProjectionError, Query, RecordedEvent, Select, StreamId, Tenant, TenantScope,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::account::stores;
use crate::read_models::handle::ReadModels;
use crate::read_models::options::ReadModelOptions;

/// Counts and sums the events of each stream, or of the key that they name, and chokes on poison until
/// it is mended.
#[derive(Debug, Default)]
struct Sums {
    mended: AtomicBool,
}

impl Sums {
    fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }
}

impl Projection for Sums {
    fn definition(&self) -> Definition {
        let field = |name| Field {
            name: FieldName::declared(name).expect("a name"),
            kind: FieldKind::Integer,
            indexed: true,
            searchable: false,
        };
        let id = CollectionId { name: name("sums"), definition: DefinitionHash::of(b"sums 1") };
        Definition { id, fields: vec![field("events"), field("sum")] }
    }

    fn query(&self) -> Query {
        Query::all()
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Vec<DocumentKey>, ProjectionError> {
        let broken = event.event_type() == "Keyless" && !self.mended.load(Ordering::SeqCst);
        if broken {
            return Err(ProjectionError("no key".to_owned()));
        }
        let payload: Value = serde_json::from_slice(event.payload()).unwrap_or_default();
        let key = payload["key"].as_str().or(event.stream());
        Ok(key.and_then(|key| DocumentKey::new(key).ok()).into_iter().collect())
    }

    fn project(
        &self,
        event: &RecordedEvent,
        _: &DocumentKey,
        body: Option<Body>,
    ) -> Result<Option<Body>, ProjectionError> {
        let mended = self.mended.load(Ordering::SeqCst);
        match event.event_type() {
            "Poison" if !mended => return Err(ProjectionError("poison".to_owned())),
            "Panic" if !mended => panic!("out of order"),
            _ => {}
        }
        let payload: Value = serde_json::from_slice(event.payload()).unwrap_or_default();
        let mut body = body.unwrap_or_default();
        if event.event_type() == "Misfit" && !mended {
            body.insert("sum".to_owned(), json!("not a number"));
            return Ok(Some(body));
        }
        for (field, by) in [("events", 1), ("sum", payload["n"].as_i64().unwrap_or(0))] {
            let now = body.get(field).and_then(Value::as_i64).unwrap_or(0);
            body.insert(field.to_owned(), json!(now + by));
        }
        Ok(Some(body))
    }
}

/// A store with read models over it.
struct World {
    events: Arc<dyn EventStore>,
    documents: Arc<dyn DocumentStore>,
    models: ReadModels,
}

fn name(text: &str) -> CollectionName {
    CollectionName::new(text).expect("a name")
}

fn options() -> ReadModelOptions {
    ReadModelOptions { batch_events: 7, poll: Duration::from_millis(20), ..ReadModelOptions::default() }
}

async fn world() -> World {
    world_with(options()).await
}

async fn world_with(options: ReadModelOptions) -> World {
    let (events, documents) = stores().await;
    let models = ReadModels::new(Arc::clone(&events), Arc::clone(&documents), options);
    World { events, documents, models }
}

/// Opens a store in a file, and read models over it.
async fn file_world(folder: &std::path::Path) -> (World, ledgerstone_stores::Backend) {
    let locator = format!("sqlite:{}", folder.join("app.db").display()).parse().expect("a locator");
    let resources = ledgerstone_stores::Resources::default();
    let backend = ledgerstone_stores::open(&locator, &resources).await.expect("opens");
    let (events, documents) = (Arc::clone(&backend.events), Arc::clone(&backend.documents));
    let models = ReadModels::new(Arc::clone(&events), Arc::clone(&documents), options());
    (World { events, documents, models }, backend)
}

/// Polls a future so many times, then drops it where it stands.
async fn killed_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

impl World {
    /// Makes another handle over the same stores, as another process would.
    fn another(&self) -> ReadModels {
        ReadModels::new(Arc::clone(&self.events), Arc::clone(&self.documents), options())
    }

    async fn append(&self, stream: &str, event_type: &str, payload: Value) -> LogPoint {
        self.append_of(Tenant::default(), stream, event_type, payload)
            .await
            .point()
            .expect("an application event")
    }

    async fn append_of(&self, tenant: Tenant, stream: &str, event_type: &str, payload: Value) -> Appended {
        let event_type = EventType::new(event_type).expect("a type");
        let event = EventData::json(Uuid::now_v7(), event_type, payload.to_string());
        let stream = StreamId::new(stream).expect("a stream");
        let append = Append::to(stream, ExpectedRevision::Any, vec![event]);
        self.events.append(Batch { tenant, ..Batch::of(append) }).await.expect("appends")
    }

    /// Appends `count` events with n = 1, 2, … in turn to five streams.
    async fn numbers(&self, count: u64) {
        for n in 1..=count {
            self.append(&format!("s-{}", n % 5), "Number", json!({"n": n})).await;
        }
    }

    async fn documents(&self, model: &str) -> BTreeMap<String, Value> {
        let select = Select::from(name(model)).size(500).of(TenantScope::All);
        let page = self.models.query(select).await.expect("queries");
        page.documents
            .into_iter()
            .map(|document| (document.key.to_string(), Value::Object(document.body)))
            .collect()
    }

    async fn sum(&self, key: &str) -> Option<i64> {
        self.documents("sums").await.get(key).and_then(|body| body["sum"].as_i64())
    }

    async fn catch_up(&self, model: &str) {
        self.models.catch_up(&name(model), &|_| {}).await.expect("catches up");
    }
}

/// Returns what `count` numbers in five streams must have become.
fn expected(count: u64) -> BTreeMap<String, Value> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for n in 1..=count {
        let sum = sums.entry(format!("s-{}", n % 5)).or_default();
        *sum = (sum.0 + 1, sum.1 + i64::try_from(n).expect("small"));
    }
    sums.into_iter().map(|(key, (events, sum))| (key, json!({"events": events, "sum": sum}))).collect()
}
