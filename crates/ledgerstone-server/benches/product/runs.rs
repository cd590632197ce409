//! The runs: what is set up for each comparison, and the bars of the house.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use ledgerstone::core::{
    Append, Batch, CollectionName, CollectionRef, DocumentKey, EventData, EventStore, EventType,
    ExpectedRevision, Locator, OffsetTime, StreamId, SystemClock, TimeOrderedIds, Timestamp,
};
use ledgerstone::engine::{ReadModelOptions, ReadModels};
use ledgerstone::stores::{Backend, Resources, open};
use ledgerstone_server::app::App;
use ledgerstone_server::bench::{
    Measured, Workload, batches, bench_batch, bench_stream, concurrent_singles, http_appends, model_reads,
    print_table, projecting, read_all, replays, run_interleaved, stream_loads,
};
use ledgerstone_server::serve::{ServeOptions, Server};
use uuid::Uuid;

use crate::baseline::Plain;
use crate::options::Options;

const CASES: &str = include_str!("../../../../docs/examples/cases.toml");

const ORDERS: &str = r#"
[read_model]
name = "orders"
key = "{stream}"

[fields.events]
kind = "integer"

[fields.amount]
kind = "integer"

[[on]]
types = ["*"]
set = { amount = "/amount" }
increment = { events = 1 }
"#;

/// Runs every comparison, or the one that was asked for, and prints a table each.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    if wanted("append") {
        report("append", &append(options, folder.path()).await?)?;
    }
    if wanted("read") {
        report("read", &read(options, folder.path()).await?)?;
    }
    if wanted("project") {
        report("project", &project(options, folder.path()).await?)?;
    }
    if wanted("http") {
        report("http", &http(options, folder.path()).await?)?;
    }
    Ok(())
}

fn report(name: &str, measured: &[Measured]) -> anyhow::Result<()> {
    let out = &mut std::io::stdout().lock();
    use std::io::Write as _;
    writeln!(out, "\n## {name}\n")?;
    print_table(out, measured)?;
    Ok(())
}

/// Opens a new store of the kind that is measured.
async fn fresh(options: &Options, folder: &Path, name: &str) -> anyhow::Result<Backend> {
    let locator: Locator = format!("{}:{}", options.store, folder.join(name).display()).parse()?;
    Ok(open(&locator, &Resources::default()).await?)
}

async fn load(store: &Arc<dyn EventStore>, events: u64) -> anyhow::Result<()> {
    for batch in 0..events / 1_000 {
        store.append(bench_batch(batch % 100_000, ExpectedRevision::Any, 1_000)?).await?;
    }
    Ok(())
}

/// Both stores hold the same number of events before the first window.
async fn append(options: &Options, folder: &Path) -> anyhow::Result<Vec<Measured>> {
    let ours = fresh(options, folder, "append.db").await?;
    let plain = Plain::open(&folder.join("plain.db"))?;
    load(&ours.events, options.events).await?;
    plain.load(options.events).await?;
    let workloads = vec![
        plain.singles(64),
        concurrent_singles(Arc::clone(&ours.events), 64).against("plain schema, 1 event, 64 writers", 2.0),
        plain.batches(1_000),
        batches(Arc::clone(&ours.events), 1_000).against("plain schema, batches of 1000, 1 writer", 2.0),
        concurrent_singles(Arc::clone(&ours.events), 1),
    ];
    run_interleaved(options.plan, workloads).await
}

async fn read(options: &Options, folder: &Path) -> anyhow::Result<Vec<Measured>> {
    let ours = fresh(options, folder, "read.db").await?;
    load(&ours.events, options.events).await?;
    let loads = stream_loads(Arc::clone(&ours.events), 10_000).await?;
    let workloads = vec![loads.at_least(15_000.0), read_all(Arc::clone(&ours.events)).at_least(1e6)];
    run_interleaved(options.plan, workloads).await
}

/// The log that `--log` names (say, of an import), or one of the same shape that we make up.
async fn project(options: &Options, folder: &Path) -> anyhow::Result<Vec<Measured>> {
    let log = match &options.log {
        Some(path) => open(&format!("sqlite:{}", path.display()).parse()?, &Resources::default()).await?,
        None => {
            let store = fresh(options, folder, "cases.db").await?;
            make_cases(&store.events).await?;
            store
        }
    };
    let events = log.events.head().await?.heads.application.0;
    let models = read_models(&log).await?;
    let cases = models.declare(CASES).await?.name;
    models.catch_up(&cases, &|_| ()).await?;

    let long = fresh(options, folder, "long.db").await?;
    for _ in 0..10 {
        long.events.append(bench_batch(1, ExpectedRevision::Any, 1_000)?).await?;
    }
    let long_models = read_models(&long).await?;
    long_models.declare(ORDERS).await?;
    long_models.catch_up(&CollectionName::new("orders")?, &|_| ()).await?;
    let stream = bench_stream(1)?;
    let reads = model_reads(
        Arc::clone(&long.documents),
        CollectionRef::Live(CollectionName::new("orders")?),
        DocumentKey::new(stream.as_str())?,
    );
    let workloads = vec![
        projecting(models, cases, events).at_least(50_000.0),
        replays(Arc::clone(&long.events), stream),
        reads.against("replay an aggregate of 10,000 events", 100.0),
    ];
    run_interleaved(options.plan, workloads).await
}

async fn read_models(backend: &Backend) -> anyhow::Result<ReadModels> {
    let models = ReadModels::new(
        Arc::clone(&backend.events),
        Arc::clone(&backend.documents),
        ReadModelOptions::default(),
    );
    models.load().await?;
    Ok(models)
}

/// Appends 1,434 cases with six events each, in the shape of a permit process.
async fn make_cases(store: &Arc<dyn EventStore>) -> anyhow::Result<()> {
    let channels = ["Internet", "Desk", "e-mail", "Post"];
    for step in 0..6_u64 {
        for chunk in (0..1_434_u64).collect::<Vec<_>>().chunks(500) {
            let mut batch = Batch::default();
            for case in chunk {
                let data = format!(
                    r#"{{"case:channel":"{}","case:deadline":"2011-12-06 13:41:31.788000+01:00","case:department":"General","case:enddate":"","case:enddate_planned":"2011-12-06 13:41:31.788000+01:00","case:group":"Group {}","case:responsible":"Resource{:02}","case:startdate":"2011-10-11 13:42:22.688000+02:00","concept:instance":"task-{}","lifecycle:transition":"complete","org:group":"Group 1","org:resource":"Resource21"}}"#,
                    channels[(case % 4) as usize],
                    case % 5,
                    case % 40,
                    case * 10 + step
                );
                let mut event = EventData::json(
                    Uuid::now_v7(),
                    EventType::new(format!("T{step:02} Do step {step}"))?,
                    data,
                );
                let at =
                    Timestamp::from_micros(1_318_000_000_000_000 + (*case * 6 + step) as i64 * 60_000_000);
                event.metadata.occurred_at = Some(OffsetTime { at, offset: Some(7_200) });
                let stream = StreamId::new(format!("case-{case}"))?;
                batch.appends.push(Append::to(stream, ExpectedRevision::Any, vec![event]));
            }
            store.append(batch).await?;
        }
    }
    Ok(())
}

async fn http(options: &Options, folder: &Path) -> anyhow::Result<Vec<Measured>> {
    let store = fresh(options, folder, "http.db").await?;
    let models = read_models(&store).await?;
    let app = App {
        events: store.events,
        documents: store.documents,
        read_models: models,
        outward: None,
        condition: None,
        upkeep: None,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(TimeOrderedIds),
    };
    let options_of_server =
        ServeOptions { listen: ([127, 0, 0, 1], 0).into(), project: false, ..ServeOptions::default() };
    let server = Server::bind(app, options_of_server).await?;
    let address = server.address();
    let serving = tokio::spawn(server.run(std::future::pending()));
    let workloads: Vec<Workload> = vec![http_appends(address, 64).at_least(10_000.0)];
    let measured = run_interleaved(options.plan, workloads).await;
    serving.abort();
    measured
}
